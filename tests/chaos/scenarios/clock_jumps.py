"""Scenario 12."""

import itertools
import os
import time

from google.protobuf import duration_pb2
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import jetstream
from harness.waiting import wait_until

from frame.preload import ClockJump
from frame.scenario import Scenario

_HOUR_S = 3600
_STREAM = "BESIDE"
# Of true time, in which things have to go on after a jump.
_SOON_S = 3.0


class ClockJumps(Scenario):
    name = "clock_jumps"
    sentence = ("the wall clock jumps by hours, forwards and back, in all situations: nothing stalls, "
                "no message expires wrongly, no retry storm, fail-open mode ends in time")
    short_s = 15.0

    def run(self, run):
        run.start_broker()
        run.broker.create_stream(_STREAM, ["beside.>"])
        self._run = run
        self._clock = ClockJump(os.path.join(run.folder, "clock"))
        self._ids = itertools.count()
        self._at_s = 0
        run.start_router(env=self._clock.env, enable_fault_injection=True)
        load = run.start_load(rate=1000)
        run.figures.update(jumps=0, rounds=0, expired_early=0, expired_late=0,
                           reconnects_per_s=0.0, slowest_s=0.0)
        steps = [self._connected, self._long_ttl, self._short_ttl, self._fail_open, self._broker_away,
                 self._blocked_head, self._readiness]
        while run.figures["rounds"] == 0 or run.going():
            run.random.shuffle(steps)
            for step in steps:
                for hours in (run.random.uniform(1, 6), -run.random.uniform(1, 6)):
                    if run.figures["rounds"] and not run.going():
                        break
                    run.progress(f"{step.__name__} {hours:+.1f} h")
                    step(hours)
            run.figures["rounds"] += 1
        run.finish(load)
        run.check(load.meter.longest_stall_s < _SOON_S,
                  f"no message was accepted for {load.meter.longest_stall_s:.1f} s")

    def _jump(self, hours):
        self._at_s += hours * _HOUR_S
        self._clock.set(self._at_s)
        self._run.figures["jumps"] += 1

    def _soon(self, predicate, what):
        """Holds within a few seconds of true time."""
        begin = time.monotonic()
        holds = self._run.wait_until(predicate, what, _SOON_S)
        figures = self._run.figures
        figures["slowest_s"] = max(figures["slowest_s"], round(time.monotonic() - begin, 2))
        return holds

    def _metric(self, name, **labels):
        return self._run.router.metric(name, **labels)

    def _pause_delivery(self):
        self._api().PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="clock jumps"))

    def _resume_delivery(self):
        self._api().ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="clock jumps"))

    def _api(self):
        return self._run.router.api

    def _publish(self, ttl_s=None, subject="beside.a"):
        """One message beside the load; its id."""
        message = message_pb2.Message(
            subject=subject, message_id=f"beside-{next(self._ids)}", payload=b"x",
            guarantee=message_pb2.GUARANTEE_STORED)
        if ttl_s is not None:
            message.ttl.CopyFrom(duration_pb2.Duration(nanos=int(ttl_s * 1e9) % 10**9,
                                                       seconds=int(ttl_s)))
        result = self._api().Publish(publisher_pb2.PublishRequest(message=message)).result
        self._run.check(result.outcome == message_pb2.PUBLISH_OUTCOME_QUEUED,
                        f"a message was not queued: {result}")
        return message.message_id

    def _stored(self, stream=_STREAM):
        return {m.message_id for m in self._run.broker.dump(stream)}

    # Situations. Each ends as it has begun.

    def _connected(self, hours):
        """Traffic goes on, and the connection is not given up."""
        lost = self._metric("router_nats_connection_lost_total")
        delivered = self._metric("router_nats_publish_outcomes_total", outcome="delivered")
        self._jump(hours)
        self._soon(lambda: self._metric("router_nats_publish_outcomes_total", outcome="delivered")
                   > delivered + 200, "messages are delivered after a jump")
        self._run.check(self._metric("router_nats_connection_lost_total") == lost,
                        f"the connection is lost with a jump of {hours:+.1f} h")

    def _long_ttl(self, hours):
        """A jump is no passing of time: what has hours to live is delivered."""
        self._pause_delivery()
        ids = {self._publish(ttl_s=abs(hours) * _HOUR_S / 2) for _ in range(5)}
        self._jump(hours)
        self._resume_delivery()
        self._soon(lambda: self._metric("router_nats_pending_operations_count") < 100, "drains")
        dead = self._metric("router_nats_dead_letters_total", reason="expired")
        try:
            wait_until(lambda: ids <= self._stored(), "delivered", _SOON_S)
        except AssertionError:
            self._run.figures["expired_early"] += len(ids - self._stored())
            self._run.violation(f"a jump of {hours:+.1f} h makes messages expire ({dead} dead)")

    def _short_ttl(self, hours):
        """And time passes all the same: what has a moment to live expires."""
        self._pause_delivery()
        ids = {self._publish(ttl_s=0.2) for _ in range(3)}
        dead = self._metric("router_nats_dead_letters_total", reason="expired")
        self._jump(hours)
        published = time.monotonic()
        wait_until(lambda: time.monotonic() > published + 0.3, "they are too old", 2)
        self._resume_delivery()
        if not self._soon(
                lambda: self._metric("router_nats_dead_letters_total", reason="expired")
                >= dead + len(ids), f"messages expire after a jump of {hours:+.1f} h"):
            self._run.figures["expired_late"] += len(ids & self._stored())

    def _fail_open(self, hours):
        """Ends when its time is over, whatever the clock says."""
        request = admin_pb2.SetFailOpenModeRequest(enabled=True, reason="clock jumps")
        request.ttl.FromSeconds(1)
        self._api().SetFailOpenMode(request)
        self._jump(hours)
        self._soon(lambda: self._metric("router_nats_fail_open_enabled") == 0,
                   f"fail-open mode for 1 s ends after a jump of {hours:+.1f} h")
        if self._metric("router_nats_fail_open_enabled"):
            self._api().SetFailOpenMode(
                admin_pb2.SetFailOpenModeRequest(enabled=False, reason="clock jumps"))

    def _broker_away(self, hours):
        """Attempts to connect keep their pace, and the broker's return is noticed."""
        self._run.broker.kill()
        self._run.router.wait_not_connected()
        begin = time.monotonic()
        attempts = self._metric("router_nats_reconnect_attempts_total")
        self._jump(hours)
        wait_until(lambda: time.monotonic() > begin + 1.0, "a second", 3)
        attempts = self._metric("router_nats_reconnect_attempts_total") - attempts
        per_s = attempts / (time.monotonic() - begin)
        figures = self._run.figures
        figures["reconnects_per_s"] = max(figures["reconnects_per_s"], round(per_s, 1))
        # Delays of up to 150 ms with full jitter: 13 attempts a second on the average.
        self._run.check(1 <= per_s < 60, f"{per_s:.0f} attempts to connect in a second")
        self._run.broker.start()
        self._soon(lambda: self._metric("router_nats_connection_status") == 1,
                   "connected when the broker is back")
        self._soon(lambda: self._metric("router_nats_pending_operations_count") < 100, "drains")

    def _blocked_head(self, hours):
        """A message that is tried again after a delay."""
        stream = f"LATER{next(self._ids)}"
        self._pause_delivery()
        message_id = self._publish(subject=f"later.{stream}")
        self._resume_delivery()
        operations = admin_pb2.ListPendingOperationsRequest(filter=f'subject = "later.{stream}"')
        self._soon(lambda: any(o.attempts for o in
                               self._api().ListPendingOperations(operations).operations),
                   "a message without a stream is tried")
        self._jump(hours)
        with self._run.broker.client() as client:
            jetstream.create_stream(client, stream, [f"later.{stream}"])
        self._soon(lambda: message_id in self._stored(stream),
                   f"a message is tried again after a jump of {hours:+.1f} h")

    def _readiness(self, hours):
        """What looks at itself again and again goes on doing so."""
        health = self._run.router.health
        self._run.check(health("readiness") == "SERVING", "ready")
        self._jump(hours)
        self._run.check(self._run.router.get("/readyz") == 200, "not ready after a jump")
