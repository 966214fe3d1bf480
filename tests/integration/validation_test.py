"""Bad input: each gets its answer, in unary calls, batches and streams, and harms nothing."""

import time
import unittest

import grpc
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import contract
from harness import jetstream
from harness import oracle as outcomes
from harness.api import RouterError, error_of_status
from harness.bad_input import BAD_HEADERS, BAD_IDS, BAD_SUBJECTS, RESERVED_SUBJECTS
from harness.caller import Caller
from harness.fixture import RouterTestCase
from harness.waiting import wait_until


class ValidationTest(RouterTestCase):

    def setUp(self):
        super().setUp()
        self.start()

    def answers_three_ways(self, **fields):
        """The errors of a unary call, in a batch, and in a stream with good neighbours."""
        fields.setdefault("subject", "test.a")
        message = message_pb2.Message(**fields)
        good = message_pb2.Message(subject="test.good", payload=b"good")
        with self.assertRaises(RouterError) as caught:
            self.router.api.Publish(publisher_pb2.PublishRequest(message=message))
        errors = [caught.exception]
        batch = self.router.api.PublishBatch(
            publisher_pb2.PublishBatchRequest(messages=[good, message, good])).results
        self.assertEqual([r.outcome for r in batch], [1, 4, 1])
        errors.append(error_of_status(batch[1].error))
        answered = {}
        for response in self.router.api.publish_stream(iter([
                publisher_pb2.PublishStreamRequest(messages=[good, message]),
                publisher_pb2.PublishStreamRequest(messages=[good])])):
            for r in response.ranges:
                answered.update({n: r.outcome for n in range(r.first, r.last + 1)})
            for r in response.results:
                answered[r.number] = r.result.outcome
                if r.number == 2:
                    errors.append(error_of_status(r.result.error))
        self.assertEqual(answered, {1: 1, 2: 4, 3: 1})
        self.assertEqual(len(errors), 3)
        return errors

    def assert_refused(self, code, reasons, **fields):
        with self.subTest(**{k: repr(v)[:60] for k, v in fields.items()}):
            for error in self.answers_three_ways(**fields):
                self.assertEqual(error.code.name, code, error)
                self.assertIn(error.reason, reasons)
                self.assertEqual([i.domain for i in error.infos], ["router"])

    def assert_unharmed(self):
        contract.check_alive(self, self.router)
        metrics = self.router.metrics()
        self.assertEqual(metrics.value("router_nats_connection_lost_total"), 0)
        self.assertEqual(metrics.value("router_nats_publish_failures_total"), 0)
        self.assertEqual(metrics.value("router_nats_pending_operations_count"), 0)
        self.assertEqual(metrics.value("router_messages_unaccounted"), 0)
        good = metrics.value("router_nats_publish_outcomes_total", outcome="delivered")
        self.assertEqual(metrics.value("router_nats_publish_total"), good)
        stored = self.broker.dump("TEST")
        self.assertEqual(len(stored), good)
        self.assertLessEqual({m.subject for m in stored}, {"test.good"})
        contract.check_log(self, self.router)

    def test_subjects(self):
        for subject in BAD_SUBJECTS:
            self.assert_refused("INVALID_ARGUMENT", ("SUBJECT_INVALID",), subject=subject)
        for subject in RESERVED_SUBJECTS:
            self.assert_refused("PERMISSION_DENIED", ("SUBJECT_RESERVED",), subject=subject)
        self.assert_unharmed()
        rejected = self.router.metric("router_nats_publish_outcomes_total", outcome="rejected")
        self.assertEqual(rejected, 3 * (len(BAD_SUBJECTS) + len(RESERVED_SUBJECTS)))

    def test_headers(self):
        for headers in BAD_HEADERS:
            self.assert_refused("INVALID_ARGUMENT", ("HEADER_INVALID",), headers=headers)
        self.assert_unharmed()

    def test_message_ids(self):
        for message_id in BAD_IDS:
            self.assert_refused("INVALID_ARGUMENT", ("MESSAGE_ID_INVALID",),
                                message_id=message_id)
        self.assert_unharmed()

    def test_other_fields(self):
        self.assert_refused("INVALID_ARGUMENT", ("PAYLOAD_TOO_LARGE",),
                            payload=b"x" * ((1 << 20) + 1))
        self.assert_refused("INVALID_ARGUMENT", ("ORDERING_KEY_INVALID",), ordering_key="k" * 256)
        self.assert_refused("INVALID_ARGUMENT", ("GUARANTEE_INVALID",), guarantee=9)
        for seconds in (0, -5):
            ttl = message_pb2.Message().ttl
            ttl.FromSeconds(seconds)
            self.assert_refused("INVALID_ARGUMENT", ("TTL_INVALID",), ttl=ttl)
        self.assert_unharmed()

    def test_what_is_allowed(self):
        longest = "test." + "s" * 250
        for fields in ({"subject": longest}, {"subject": "test.ü"}, {"subject": "test.$a"},
                       {"payload": b""}, {"payload": bytes(range(256))},
                       {"message_id": "i" * 128}, {"ordering_key": "k k " * 60},
                       {"headers": {"X-Trace!#$%&'*+-.^_`|~": " ü: value "}},
                       {"headers": {f"h{i}": "v" for i in range(50)}}):
            with self.subTest(**{k: repr(v)[:60] for k, v in fields.items()}):
                fields.setdefault("subject", "test.a")
                message = message_pb2.Message(**fields)
                result = self.router.api.Publish(
                    publisher_pb2.PublishRequest(message=message)).result
                self.assertEqual(result.outcome, 1)
                with self.broker.client() as client:
                    stored = jetstream.get_message(client, "TEST", result.sequence)
                self.assertEqual(stored.subject, fields["subject"])
                self.assertEqual(stored.payload, fields.get("payload", b""))

    def test_missing_message_and_empty_calls(self):
        for call, request in (
                (self.router.api.Publish, publisher_pb2.PublishRequest()),
                (self.router.api.PublishBatch, publisher_pb2.PublishBatchRequest())):
            with self.assertRaises(RouterError) as caught:
                call(request)
            self.assertEqual(caught.exception.code, grpc.StatusCode.INVALID_ARGUMENT)
        too_many = publisher_pb2.PublishBatchRequest()
        for _ in range(10_001):
            too_many.messages.add(subject="test.good")
        with self.assertRaises(RouterError) as caught:
            self.router.api.PublishBatch(too_many)
        self.assertEqual(caught.exception.code, grpc.StatusCode.INVALID_ARGUMENT)
        self.assert_unharmed()

    def test_malformed_protobuf_and_unknown_methods(self):
        channel = self.router.api.channel
        for method, body, code in (
                ("PublisherService/Publish", b"\xff\xff\xff", None),
                ("PublisherService/Publish", b"\x0a\x05\x0a\x03\xff\xfe\xfd", None),
                ("AdminService/GetStatus", b"\xff", None),
                ("PublisherService/NoSuchMethod", b"", grpc.StatusCode.UNIMPLEMENTED),
                ("NoSuchService/Publish", b"", grpc.StatusCode.UNIMPLEMENTED)):
            with self.subTest(method=method):
                with self.assertRaises(grpc.RpcError) as caught:
                    channel.unary_unary(f"/router.v1.{method}")(body, timeout=5)
                self.assertNotEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
                if code:
                    self.assertEqual(caught.exception.code(), code)
        self.assert_unharmed()

    def test_too_much_metadata(self):
        # On a connection of its own, which it may cost: other clients' connections go on.
        with grpc.insecure_channel(f"127.0.0.1:{self.router.grpc_port}",
                                   [("grpc.use_local_subchannel_pool", 1)]) as channel:
            call = channel.unary_unary("/router.v1.AdminService/GetStatus")
            with self.assertRaises(grpc.RpcError):
                call(b"", timeout=5, metadata=[("big", "x" * 20_000)])
            self.assert_unharmed()

    def test_oversized_request(self):
        message = message_pb2.Message(subject="test.good", payload=b"x" * (80 << 20))
        with self.assertRaises(RouterError) as caught:
            self.router.api.Publish(publisher_pb2.PublishRequest(message=message), 30)
        self.assertIn(caught.exception.code, (grpc.StatusCode.RESOURCE_EXHAUSTED,
                                              grpc.StatusCode.INVALID_ARGUMENT))
        self.assert_unharmed()

    def test_deadline_is_honoured(self):
        # Nothing but the deadline makes it give up.
        router = self.start_router(name="patient", nats_ack_timeout_ms=60000,
                                   nats_ping_interval_ms=3600000)
        self.broker.stop_running()
        # The client's own timer would end the call, so an answer is the router's.
        answer = Caller(router, self.oracle).publish("test.good", timeout_s=2)
        self.assertEqual(answer.outcome, outcomes.QUEUED)
        self.broker.go_on()
        router.wait_drained()
        self.assert_messages()
        contract.check_alive(self, router)

    def test_cancelled_calls_and_streams_leave_nothing_behind(self):
        self.broker.stop_running()
        message = message_pb2.Message(subject="test.good", payload=b"x")
        futures = [self.router.api.PublishFuture(
            publisher_pb2.PublishRequest(message=message), timeout=5) for _ in range(20)]
        stream = self.caller.open_stream()
        stream.send("test.good", 100)
        wait_until(lambda: self.status().in_flight >= 100, "they are on their way")
        for future in futures:
            future.cancel()
        stream.cancel()
        self.broker.go_on()
        self.router.wait_connected()
        self.router.wait_drained()
        wait_until(lambda: self.status().in_flight == 0, "nothing is left in flight")
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)
        self.assertEqual(self.caller.publish("test.good").outcome, outcomes.DELIVERED)
        contract.check_alive(self, self.router)

    def test_ttl_of_a_queued_message(self):
        self.lose_broker()
        message = message_pb2.Message(subject="test.a", payload=b"x", message_id="short")
        message.ttl.FromMilliseconds(300)
        result = self.router.api.Publish(publisher_pb2.PublishRequest(message=message)).result
        self.assertEqual(result.outcome, 2)
        end = time.monotonic() + 0.4
        wait_until(lambda: time.monotonic() > end, "its time is over")
        self.caller.publish("test.b")
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_nats_dead_letters_total", reason="expired"), 1)
        self.assertEqual(self.broker.message_count("TEST"), 1)
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)


if __name__ == "__main__":
    unittest.main()
