"""The harness tests itself: an oracle that finds nothing proves nothing."""

import http.client
import socket
import tempfile
import unittest

from harness import contract
from harness import jetstream
from harness import oracle as outcomes
from harness.fake_servers import (ClosesAfterConnect, InfoThenSilence, RefusesWithError,
                                  ScriptedBroker)
from harness.fixture import RouterTestCase
from harness.logs import missing_in_order
from harness.metrics import GaugeTrace, Metrics
from harness.nats_client import NatsClient, NatsError
from harness.oracle import Oracle
from harness.ports import free_port, give_back, is_claimed
from harness.proxy import TcpProxy
from harness.router import Router
from harness.waiting import wait_until


class OracleTest(unittest.TestCase):
    """With a planted defect it must fail."""

    def setUp(self):
        self.oracle = Oracle()
        for i in range(1, 7):
            record = self.oracle.invoke(f"m{i}", "odd" if i % 2 else "even")
            record.outcome = outcomes.DELIVERED if i < 4 else outcomes.QUEUED
        self.good = [(f"m{i}", i) for i in range(1, 7)]

    def test_accepts_what_was_promised(self):
        self.assertFalse(self.oracle.check(self.good))

    def test_other_keys_may_overtake(self):
        self.assertFalse(self.oracle.check([("m2", 1), ("m1", 2)] + self.good[2:]))

    def test_finds_a_lost_message(self):
        self.assertEqual(self.oracle.check(self.good[:4] + self.good[5:]).lost, ["m5"])

    def test_finds_a_duplicate(self):
        self.assertEqual(self.oracle.check(self.good + [("m3", 7)]).duplicated, ["m3"])

    def test_finds_an_inversion_within_a_key(self):
        swapped = [self.good[i] for i in (0, 1, 4, 3, 2, 5)]
        self.assertEqual(self.oracle.check(swapped).reordered, ["m3"])

    def test_finds_a_dropped_message_that_arrived(self):
        self.oracle.records()[0].outcome = outcomes.DROPPED
        self.assertEqual(self.oracle.check(self.good).phantom, ["m1"])
        self.assertFalse(self.oracle.check(self.good, dropped_may_arrive=True))

    def test_finds_a_rejected_message_that_arrived(self):
        self.oracle.records()[0].outcome = outcomes.REJECTED
        self.assertEqual(self.oracle.check(self.good).phantom, ["m1"])

    def test_finds_a_message_that_nobody_sent(self):
        self.assertEqual(self.oracle.check(self.good + [("m9", 7)]).foreign, ["m9"])

    def test_finds_a_wrong_sequence(self):
        self.oracle.records()[0].sequence = 4
        self.assertEqual(self.oracle.check(self.good).misplaced, ["m1"])

    def test_an_unanswered_message_may_be_there_or_not(self):
        self.oracle.records()[5].outcome = outcomes.UNKNOWN
        self.assertFalse(self.oracle.check(self.good))
        self.assertFalse(self.oracle.check(self.good[:5]))


class ContractTest(unittest.TestCase):
    """Counters that tell another story than the callers must be found."""

    def setUp(self):
        self.oracle = Oracle()
        for i, outcome in enumerate((outcomes.DELIVERED, outcomes.DELIVERED, outcomes.QUEUED,
                                     outcomes.REJECTED, outcomes.INVALID)):
            self.oracle.invoke(f"m{i}", "k").outcome = outcome
        self.samples = {
            "router_nats_publish_total": 4, "router_nats_publish_failures_total": 2,
            "router_nats_publish_with_ack_total": 4,
            "router_nats_publish_with_ack_failures_total": 2,
            'router_nats_publish_outcomes_total{outcome="delivered"}': 2,
            'router_nats_publish_outcomes_total{outcome="queued"}': 1,
            'router_nats_publish_outcomes_total{outcome="dropped_fail_open"}': 0,
            'router_nats_publish_outcomes_total{outcome="rejected"}': 2,
            'router_nats_publish_failure_reasons_total{reason="timeout"}': 2,
            "router_messages_accepted_total": 3, "router_messages_unaccounted": 0,
        }

    def check(self):
        text = "".join(f"{name} {value}\n" for name, value in self.samples.items())
        contract.check_publish_counters(self, Metrics(text), self.oracle, 0)

    def test_accepts_the_same_story(self):
        self.check()

    def test_finds_every_counter_that_is_off_by_one(self):
        for name, value in list(self.samples.items()):
            for wrong in (value - 1, value + 1):
                self.samples[name] = wrong
                with self.assertRaises(AssertionError, msg=f"{name} {wrong}"):
                    self.check()
                self.samples[name] = value


class PortsTest(unittest.TestCase):

    def test_a_port_is_somebodys_until_it_is_given_back(self):
        ports = [free_port() for _ in range(50)]
        self.assertEqual(len(set(ports)), 50)
        self.assertTrue(all(is_claimed(port) for port in ports))
        give_back(*ports)
        self.assertFalse(any(is_claimed(port) for port in ports))

    def test_a_router_that_is_closed_has_no_ports(self):
        with tempfile.TemporaryDirectory() as folder:
            router = Router(folder)
            self.assertTrue(is_claimed(router.grpc_port) and is_claimed(router.http_port))
            router.close()
            self.assertFalse(is_claimed(router.grpc_port) or is_claimed(router.http_port))
            router.close()


