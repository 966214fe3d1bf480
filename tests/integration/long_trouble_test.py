"""Brokers that flap or stay away, and several of them."""

import unittest

from harness import oracle as outcomes
from harness.fixture import RouterTestCase, both_modes
from harness.nats_server import NatsServer
from harness.proxy import TcpProxy
from harness.waiting import stays_true, wait_until


class LongTroubleTest(RouterTestCase):

    @both_modes
    def test_flapping(self, fail_open):
        self.start(nats_fail_open_mode=fail_open, nats_reconnect_attempts=0)
        stream = self.caller.open_stream()
        for turn in range(4):
            stream.send("test.a", 200)
            self.broker.kill()
            stream.send("test.a", 200)
            self.router.wait_not_connected()
            self.assertEqual(self.caller.publish("test.b").outcome,
                             outcomes.DROPPED if fail_open else outcomes.QUEUED)
            self.bring_broker_back()
            self.router.wait_for_metric("router_nats_connection_restored_total", turn + 1)
        stream.wait_answered()
        stream.finish()
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 4)
        self.assert_contract(
            dropped_may_arrive=True,
            events=("NATS_CONNECTION_LOST", "NATS_CONNECTION_RESTORED") * 4)

    def test_a_server_that_hangs_up_at_once_does_not_reset_the_backoff(self):
        self.start_broker()
        proxy = TcpProxy(self.broker.port)
        self.addCleanup(proxy.close)
        self.start_router([proxy.url], nats_stable_after_ms=5000, nats_reconnect_attempts=4,
                          nats_reconnect_delay_ms=5, nats_max_reconnect_delay_ms=20)
        def broken_again():
            proxy.break_connections()
            return self.router.metric("router_nats_reconnection_exhausted_total") >= 1
        wait_until(broken_again, "flapping uses up the budget", poll_s=0.03)
        self.router.wait_connected()
        self.assert_contract()

    def delays(self, count, **settings):
        self.start(**settings)
        self.broker.kill()
        log = self.router.log
        wait_until(lambda: len(log.events("NATS_RECONNECT_ATTEMPT")) >= count,
                   f"{count} attempts", 20)
        return log.events("NATS_RECONNECT_ATTEMPT")

    def test_many_attempts_with_growing_delay(self):
        events = self.delays(9, nats_reconnect_delay_ms=10, nats_max_reconnect_delay_ms=100000,
                             nats_reconnect_attempts=20)
        self.assertEqual([e["attempt"] for e in events], list(range(1, len(events) + 1)))
        self.assertEqual({e["max_attempts"] for e in events}, {20})
        early = max(e["delay_ms"] for e in events[:3])
        late = max(e["delay_ms"] for e in events[5:])
        self.assertGreater(late, early)
        self.bring_broker_back_by_command()
        self.assert_contract()

    def test_delay_formula(self):
        base, cap = 10, 200
        events = self.delays(20, nats_reconnect_delay_ms=base, nats_max_reconnect_delay_ms=cap,
                             nats_reconnect_attempts=0)
        for event in events:
            ceiling = min(cap, base * 2 ** (event["attempt"] - 1))
            self.assertGreaterEqual(event["delay_ms"], 0)
            self.assertLessEqual(event["delay_ms"], ceiling, event)
        at_the_cap = [e["delay_ms"] for e in events if base * 2 ** (e["attempt"] - 2) > cap]
        self.assertGreater(len(set(at_the_cap)), 3, "full jitter")
        self.assertGreater(max(at_the_cap), cap / 2)
        self.bring_broker_back()
        self.assert_contract()

    def test_delay_cap(self):
        events = self.delays(25, nats_reconnect_delay_ms=5, nats_max_reconnect_delay_ms=30,
                             nats_reconnect_attempts=5)
        self.assertLessEqual(max(e["delay_ms"] for e in events), 30)
        self.assertEqual(self.router.metric("router_nats_reconnection_exhausted_total"), 1)
        self.bring_broker_back()
        self.assert_contract()

    def bring_broker_back_by_command(self):
        self.broker.start()
        self.reconnect("the broker is back")
        self.router.wait_connected()

    def test_reconnect_by_command_ends_a_long_backoff(self):
        self.start(nats_reconnect_delay_ms=60000, nats_max_reconnect_delay_ms=60000)
        self.lose_broker()
        self.router.log.wait_for_event("NATS_RECONNECT_ATTEMPT",
                                       where=lambda e: e["delay_ms"] > 2000)
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.bring_broker_back_by_command()
        self.assert_contract()

    def test_no_retry_storm_on_recovery(self):
        self.start()
        self.lose_broker()
        stream = self.caller.open_stream()
        for i in range(20):
            stream.send(f"test.{i}", 100)
        stream.finish()
        self.assertEqual(self.oracle.outcomes(), {outcomes.QUEUED: 2000})
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_nats_pending_operations_retry"), 2000)
        self.assertEqual(self.router.metric("router_nats_pending_operations_retry_failed"), 0)
        with self.broker.client() as client:
            # One connection of the router, and those of the harness itself: no new ones come.
            before = self.broker.monitor("varz")["total_connections"]
            stays_true(lambda: True, "", 0.3, poll_s=0.3)
            client.flush()
            self.assertEqual(self.broker.monitor("varz")["total_connections"], before)
        self.assert_contract()


