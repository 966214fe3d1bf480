"""The broker goes away, and comes back; or it has never been there."""

import os
import unittest

from harness import contract
from harness import oracle as outcomes
from harness import sanitizers
from harness.fake_servers import (ClosesAfterConnect, InfoThenSilence, RefusesWithError,
                                  SilentServer, SpeaksGarbage)
from harness.fixture import RouterTestCase, both_modes
from harness.metrics import GaugeTrace
from harness.nats_server import NatsServer
from harness.waiting import stays_true, wait_until

RESTORED = ("NATS_CONNECTION_ESTABLISHED", "NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT",
            "NATS_CONNECTION_ESTABLISHED", "NATS_CONNECTION_RESTORED")


def when_away(fail_open):
    return outcomes.DROPPED if fail_open else outcomes.QUEUED


class ConnectionLossTest(RouterTestCase):

    @both_modes
    def test_process_survives_a_lost_connection(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        self.lose_broker()
        contract.check_alive(self, self.router)
        self.assert_outcomes(self.caller.publish_many("test.a", 20), when_away(fail_open))
        contract.check_alive(self, self.router)
        self.bring_broker_back()
        self.assert_contract(events=RESTORED)

    @both_modes
    def test_reconnects(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        self.assertEqual(self.status().connection.epoch, 1)
        self.lose_broker()
        self.bring_broker_back()
        self.assertEqual(self.status().connection.epoch, 2)
        self.assert_outcomes(self.caller.publish_many("test.a", 5), outcomes.DELIVERED)
        self.assert_contract(events=RESTORED)

    @both_modes
    def test_mode_while_down(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        self.assert_outcomes(self.caller.publish_many("test.a", 5), outcomes.DELIVERED)
        self.lose_broker()
        answers = self.caller.publish_many("test.a", 30)
        self.assert_outcomes(answers, when_away(fail_open))
        self.assertEqual(self.router.metric("router_nats_pending_operations_count"),
                         0 if fail_open else 30)
        self.bring_broker_back()
        self.assert_contract()

    @both_modes
    def test_counters_on_failure(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        before = self.router.metrics()
        self.lose_broker()
        self.caller.publish_many("test.a", 7)
        moved = self.router.metrics().since(before)
        self.assertEqual(moved("router_nats_publish_total"), 7)
        self.assertEqual(moved("router_nats_publish_failures_total"), 7)
        self.assertEqual(moved("router_nats_publish_with_ack_total"), 7)
        self.assertEqual(moved("router_nats_publish_with_ack_failures_total"), 7)
        self.assertEqual(moved("router_nats_connection_lost_total"), 1)
        reasons = self.router.metrics().series("router_nats_publish_failure_reasons_total")
        expected = {"not_connected": 7} if fail_open else None
        if expected:
            found = {dict(k)["reason"]: v for k, v in reasons.items() if v}
            self.assertEqual(found, expected)
        self.bring_broker_back()
        moved = self.router.metrics().since(before)
        self.assertEqual(moved("router_nats_connection_established_total"), 1)
        self.assertEqual(moved("router_nats_connection_restored_total"), 1)
        self.assert_contract()
        self.assertEqual(moved("router_nats_publish_failures_total"), 7)

    @both_modes
    def test_log_events_on_failure(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        mark = self.router.log.mark()
        self.lose_broker()
        self.caller.publish_many("test.a", 3)
        lost = self.router.log.wait_for_event("NATS_CONNECTION_LOST", mark)
        self.assertTrue(lost["reason"])
        self.router.log.wait_for_event("NATS_RECONNECT_ATTEMPT", lost)
        failed = self.router.log.wait_for_event("NATS_RECONNECT_FAILED", lost)
        self.assertTrue(failed["reason"])
        told = self.router.log.wait_for_event(
            "NATS_FAIL_OPEN_DROPPED" if fail_open else "NATS_PUBLISH_WITH_ACK_QUEUED", mark)
        self.assertEqual(told["subject"], "test.a")
        self.bring_broker_back()
        restored = self.router.log.wait_for_event("NATS_CONNECTION_RESTORED", lost)
        self.assertGreater(restored["outage_ms"], 0)
        events = list(RESTORED)
        if not fail_open:
            events += ["NATS_RETRY_PENDING", "NATS_RETRY_COMPLETE"]
            self.router.log.wait_for_event("NATS_RETRY_COMPLETE", lost)
        self.assert_contract(events=events)

    def test_repeating_events_are_limited_and_say_how_many_were_held_back(self):
        self.start(log_events_per_second=5)
        self.lose_broker()
        stream = self.caller.open_stream()
        stream.send("test.a", 2000)
        stream.wait_answered()
        log = self.router.log
        def said():
            self.caller.publish("test.b")
            return [e for e in log.events("NATS_PUBLISH_WITH_ACK_QUEUED") if e.get("suppressed")]
        self.assertGreater(wait_until(said, "a count of what was held back")[0]["suppressed"], 1900)
        self.assertLess(len(log.events("NATS_PUBLISH_WITH_ACK_QUEUED")), 60)
        stream.finish()
        self.bring_broker_back()
        self.assert_contract()

    def test_queued_messages_delivered_after_reconnect(self):
        self.start()
        self.lose_broker()
        for i in range(60):
            self.assertEqual(self.caller.publish(f"test.{i % 3}").outcome, outcomes.QUEUED)
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("TEST"), 60)
        self.assert_contract(events=RESTORED + ("NATS_RETRY_PENDING", "NATS_RETRY_COMPLETE"))

    @both_modes
    def test_gauge_goes_from_up_through_reconnecting_and_exhausted_to_up(self, fail_open):
        # Long enough between the attempts for the gauge to be seen at 0.5.
        self.start(nats_fail_open_mode=fail_open, nats_reconnect_attempts=8,
                   nats_reconnect_delay_ms=150)
        with GaugeTrace(self.router.metrics, "router_nats_connection_status") as trace:
            self.broker.kill()
            self.router.wait_for_metric("router_nats_connection_status", 0)
            self.assertEqual(self.router.metric("router_nats_reconnection_exhausted_total"), 1)
            self.router.log.wait_for_event("NATS_RECONNECTION_EXHAUSTED")
            self.assertEqual(self.caller.publish("test.a").outcome, when_away(fail_open))
            self.bring_broker_back()
        self.assertEqual(trace.values, [1, 0.5, 0, 1])
        self.assert_contract(events=(
            "NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT", "NATS_RECONNECT_FAILED",
            "NATS_RECONNECTION_EXHAUSTED", "NATS_CONNECTION_ESTABLISHED",
            "NATS_CONNECTION_RESTORED"))

    @both_modes
    def test_broker_killed_while_callers_publish(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        streams = [self.caller.open_stream() for _ in range(2)]
        for i in range(40):
            for n, stream in enumerate(streams):
                stream.send(f"test.s{n}", 25)
            if i == 20:
                self.broker.kill()
        self.router.wait_not_connected()
        for stream in streams:
            stream.wait_answered()
        self.bring_broker_back()
        for stream in streams:
            stream.finish()
        self.assert_contract(events=RESTORED, dropped_may_arrive=True)


class NeverUpTest(RouterTestCase):

    def absent_broker(self):
        broker = NatsServer(self.folder)
        self.addCleanup(broker.kill)
        self.broker = broker
        return broker

    @both_modes
    def test_never_there(self, fail_open):
        self.absent_broker()
        self.start_router(connected=False, nats_fail_open_mode=fail_open,
                          nats_reconnect_attempts=3)
        self.assertEqual(self.router.get("/readyz"), 200)
        self.assert_outcomes(self.caller.publish_many("test.a", 10), when_away(fail_open))
        self.router.wait_for_metric("router_nats_reconnection_exhausted_total", 1)
        metrics = self.router.metrics()
        self.assertEqual(metrics.value("router_nats_connection_status"), 0)
        self.assertEqual(metrics.value("router_nats_connection_established_total"), 0)
        self.assertEqual(metrics.value("router_nats_connection_lost_total"), 0)
        self.assertGreaterEqual(metrics.value("router_nats_connection_failures_total"), 3)
        contract.check_alive(self, self.router)
        contract.check_publish_counters(self, metrics, self.oracle, 0)
        contract.check_log(self, self.router)

    @both_modes
    def test_there_late(self, fail_open):
        broker = self.absent_broker()
        self.start_router(connected=False, nats_fail_open_mode=fail_open,
                          nats_reconnect_attempts=3)
        self.assert_outcomes(self.caller.publish_many("test.a", 10), when_away(fail_open))
        self.router.wait_for_metric("router_nats_reconnection_exhausted_total", 1)
        broker.spawn()
        wait_until(lambda: broker.create_stream("TEST", ["test.>"]), "the broker starts")
        self.router.wait_connected()
        # Nothing was lost, so nothing is restored; the backlog is delivered all the same.
        self.assert_contract(events=("NATS_RECONNECT_ATTEMPT", "NATS_RECONNECTION_EXHAUSTED",
                                     "NATS_CONNECTION_ESTABLISHED"))

    @both_modes
    def test_info_then_silence(self, fail_open):
        self.heals_from(InfoThenSilence(), fail_open)

    @both_modes
    def test_accepts_then_silence(self, fail_open):
        self.heals_from(SilentServer(), fail_open)

    @both_modes
    def test_refusing_with_an_error(self, fail_open):
        self.heals_from(RefusesWithError("maximum connections exceeded"), fail_open)

    @both_modes
    def test_closes_after_connect(self, fail_open):
        self.heals_from(ClosesAfterConnect(), fail_open)

    def test_not_a_nats_server(self):
        self.heals_from(SpeaksGarbage(), False)

    def heals_from(self, fake, fail_open):
        """Starts against a server that misbehaves, which is then replaced by a real one."""
        self.addCleanup(fake.close)
        broker = self.absent_broker()
        broker.port = fake.port
        self.start_router(connected=False, nats_fail_open_mode=fail_open)
        wait_until(lambda: self.router.metric("router_nats_connection_failures_total") >= 3,
                   "it is tried again and again")
        self.assert_outcomes(self.caller.publish_many("test.a", 5), when_away(fail_open))
        self.assertLess(self.router.metric("router_nats_connection_status"), 1)
        self.assert_little_cpu()
        fake.close()
        broker.spawn()
        wait_until(lambda: broker.create_stream("TEST", ["test.>"]), "the real broker starts")
        self.router.wait_connected()
        self.assert_contract(events=("NATS_RECONNECT_FAILED", "NATS_CONNECTION_ESTABLISHED"))

    def assert_little_cpu(self):
        def cpu():
            return self.router.metric("process_cpu_seconds_total")
        before = cpu()
        stays_true(lambda: True, "", 0.5, poll_s=0.5)
        # With sanitizers, reconnecting alone may take a core.
        if sanitizers.TIME == 1:
            self.assertLess(cpu() - before, 0.35, "no thread spins")


class CredentialsTest(RouterTestCase):

    def test_wrong_credentials_are_tried_again_and_told(self):
        broker = NatsServer(self.folder,
                            config={"authorization": '{user: "router", password: "right-word"}'},
                            client_options={"user": "router", "pass": "right-word"})
        self.addCleanup(broker.kill)
        broker.start().create_stream("TEST", ["test.>"])
        self.broker = broker
        password = os.path.join(self.folder, "password")
        with open(password, "w", encoding="utf-8") as f:
            f.write("wrong-word\n")
        self.start_router(connected=False, nats_user="router", nats_password_file=password)
        failed = self.router.log.wait_for_event(
            "NATS_RECONNECT_FAILED", where=lambda e: e["attempt"] >= 3)
        self.assertRegex(failed["reason"].lower(), "authoriz|authent")
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.assertNotIn("wrong-word", self.router.log.text())
        self.assertNotIn("wrong-word", str(self.status()))
        broker.config["authorization"] = '{user: "router", password: "wrong-word"}'
        broker.client_options["pass"] = "wrong-word"
        broker.restart()
        self.router.wait_connected()
        self.assert_contract()
        self.assertNotIn("wrong-word", self.router.log.text())
        self.assertNotIn("wrong-word", self.status().connection.server_url)

    def test_maximum_connections_reached_and_freed(self):
        broker = self.start_broker()
        broker.config["max_connections"] = "1"
        broker.restart()
        with wait_until(broker.client, "the only connection is ours"):
            self.start_router(connected=False)
            self.router.log.wait_for_event(
                "NATS_RECONNECT_FAILED",
                where=lambda e: "maximum connections" in e["reason"].lower())
            self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.router.wait_connected()
        self.router.wait_drained()
        broker.config["max_connections"] = "10"
        broker.restart()
        self.router.wait_connected()
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