class SmallPartsTest(unittest.TestCase):

    def test_log_order_names_the_first_missing_code(self):
        self.assertIsNone(missing_in_order(["A", "X", "B", "C"], ["A", "B", "C"]))
        self.assertEqual(missing_in_order(["A", "C", "B"], ["A", "B", "C"]), "C")

    def test_metrics_are_told_apart_by_labels(self):
        metrics = Metrics('# TYPE a counter\na{x="1",y="2"} 3\na{x="2",y="2"} 4\nb 1e+06\n')
        self.assertEqual(metrics.value("a", y="2", x="2"), 4)
        self.assertEqual(metrics.value("b"), 1000000)
        self.assertEqual(metrics.types["a"], "counter")

    def test_a_trace_goes_on_while_nobody_answers_and_ends_with_any_other_error(self):
        def trace(*answers):
            told = iter(answers)
            def source():
                answer = next(told, answers[-1])
                if isinstance(answer, Exception):
                    raise answer
                return Metrics(answer)
            with GaugeTrace(source, "a", every_s=0.001) as seen:
                wait_until(lambda: next(told, None) is None, "all answers are taken")
            return seen.values
        self.assertEqual(trace("a 1\n", ConnectionError(), http.client.IncompleteRead(b""), "a 2\n"),
                         [1, 2])
        with self.assertRaises(KeyError):
            trace("a 1\n", "b 1\n")

    def test_wait_until_reports_what_it_waited_for(self):
        with self.assertRaisesRegex(AssertionError, "pigs fly"):
            wait_until(lambda: False, "pigs fly", 0.05)


class BrokerToolsTest(RouterTestCase):
    """The independent client, the proxy and the fake servers, on the real server."""

    def test_dumps_what_was_stored_once_per_message_id(self):
        broker = self.start_broker()
        with broker.client() as client:
            for i in range(2000):
                client.publish("test.a", b"p%d" % i, {"Nats-Msg-Id": f"m{i}"})
            client.publish("test.a", b"again", {"Nats-Msg-Id": "m7"})
            client.flush()
            found = jetstream.get_message(client, "TEST", 3)
            self.assertEqual((found.message_id, found.payload), ("m2", b"p2"))
        self.assertEqual([m.message_id for m in broker.dump("TEST")],
                         [f"m{i}" for i in range(2000)])

    def test_messages_survive_kill_and_restart_of_the_broker(self):
        broker = self.start_broker()
        with broker.client() as client:
            ack = client.request("test.a", b"x")
            self.assertIn(b'"seq":1', ack.payload.replace(b" ", b""))
        broker.restart()
        self.assertEqual(broker.message_count("TEST"), 1)

    def test_request_without_a_listener_says_so(self):
        broker = self.start_broker()
        with broker.client() as client:
            self.assertEqual(client.request("nobody.here").status, 503)

    def test_refusals_are_errors(self):
        broker = self.start_broker(
            config={"authorization": '{user: "u", password: "p"}'},
            client_options={"user": "u", "pass": "p"}, stream=None)
        with self.assertRaisesRegex(NatsError, "Authorization"):
            NatsClient(broker.port)

    def test_proxy_passes_stalls_drops_and_breaks(self):
        broker = self.start_broker()
        proxy = TcpProxy(broker.port)
        self.addCleanup(proxy.close)
        client = NatsClient(proxy.port, timeout_s=0.3)
        proxy.set(to_client="stall")
        with self.assertRaises(TimeoutError):
            client.flush()
        proxy.heal()
        client.flush()
        proxy.set(to_server="drop")
        with self.assertRaises(TimeoutError):
            client.flush()
        proxy.break_connections()
        with self.assertRaises((NatsError, OSError)):
            client.flush()

    def test_fake_servers_misbehave_as_named(self):
        for server, expected in ((InfoThenSilence(), TimeoutError),
                                 (RefusesWithError("maximum connections exceeded"), NatsError),
                                 (ClosesAfterConnect(), (NatsError, ConnectionError))):
            self.addCleanup(server.close)
            with self.assertRaises(expected):
                NatsClient(server.port, timeout_s=0.3)
            self.assertEqual(server.connections, 1)
            server.close()
            with self.assertRaises(OSError):
                socket.create_connection(("127.0.0.1", server.port), timeout=0.3)

    def test_scripted_broker_answers_as_told(self):
        answers = iter([b'{"stream":"S","seq":1}', 503, None])
        broker = ScriptedBroker(lambda *_: next(answers))
        self.addCleanup(broker.close)
        client = NatsClient(broker.port, timeout_s=0.3)
        self.assertEqual(client.request("a.b").payload, b'{"stream":"S","seq":1}')
        self.assertEqual(client.request("a.b").status, 503)
        with self.assertRaises(TimeoutError):
            client.request("a.b")


if __name__ == "__main__":
    unittest.main()
