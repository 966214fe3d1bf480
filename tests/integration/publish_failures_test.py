"""Publish failure × {publish, publish_with_ack} × fail-open off and on, and injected faults."""

import functools
import time
import unittest

import grpc
from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2

from harness import oracle as outcomes
from harness.api import RECEIVED, STORED, RouterError
from harness.fixture import RouterTestCase, both_modes
from harness.metrics import GaugeTrace
from harness.waiting import stays_true, wait_until

GUARANTEES = {"publish": ("PUBLISH", RECEIVED), "publish_with_ack": ("PUBLISH_WITH_ACK", STORED)}


class PublishFailuresTest(RouterTestCase):

    def start_with_faults(self, fail_open, **settings):
        self.start(nats_fail_open_mode=fail_open, enable_fault_injection=True, **settings)

    def away(self, fail_open):
        return outcomes.DROPPED if fail_open else outcomes.QUEUED

    def assert_counted_once(self, count, reason, guarantee):
        metrics = self.router.metrics()
        self.assertEqual(metrics.value("router_nats_publish_total"), count)
        self.assertEqual(metrics.value("router_nats_publish_failures_total"), count)
        with_ack = count if guarantee == STORED else 0
        self.assertEqual(metrics.value("router_nats_publish_with_ack_total"), with_ack)
        self.assertEqual(metrics.value("router_nats_publish_with_ack_failures_total"), with_ack)
        self.assertEqual(
            metrics.value("router_nats_publish_failure_reasons_total", reason=reason), count)

    def error_while_connected(self, operation, guarantee, fail_open):
        self.start_with_faults(fail_open)
        self.set_fault(operation, "ERROR")
        # Keys of their own: a message behind a backlog would not get as far as the transport.
        answers = [self.caller.publish(f"test.k{i}", guarantee=guarantee) for i in range(5)]
        self.assert_outcomes(answers, self.away(fail_open))
        self.assertLess(max(a.elapsed_s for a in answers), 0.3, "an error settles at once")
        self.assert_counted_once(5, "fault_injected", guarantee)
        self.assertEqual(self.broker.message_count("TEST"), 0)
        self.clear_faults()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("TEST"), 0 if fail_open else 5)
        self.assert_contract()

    def timeout_while_connected(self, operation, guarantee, fail_open):
        self.start_with_faults(fail_open, nats_ack_timeout_ms=300)
        self.set_fault(operation, "TIMEOUT")
        answer = self.caller.publish("test.a", guarantee=guarantee)
        self.assertEqual(answer.outcome, self.away(fail_open), answer)
        self.assertTrue(0.25 <= answer.elapsed_s < 1.5, answer)
        self.assertEqual(self.router.metric("router_nats_publish_failures_total"), 1)
        self.assertEqual(self.router.metric("router_nats_connection_status"), 1)
        self.clear_faults()
        self.assert_contract()
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)

    def connection_closed_during_it(self, operation, guarantee, fail_open):
        self.start_with_faults(fail_open)
        self.set_fault(operation, "CLOSE_CONNECTION", count=1)
        answer = self.caller.publish("test.a", guarantee=guarantee)
        self.assertEqual(answer.outcome, self.away(fail_open), answer)
        self.router.log.wait_for_event("NATS_CONNECTION_RESTORED")
        self.router.wait_connected()
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 1)
        self.assert_contract(dropped_may_arrive=True, events=(
            "NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT", "NATS_CONNECTION_RESTORED"))

    def not_connected(self, operation, guarantee, fail_open):
        del operation
        self.start_with_faults(fail_open)
        self.lose_broker()
        answers = [self.caller.publish(f"test.k{i}", guarantee=guarantee) for i in range(5)]
        self.assert_outcomes(answers, self.away(fail_open))
        self.assert_counted_once(5, "not_connected", guarantee)
        self.bring_broker_back()
        self.assert_contract()

    def delay(self, operation, guarantee, fail_open):
        self.start_with_faults(fail_open, nats_ack_timeout_ms=3000)
        self.set_fault(operation, "DELAY", delay_ms=200, count=1)
        answer = self.caller.publish("test.a", guarantee=guarantee)
        self.assertEqual(answer.outcome, outcomes.DELIVERED, answer)
        self.assertGreaterEqual(answer.elapsed_s, 0.19)
        self.assertLess(self.caller.publish("test.a", guarantee=guarantee).elapsed_s, 0.19)
        self.assert_contract()


def _add_product():
    for situation in ("error_while_connected", "timeout_while_connected",
                      "connection_closed_during_it", "not_connected", "delay"):
        for name, (operation, guarantee) in GUARANTEES.items():
            for suffix, fail_open in (("off", False), ("on", True)):
                test = functools.partialmethod(
                    getattr(PublishFailuresTest, situation), operation, guarantee, fail_open)
                setattr(PublishFailuresTest,
                        f"test_{name}_{situation}_with_fail_open_{suffix}", test)


