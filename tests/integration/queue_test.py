"""The pending queue: limits and what a full one does, memory, order, speed on recovery."""

import time
import unittest

import grpc
from router.v1 import admin_pb2

from harness import oracle as outcomes
from harness import sanitizers
from harness.caller import Caller
from harness.fixture import RouterTestCase, both_modes
from harness.waiting import stays_true, wait_until


class FullQueueTest(RouterTestCase):

    def test_fail_closed_rejects_when_full(self):
        self.start(nats_max_pending_operations=10)
        self.assertEqual(self.router.metric("router_nats_pending_operations_limit"), 10)
        self.lose_broker()
        self.assert_outcomes(self.caller.publish_many("test.a", 10), outcomes.QUEUED)
        for answer in self.caller.publish_many("test.a", 3):
            self.assertEqual(answer.outcome, outcomes.REJECTED)
            self.assertEqual(answer.error.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
            self.assertEqual(answer.error.reason, "PENDING_QUEUE_FULL")
            self.assertGreater(answer.error.retry_delay_s, 0)
            self.assertLess(answer.elapsed_s, 0.2)
        full = self.router.log.wait_for_event("NATS_QUEUE_FULL")
        self.assertEqual((full["queue_size"], full["max_size"], full["policy"]),
                         (10, 10, "reject"))
        self.assertEqual(self.router.metric("router_nats_pending_operations_count"), 10)
        self.bring_broker_back()
        self.assert_contract(events=("NATS_CONNECTION_LOST", "NATS_QUEUE_FULL",
                                     "NATS_CONNECTION_RESTORED"))
        self.assertEqual(self.router.metric("router_nats_pending_operations_dropped_total"), 0)

    def test_fail_open_drops_when_full(self):
        self.start(nats_max_pending_operations=5)
        self.lose_broker()
        self.caller.publish_many("test.a", 5)
        self.set_fail_open()
        self.assert_outcomes(self.caller.publish_many("test.b", 3), outcomes.DROPPED)
        self.assert_outcomes(self.caller.publish_many("test.a", 3), outcomes.DROPPED)
        self.bring_broker_back()
        self.assert_contract()

    def set_fail_open(self):
        self.router.api.SetFailOpenMode(
            admin_pb2.SetFailOpenModeRequest(enabled=True, reason="test"))

    def test_limit_in_bytes(self):
        self.start(pending_max_bytes=1 << 20)
        self.assertEqual(self.router.metric("router_nats_pending_bytes_limit"), 1 << 20)
        self.lose_broker()
        answers = self.caller.publish_many("test.a", 15, payload=b"x" * 100_000)
        queued = [a for a in answers if a.outcome == outcomes.QUEUED]
        self.assertEqual(len(queued), 10)
        self.assertEqual(answers[-1].error.reason, "PENDING_QUEUE_FULL")
        self.assertLessEqual(self.router.metric("router_nats_pending_bytes"), 1 << 20)
        self.bring_broker_back()
        self.assert_contract()

    def test_drop_oldest(self):
        self.start(nats_max_pending_operations=10, pending_full_policy="drop_oldest")
        self.lose_broker()
        answers = self.caller.publish_many("test.a", 25)
        self.assert_outcomes(answers, outcomes.QUEUED)
        self.router.wait_for_metric("router_nats_pending_operations_dropped_total", 15)
        kept = [o.message_id for o in self.pending()]
        self.assertEqual(kept, [a.record.message_id for a in answers[15:]])
        self.assertEqual(self.router.log.wait_for_event("NATS_QUEUE_FULL")["policy"],
                         "drop_oldest")
        self.bring_broker_back()
        self.assert_contract(not_retried=15,
                             purged=[a.record.message_id for a in answers[:15]])

    def test_block_waits_until_there_is_room_or_the_deadline(self):
        self.start(nats_max_pending_operations=10, pending_full_policy="block")
        self.lose_broker()
        self.assert_outcomes(self.caller.publish_many("test.a", 10), outcomes.QUEUED)
        late = self.caller.publish("test.a", timeout_s=0.4)
        self.assertEqual(late.error.code, grpc.StatusCode.DEADLINE_EXCEEDED)
        self.assertEqual(late.outcome, outcomes.UNKNOWN)
        stream = self.caller.open_stream()
        stream.send("test.a", 5)
        stays_true(lambda: stream.answered == 0, "they wait", 0.2)
        self.bring_broker_back()
        stream.wait_answered()
        stream.finish()
        self.assertEqual(self.oracle.count(outcomes.REJECTED, outcomes.DROPPED), 0)
        self.router.wait_drained()
        self.assertNotIn(late.record.message_id, [i for i, _ in self.stored()],
                         "past a deadline nothing is queued behind the caller's back")
        self.assert_contract()


class OrderTest(RouterTestCase):

    def test_order_within_keys_over_several_outages(self):
        self.start()
        streams = [self.caller.open_stream() for _ in range(3)]
        for turn in range(3):
            for _ in range(10):
                for n, stream in enumerate(streams):
                    stream.send(f"test.{n}.{turn}", 20, key=f"key {n}")
            self.lose_broker()
            for _ in range(10):
                for n, stream in enumerate(streams):
                    stream.send(f"test.{n}.{turn}", 20, key=f"key {n}")
            self.bring_broker_back()
        for stream in streams:
            stream.wait_answered()
            stream.finish()
        self.assertEqual(self.oracle.count(outcomes.DELIVERED, outcomes.QUEUED), 3600)
        self.assert_contract()


class LongOutageTest(RouterTestCase):

    def test_memory_under_high_traffic_and_a_long_outage(self):
        self.start()
        self.lose_broker()
        stream = self.caller.open_stream()
        self.fill(stream, 5_000)
        before = self.router.resident_bytes()
        self.fill(stream, 60_000)
        grown = self.router.resident_bytes() - before
        stream.finish()
        # 120 MB more are on disk; what grows with them in memory is far less than that.
        self.assertLess(grown, (60 << 20) * sanitizers.MEMORY, f"grew by {grown >> 20} MB")
        status = self.status().queue
        self.assertEqual(status.count, 65_000)
        self.assertGreater(status.bytes, 130_000_000)
        self.assertTrue(status.healthy)

    def fill(self, stream, count):
        for _ in range(count // 1000):
            stream.send("test.a", 1000, payload=b"x" * 2000)
            stream.wait_answered(at_least=max(0, stream.sent - 4000))
        stream.wait_answered()

    @both_modes
    def test_processing_time_on_recovery(self, fail_open):
        """Drained at no less than half the direct publish rate."""
        self.start()
        stream = self.caller.open_stream()
        direct_s = self.timed(stream, 10_000)
        self.lose_broker()
        self.timed(stream, 10_000)
        self.assertEqual(self.router.metric("router_nats_pending_operations_count"), 10_000)
        if fail_open:
            self.router.api.SetFailOpenMode(admin_pb2.SetFailOpenModeRequest(
                enabled=True, reason="what is queued is delivered all the same"))
        begin = time.monotonic()
        self.bring_broker_back()
        connected = time.monotonic()
        self.router.wait_drained()
        drain_s = time.monotonic() - connected
        stream.finish()
        self.assertLess(connected - begin, 5)
        self.assertLess(drain_s, max(2.0, 2 * direct_s), f"direct took {direct_s:.2f} s")
        metrics = self.router.metrics()
        self.assertEqual(metrics.value("router_nats_pending_oldest_age_seconds"), 0)
        self.assertEqual(metrics.value("router_nats_delivery_latency_seconds_count",
                                       path="queued"), 10_000)
        self.assert_contract()

    def timed(self, stream, count):
        begin = time.monotonic()
        for i in range(count // 500):
            stream.send(f"test.{i % 8}", 500)
        stream.wait_answered()
        return time.monotonic() - begin

    def test_limit_adequacy(self):
        """Time to full follows from the gauges: free places over the rate of arrival."""
        self.start(nats_max_pending_operations=400)
        self.lose_broker()
        begin = time.monotonic()
        for _ in range(100):
            self.caller.publish("test.a")
        metrics = self.router.metrics()
        rate = 100 / (time.monotonic() - begin)
        free = (metrics.value("router_nats_pending_operations_limit")
                - metrics.value("router_nats_pending_operations_count"))
        self.assertEqual(free, 300)
        self.assertGreater(metrics.value("router_nats_pending_oldest_age_seconds"), 0)
        expected_s = free / rate
        begin = time.monotonic()
        wait_until(lambda: self.caller.publish("test.a").outcome == outcomes.REJECTED,
                   "the queue is full", 60, poll_s=0)
        self.assertLess(abs(time.monotonic() - begin - expected_s), expected_s + 1)
        self.assertEqual(self.router.metric("router_nats_pending_operations_count"), 400)
        self.bring_broker_back()
        self.assert_contract()

    def test_backpressure(self):
        """A full window slows the sender down instead of filling memory."""
        self.start(nats_max_in_flight=64, nats_ping_interval_ms=5000, nats_ack_timeout_ms=8000,
                   stream_window_messages=500)
        self.broker.stop_running()
        before = self.router.resident_bytes()
        stream = self.caller.open_stream()
        for _ in range(40):
            stream.send("test.a", 500, payload=b"x" * 2000)
        wait_until(lambda: self.status().in_flight >= 64, "the window is full")
        stays_true(lambda: self.status().in_flight == 64, "and stays so", 0.3)
        self.assertLess(self.router.resident_bytes() - before, (30 << 20) * sanitizers.MEMORY)
        other = Caller(self.router, self.oracle).publish("test.b", timeout_s=0.5)
        self.assertIn(other.outcome, (outcomes.UNKNOWN, outcomes.QUEUED))
        self.broker.go_on()
        stream.wait_answered()
        stream.finish()
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
