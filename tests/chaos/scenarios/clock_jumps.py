"""Scenario 12."""

import itertools
import os
import time

import grpc
from google.protobuf import duration_pb2
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import jetstream
from harness.waiting import stays_true, wait_until

from frame.preload import ClockJump
from frame.scenario import Scenario

_HOUR_S = 3600
_STREAM = "BESIDE"
# Of true time, in which things have to go on after a jump. The router looks at the system's clock every
# two seconds, and goes by the processor's counter between.
_SOON_S = 5.0
# In which the router has read the clock again and looked at itself.
_LOOKS_AT_ITSELF_S = 3.0
# So long that a busy machine alone does not make the router give up its connection.
_PING_MS = 2000


class ClockJumps(Scenario):
    name = "clock_jumps"
    sentence = ("the wall clock jumps by hours, forwards and back, in all situations: nothing stalls "
                "or is lost, no retry storm, fail-open mode ends in time")
    short_s = 15.0

    def run(self, run):
        run.start_broker()
        run.broker.create_stream(_STREAM, ["beside.>"])
        self._run = run
        self._clock = ClockJump(os.path.join(run.folder, "clock"))
        self._ids = itertools.count()
        self._at_s = 0
        run.start_router(env=self._clock.env, enable_fault_injection=True,
                         nats_ping_interval_ms=_PING_MS)
        load = run.start_load(rate=1000)
        run.figures.update(jumps=0, rounds=0, expired_early=0, expired_late=0,
                           reconnects_per_s=0.0, slowest_s=0.0)
        steps = [self._connected, self._long_ttl, self._short_ttl, self._fail_open, self._broker_away,
                 self._blocked_head, self._readiness, self._watch]
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
        """What has hours to live is delivered. A jump forwards by more than that makes it expire:
        the time at which a message expires is one of the wall clock."""
        self._pause_delivery()
        self._wait_noticed()
        ids = {self._publish(ttl_s=abs(hours) * _HOUR_S / 2) for _ in range(5)}
        self._jump(hours)
        self._wait_noticed()
        self._resume_delivery()
        self._soon(lambda: not self._queued("beside.a"), "drains")
        expired = len(ids - self._stored())
        self._run.figures["expired_early"] += expired
        self._run.check(hours > 0 or not expired, f"a jump of {hours:+.1f} h makes messages expire")

    def _short_ttl(self, hours):
        """What has a moment to live expires. A jump back by hours gives it as much more."""
        self._pause_delivery()
        self._wait_noticed()
        ids = {self._publish(ttl_s=0.2) for _ in range(3)}
        self._jump(hours)
        published = time.monotonic()
        self._wait_noticed()
        wait_until(lambda: time.monotonic() > published + 0.3, "they are too old", 2)
        self._resume_delivery()
        self._soon(lambda: not self._queued("beside.a"), "drains")
        delivered = len(ids & self._stored())
        self._run.figures["expired_late"] += delivered
        self._run.check(hours < 0 or not delivered,
                        f"messages outlive their time with a jump of {hours:+.1f} h")

    def _wait_noticed(self):
        """The router's clock is where it was set to. Delivery has to be paused."""
        def is_noticed():
            message_id = self._publish(subject="beside.probe")
            accepted = next(o.accept_time.ToNanoseconds() / 1e9
                            for o in self._queued("beside.probe") if o.message_id == message_id)
            return abs(accepted - self._at_s - time.time()) < 60
        wait_until(is_noticed, "the router's clock has jumped", poll_s=0.1)

    def _queued(self, subject):
        return self._api().ListPendingOperations(admin_pb2.ListPendingOperationsRequest(
            filter=f'subject = "{subject}"', page_size=1000)).operations

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
        self._soon(lambda: any(o.attempts for o in self._queued(f"later.{stream}")),
                   "a message without a stream is tried")
        self._jump(hours)
        with self._run.broker.client() as client:
            jetstream.create_stream(client, stream, [f"later.{stream}"])
        self._soon(lambda: message_id in self._stored(stream),
                   f"a message is tried again after a jump of {hours:+.1f} h")

    def _readiness(self, hours):
        """What looks at itself again and again goes on doing so."""
        self._run.check(self._run.router.health("readiness") == "SERVING", "not ready")
        self._jump(hours)
        try:
            stays_true(lambda: self._run.router.get("/readyz") == 200, "ready",
                       _LOOKS_AT_ITSELF_S)
        except AssertionError:
            self._run.violation(f"not ready after a jump of {hours:+.1f} h")

    def _watch(self, hours):
        """Who watches the status hears of it in time."""
        request = admin_pb2.WatchStatusRequest()
        request.interval.FromMilliseconds(200)
        watch = self._api().watch_status(request, timeout_s=2 * _SOON_S)
        begin = time.monotonic()
        try:
            next(watch)
            self._jump(hours)
            for _ in range(3):
                next(watch)
        except grpc.RpcError as e:
            self._run.violation(f"a watch ends with a jump of {hours:+.1f} h: {e.code()}")
        self._run.check(time.monotonic() - begin < _SOON_S,
                        f"a watch says nothing after a jump of {hours:+.1f} h")
        watch.cancel()
