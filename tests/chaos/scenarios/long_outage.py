"""Scenario 8."""

import time

from frame.scenario import Scenario

_BACKLOG = 1000
_RECONNECT_S = 5.0
# In the short version, which runs beside other tests.
_RECONNECT_BUSY_S = 15.0


class LongOutage(Scenario):
    name = "long_outage"
    sentence = ("the broker is away for long, and the queue is delivered under live load of the "
                "same keys: order per key, no overtaking")
    weight = 1.5

    def run(self, run):
        run.start_broker()
        run.start_router(nats_ack_timeout_ms=2000)
        load = run.start_load(rate=8000)
        run.pause(0.1 * run.duration_s)
        run.broker.kill()
        away = time.monotonic()
        end = away + 0.4 * run.duration_s
        while time.monotonic() < end:
            run.pause(0.25)
            run.progress(f"broker away, accepted {load.meter.accepted:,}")
        run.wait_until(
            lambda: run.router.metric("router_nats_pending_operations_count") >= _BACKLOG,
            "there is a backlog", 30)
        backlog = int(run.router.metric("router_nats_pending_operations_count"))
        away = time.monotonic() - away
        run.broker.start()
        back = time.monotonic()
        run.router.wait_connected(30)
        connected = time.monotonic()
        run.wait_until(
            lambda: run.router.metric("router_nats_pending_operations_count") == 0,
            "the backlog is delivered under live load", max(20.0, run.duration_s))
        drained = time.monotonic()
        delivered = int(run.router.metric("router_nats_pending_operations_retry_success"))
        run.progress("drained")
        run.pause(run.remaining_s)
        run.figures.update(
            outage_s=round(away, 1), backlog=backlog, reconnect_s=round(connected - back, 2),
            drain_under_load_s=round(drained - connected, 2),
            drained_per_s=int(delivered / max(0.01, drained - connected)))
        run.finish(load)
        run.at_least("backlog", _BACKLOG)
        allowed_s = _RECONNECT_S if run.duration_s > self.short_s else _RECONNECT_BUSY_S
        run.check(connected - back <= allowed_s, f"connected only after {connected - back:.1f} s")
