"""Scenario 8, where the link is too slow for the attempts' deadlines."""

from frame.scenario import Scenario


class SlowDrain(Scenario):
    name = "slow_drain"
    sentence = ("a backlog is delivered over a link so slow that attempts run into their deadline, "
                "sent and unsent: order per key")

    def run(self, run):
        run.start_broker()
        proxy = run.start_proxy()
        run.start_router([proxy.url], nats_ack_timeout_ms=500)
        load = run.start_load(rate=6000)
        slow_drains = 0
        while run.going():
            proxy.refuse = True
            proxy.break_connections()
            run.pause(run.random.uniform(0.5, 1.5))
            proxy.set(to_server="slow")
            proxy.refuse = False
            run.pause(run.random.uniform(0.8, 2.0))
            proxy.heal()
            run.pause(run.random.uniform(0.2, 1.0))
            slow_drains += 1
            run.progress(f"slow drains {slow_drains}, accepted {load.meter.accepted:,}")
        run.figures.update(slow_drains=slow_drains)
        run.finish(load)
        run.figures.update(
            timed_out=int(run.router.metric("router_nats_pending_operations_retry_failed")))