class SeveralServersTest(RouterTestCase):
    """Two servers that know nothing of each other, each with a stream of its own."""

    def start_two(self, **settings):
        self.start_broker("first")
        self.second = self.start_broker("second", stream=None)
        self.second.create_stream("TEST", ["test.>"])
        self.start_router([self.broker.url, self.second.url], **settings)

    def connected_to(self):
        connection = self.status().connection
        return {"first": self.broker, "second": self.second}.get(connection.server_name)

    def assert_nothing_lost(self):
        found = []
        for server in (self.broker, self.second):
            if not server.process.running:
                server.start()
            found += [(m.message_id, 0) for m in server.dump("TEST")]
        findings = self.oracle.check(found)
        self.assertEqual(findings.lost, [])
        self.assertEqual(findings.reordered, [])

    def test_failover_between_two_servers(self):
        self.start_two()
        self.assert_outcomes(self.caller.publish_many("test.a", 10), outcomes.DELIVERED)
        first = self.connected_to()
        first.kill()
        wait_until(lambda: self.connected_to() not in (None, first), "it goes to the other one")
        self.router.wait_connected()
        self.router.wait_drained()
        self.assert_outcomes(self.caller.publish_many("test.a", 10), outcomes.DELIVERED)
        self.assert_nothing_lost()
        self.assert_contract(messages=False, events=(
            "NATS_CONNECTION_LOST", "NATS_RECONNECT_ATTEMPT", "NATS_CONNECTION_RESTORED"))

    def test_failover_under_load(self):
        self.start_two()
        stream = self.caller.open_stream()
        first = self.connected_to()
        for i in range(40):
            stream.send("test.a", 50)
            if i == 15:
                stream.wait_answered(at_least=1)
                first.kill()
        stream.wait_answered()
        stream.finish()
        self.router.wait_connected()
        self.router.wait_drained()
        self.assertIsNot(self.connected_to(), first)
        self.assert_nothing_lost()
        self.assert_contract(messages=False)

    def test_first_server_never_there(self):
        absent = NatsServer(self.folder, "absent")
        self.start_broker()
        self.start_router([absent.url, self.broker.url])
        self.assert_outcomes(self.caller.publish_many("test.a", 10), outcomes.DELIVERED)
        self.assert_contract()

    @both_modes
    def test_lame_duck(self, fail_open):
        self.start_two(nats_fail_open_mode=fail_open)
        duck = self.connected_to()
        stream = self.caller.open_stream()
        stream.send("test.a", 100)
        duck.lame_duck()
        def moved():
            stream.send("test.a", 10)
            return self.connected_to() not in (None, duck)
        wait_until(moved, "the router leaves the lame duck before it is thrown out", 8,
                   poll_s=0.02)
        stream.wait_answered()
        stream.finish()
        self.router.wait_connected()
        self.router.wait_drained()
        self.assertEqual(self.oracle.count(outcomes.REJECTED, outcomes.UNKNOWN), 0)
        duck.kill()
        self.assert_nothing_lost()
        lost = self.router.metric("router_nats_connection_lost_total")
        self.assert_contract(messages=False, moves=0 if lost else 1)


if __name__ == "__main__":
    unittest.main()