_add_product()


class InjectedFaultsTest(RouterTestCase):

    def start_with_faults(self, **settings):
        self.start(enable_fault_injection=True, **settings)

    def faults(self):
        return list(self.router.api.ListFaults(fault_injection_pb2.ListFaultsRequest()).faults)

    def test_faults_are_listed_replaced_and_cleared(self):
        self.start_with_faults()
        self.assertEqual(self.set_fault("PUBLISH", "ERROR").probability, 1)
        self.set_fault("PUBLISH", "TIMEOUT", probability=0.5, count=9)
        self.set_fault("CONNECT", "DELAY", delay_ms=100)
        found = {(f.operation, f.kind, f.probability, f.count) for f in self.faults()}
        self.assertEqual(found, {
            (fault_injection_pb2.FAULT_OPERATION_PUBLISH,
             fault_injection_pb2.FAULT_KIND_TIMEOUT, 0.5, 9),
            (fault_injection_pb2.FAULT_OPERATION_CONNECT,
             fault_injection_pb2.FAULT_KIND_DELAY, 1, 0)})
        self.assertEqual(self.clear_faults(), 2)
        self.assertEqual(self.faults(), [])
        self.assert_contract()

    def test_wrong_faults_are_refused(self):
        self.start_with_faults()
        for operation, kind, fields in (
                ("UNSPECIFIED", "ERROR", {}), ("PUBLISH", "UNSPECIFIED", {}),
                ("PUBLISH", "ERROR", {"probability": 1.5}),
                ("PUBLISH", "ERROR", {"probability": -0.1}),
                ("PUBLISH", "ERROR", {"count": -1}),
                ("PUBLISH", "DELAY", {}), ("PUBLISH", "DELAY", {"delay_ms": 61000})):
            with self.subTest(operation=operation, kind=kind, **fields):
                with self.assertRaises(RouterError) as caught:
                    self.set_fault(operation, kind, **dict(fields))
                self.assertEqual(caught.exception.code, grpc.StatusCode.INVALID_ARGUMENT)
                self.assertEqual(caught.exception.reason, "FAULT_INVALID")
        self.assertEqual(self.faults(), [])

    def test_service_is_not_there_without_the_flag(self):
        self.start()
        with self.assertRaises(RouterError) as caught:
            self.set_fault("PUBLISH", "ERROR")
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNIMPLEMENTED)

    def test_fault_ends_after_its_count(self):
        self.start_with_faults()
        self.set_fault("PUBLISH_WITH_ACK", "ERROR", count=3)
        for i in range(6):
            self.caller.publish(f"test.k{i}")
        self.assertEqual(self.oracle.records()[0].outcome, outcomes.QUEUED)
        wait_until(lambda: not self.faults(), "the fault has ended")
        self.assert_contract()
        struck = (self.router.metric("router_nats_publish_failures_total")
                  + self.router.metric("router_nats_pending_operations_retry_failed"))
        self.assertEqual(struck, 3, "callers' messages and retries of queued ones")

    @both_modes
    def test_error_with_a_probability(self, fail_open):
        self.start_with_faults(nats_fail_open_mode=fail_open)
        self.set_fault("PUBLISH_WITH_ACK", "ERROR", probability=0.3)
        for i in range(300):
            self.caller.publish(f"test.p{i}")
        self.clear_faults()
        failed = self.oracle.count(outcomes.DROPPED if fail_open else outcomes.QUEUED)
        self.assertTrue(45 <= failed <= 135, f"{failed} of 300 at p = 0.3")
        self.assert_contract()

    def order_holds(self, kind, pipelined, strict=False):
        self.start_with_faults(nats_ack_timeout_ms=200, nats_strict_order=strict)
        self.set_fault("PUBLISH_WITH_ACK", kind, probability=0.02 if pipelined else 0.3)
        stream = self.caller.open_stream()
        for _ in range(40):
            stream.send("test.order", 20 if pipelined else 1)
            if not pipelined:
                stream.wait_answered()
        stream.wait_answered()
        stream.finish()
        self.clear_faults()
        self.assertGreater(self.oracle.count(outcomes.QUEUED), 0)
        self.assert_contract()

    def test_order_of_a_key_holds_while_some_of_its_messages_fail(self):
        self.order_holds("ERROR", pipelined=False)

    def test_order_of_a_key_holds_while_some_of_many_on_their_way_fail(self):
        self.order_holds("ERROR", pipelined=True)

    def test_strict_order_of_a_key_holds_while_some_of_many_time_out(self):
        self.order_holds("TIMEOUT", pipelined=True, strict=True)

    def test_drain_goes_on_through_faults(self):
        self.start_with_faults(nats_ack_timeout_ms=200)
        self.lose_broker()
        for i in range(10):
            self.caller.publish_batch([f"test.{i}.{j}" for j in range(20)])
        self.set_fault("PUBLISH_WITH_ACK", "ERROR", probability=0.2, count=60)
        self.bring_broker_back()
        self.router.wait_drained()
        self.clear_faults()
        self.assertGreater(self.router.metric("router_nats_pending_operations_retry_failed"), 0)
        self.assert_contract()

    def test_close_connection_while_many_are_in_flight(self):
        self.start_with_faults(nats_reconnect_attempts=0)
        self.set_fault("PUBLISH_WITH_ACK", "CLOSE_CONNECTION", probability=0.01, count=5)
        stream = self.caller.open_stream()
        for i in range(50):
            stream.send(f"test.{i % 4}", 40)
        stream.wait_answered()
        self.clear_faults()
        self.router.wait_connected()
        stream.finish()
        self.assert_contract()

    @both_modes
    def test_connect_error(self, fail_open):
        # Long enough between the attempts for the gauge to be seen at 0.5.
        self.start_with_faults(nats_fail_open_mode=fail_open, nats_reconnect_attempts=8,
                               nats_reconnect_delay_ms=150)
        self.set_fault("CONNECT", "ERROR")
        with GaugeTrace(self.router.metrics, "router_nats_connection_status") as trace:
            self.reconnect()
            self.router.wait_for_metric("router_nats_reconnection_exhausted_total", 1)
            self.assertEqual(self.caller.publish("test.a").outcome,
                             outcomes.DROPPED if fail_open else outcomes.QUEUED)
            self.clear_faults()
            self.router.wait_connected()
        self.assertEqual(trace.values, [1, 0.5, 0, 1])
        self.assert_contract(events=(
            "NATS_CONNECTION_LOST", "NATS_RECONNECT_FAILED", "NATS_RECONNECTION_EXHAUSTED",
            "NATS_CONNECTION_RESTORED"))

    def test_connect_timeout(self):
        self.start_with_faults()
        self.set_fault("CONNECT", "TIMEOUT", count=2)
        begin = time.monotonic()
        self.reconnect()
        self.router.log.wait_for_event("NATS_CONNECTION_RESTORED")
        self.assertGreater(time.monotonic() - begin, 0.4, "an attempt takes its connect timeout")
        self.assertEqual(self.router.metric("router_nats_reconnect_failures_total"), 2)
        self.assert_contract()

    def test_connect_close_connection(self):
        self.start_with_faults()
        self.set_fault("CONNECT", "CLOSE_CONNECTION", count=2)
        self.reconnect()
        wait_until(lambda: not self.faults(), "both faults have struck")
        # The first connection, the two that were closed, and the one that lasts.
        self.router.wait_for_metric("router_nats_connection_established_total", 4)
        self.router.wait_connected()
        self.assert_contract()

    def test_connect_delay(self):
        self.start_with_faults()
        self.set_fault("CONNECT", "DELAY", delay_ms=300, count=1)
        begin = time.monotonic()
        self.reconnect()
        self.router.log.wait_for_event("NATS_CONNECTION_RESTORED")
        self.assertGreater(time.monotonic() - begin, 0.29)
        self.assert_contract()

    def test_connect_error_with_a_probability(self):
        self.start_with_faults(nats_reconnect_attempts=0)
        self.set_fault("CONNECT", "ERROR", probability=0.5)
        for turn in range(6):
            self.reconnect()
            self.router.wait_for_metric("router_nats_connection_restored_total", turn + 1)
        self.clear_faults()
        self.assert_contract()

    def test_faults_while_the_broker_is_away_change_nothing(self):
        self.start_with_faults()
        self.set_fault("PUBLISH_WITH_ACK", "TIMEOUT")
        self.lose_broker()
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, outcomes.QUEUED)
        self.assertLess(answer.elapsed_s, 0.2)
        stays_true(lambda: len(self.pending()) == 1, "it is queued", 0.1)
        self.clear_faults()
        self.bring_broker_back()
        self.assert_contract()

    def test_reconnect_says_which_connection_it_drops(self):
        self.start_with_faults()
        request = admin_pb2.ReconnectRequest(reason="test", validate_only=True)
        self.assertEqual(self.router.api.Reconnect(request).audit_event_id, "")
        self.assertEqual(self.status().connection.epoch, 1)
        self.assertEqual(self.reconnect().dropped_epoch, 1)
        wait_until(lambda: self.status().connection.epoch == 2, "a new connection")
        self.router.wait_connected()
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
