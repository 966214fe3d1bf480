"""Connections that break or go silent for a moment."""

import unittest

from harness import oracle as outcomes
from harness.api import RECEIVED, STORED
from harness.fixture import RouterTestCase, both_modes
from harness.metrics import GaugeTrace
from harness.proxy import TcpProxy
from harness.waiting import wait_until

# Long enough that a stopped or stalled broker is told from a lost connection.
PATIENT = {"nats_ping_interval_ms": 3000, "nats_ack_timeout_ms": 250}


class ShortDropsTest(RouterTestCase):

    def start_behind_proxy(self, **settings):
        self.start_broker()
        self.proxy = TcpProxy(self.broker.port)
        self.addCleanup(self.proxy.close)
        self.start_router([self.proxy.url], **settings)

    def unconfirmed(self, fail_open):
        return outcomes.DROPPED if fail_open else outcomes.QUEUED

    @both_modes
    def test_tcp_connection_broken_mid_operation(self, fail_open):
        self.start_behind_proxy(nats_fail_open_mode=fail_open, nats_ack_timeout_ms=5000)
        # The broker stores it, and the ack never arrives: in doubt, then sent again.
        self.proxy.set(to_client="drop")
        stream = self.caller.open_stream()
        stream.send("test.a", 20)
        wait_until(lambda: self.broker.message_count("TEST") == 20, "the broker has them")
        self.proxy.refuse = True
        self.proxy.break_connections()
        stream.wait_answered()
        self.assertEqual(self.oracle.outcomes(), {self.unconfirmed(fail_open): 20})
        self.router.wait_not_connected()
        self.proxy.heal()
        self.router.wait_connected()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("TEST"), 20, "no duplicates")
        stream.finish()
        self.assert_contract(dropped_may_arrive=True, events=(
            "NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT", "NATS_CONNECTION_RESTORED"))

    @both_modes
    def test_operation_times_out_while_the_connection_lives(self, fail_open):
        self.start_behind_proxy(nats_fail_open_mode=fail_open, **PATIENT)
        self.proxy.set(to_client="stall")
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, self.unconfirmed(fail_open))
        self.assertGreater(answer.elapsed_s, 0.2)
        self.assertEqual(self.router.metric("router_nats_publish_failure_reasons_total",
                                            reason="timeout"), 1)
        self.proxy.heal()
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)
        self.assertEqual(self.broker.message_count("TEST"), 1)
        self.assert_contract(dropped_may_arrive=True)

    @both_modes
    def test_core_operation_times_out_while_the_connection_lives(self, fail_open):
        self.start_behind_proxy(nats_fail_open_mode=fail_open, **PATIENT)
        self.proxy.set(to_client="stall")
        answer = self.caller.publish("test.a", guarantee=RECEIVED)
        self.assertEqual(answer.outcome, self.unconfirmed(fail_open))
        self.proxy.heal()
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)
        self.assert_contract(dropped_may_arrive=True)

    @both_modes
    def test_half_open_connection_is_noticed_within_the_ping_budget(self, fail_open):
        self.start_behind_proxy(nats_fail_open_mode=fail_open)
        self.proxy.set(to_server="drop", to_client="drop")
        self.router.log.wait_for_event("NATS_CONNECTION_LOST", deadline_s=3)
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, self.unconfirmed(fail_open))
        self.assertLess(answer.elapsed_s, 0.2, "nobody waits for a connection that is gone")
        self.proxy.break_connections()
        self.proxy.heal()
        self.router.wait_connected()
        self.assert_contract(events=("NATS_CONNECTION_LOST", "NATS_CONNECTION_RESTORED"))

    @both_modes
    def test_stopped_broker_is_noticed_and_freezes_nobody(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        with GaugeTrace(self.router.metrics, "router_nats_connection_status") as trace:
            self.broker.stop_running()
            answer = self.caller.publish("test.a")
            self.assertEqual(answer.outcome, self.unconfirmed(fail_open))
            self.router.log.wait_for_event("NATS_CONNECTION_LOST", deadline_s=3)
            self.assertEqual(self.caller.publish("test.a").outcome, self.unconfirmed(fail_open))
            self.router.wait_for_metric("router_nats_connection_status", 0.5)
            trace.sample()
            self.broker.go_on()
            self.router.wait_connected()
        self.assertEqual(trace.values[0], 1)
        self.assertIn(0.5, trace.values)
        self.assertEqual(trace.values[-1], 1)
        self.assert_contract(dropped_may_arrive=True, events=(
            "NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT", "NATS_CONNECTION_RESTORED"))

    @both_modes
    def test_stopped_broker_under_load(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        stream = self.caller.open_stream()
        stream.send("test.a", 200)
        stream.wait_answered(at_least=1)
        self.broker.stop_running()
        for _ in range(50):
            stream.send("test.a", 100, payload=b"x" * 1000)
        stream.wait_answered()
        self.broker.go_on()
        self.router.wait_connected()
        stream.finish()
        self.assert_contract(dropped_may_arrive=True)

    def test_short_stop_within_the_ack_timeout_is_only_a_delay(self):
        self.start(nats_ping_interval_ms=3000, nats_ack_timeout_ms=5000)
        stream = self.caller.open_stream()
        self.broker.stop_running()
        stream.send("test.a", 50)
        wait_until(lambda: self.status().in_flight == 50, "they are on their way")
        self.broker.go_on()
        stream.finish()
        self.assertEqual(self.oracle.outcomes(), {outcomes.DELIVERED: 50})
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)
        self.assert_contract()

    def test_ack_that_comes_after_its_deadline_confirms_nothing_else(self):
        self.start_behind_proxy(**PATIENT)
        self.proxy.set(to_client="stall")
        late = self.caller.publish_many("test.late", 2)
        self.assert_outcomes(late, outcomes.QUEUED)
        self.proxy.heal()
        self.router.wait_drained()
        self.assert_outcomes(self.caller.publish_many("test.b", 20, guarantee=STORED),
                             outcomes.DELIVERED)
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
