"""Scenario 8, where the link is too slow for the attempts' deadlines."""

from frame.scenario import Scenario


class SlowDrain(Scenario):
    name = "slow_drain"
    sentence = ("a backlog is delivered over a link so slow that attempts run into their deadline, "
                "sent and unsent: order per key")

    def run(self, run):
        run.start_broker()
        proxy = run.start_proxy()
        # The pings of a link that is slow only must not end the connection before the attempts.
        run.start_router([proxy.url], nats_ack_timeout_ms=500, nats_ping_interval_ms=5000)
        load = run.start_load(rate=6000)
        run.figures.update(slow_drains=0, timed_out=0)
        while run.figures["slow_drains"] < 2 or run.going():
            proxy.refuse = True
            proxy.break_connections()
            run.pause(run.random.uniform(0.5, 1.5))
            proxy.set(to_server="slow")
            proxy.refuse = False
            run.router.wait_connected()
            lost, failed = _lost(run), _failed(run)
            run.pause(run.random.uniform(0.8, 2.0))
            failed = _failed(run) - failed
            # Without an end of the connection, nothing but its deadline ends an attempt.
            run.figures["timed_out"] += failed if _lost(run) == lost else 0
            proxy.heal()
            run.pause(run.random.uniform(0.2, 1.0))
            run.figures["slow_drains"] += 1
            run.progress(f"slow drains {run.figures['slow_drains']}, "
                         f"accepted {load.meter.accepted:,}")
        run.at_least("timed_out", 1)
        run.finish(load)


def _lost(run):
    return run.router.metric("router_nats_connection_lost_total")


def _failed(run):
    """Attempts to deliver what was queued."""
    return int(run.router.metric("router_nats_pending_operations_retry_failed"))
