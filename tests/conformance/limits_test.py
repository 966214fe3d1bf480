"""What one client may take, and what the others have left meanwhile."""

import threading
import time
import unittest

import grpc
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import oracle as outcomes
from harness.api import error_of_call
from harness.waiting import stays_true, wait_until
from limited_router import CALL_S, PATIENT, LimitsTestCase, batch, message


class SizesTest(LimitsTestCase):

    def test_messages_that_are_too_large(self):
        self.start_limited(publish_max_message_bytes=1000)
        for way, publish in self.ways():
            with self.subTest(way):
                self.assertIsNone(publish(self.a, message(payload=b"x" * 900)))
                error = publish(self.a, message(payload=b"x" * 1001))
                self.assert_error(error, "INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE")
                self.assertEqual(error.metadata["size_bytes_max"], "1000")
                with_header = message(payload=b"x" * 900, headers={"k": "v" * 100})
                self.assert_error(publish(self.a, with_header), "INVALID_ARGUMENT",
                                  "PAYLOAD_TOO_LARGE")
        self.assertEqual(self.broker.message_count("TEST"), 3)

    def test_batches_and_frames_with_too_many_messages(self):
        self.start_limited(publish_max_batch_messages=5)
        self.assertEqual(len(self.a.PublishBatch(batch(*[message()] * 5)).results), 5)
        error = self.error_of(self.a.PublishBatch, batch(*[message()] * 6))
        self.assert_error(error, "INVALID_ARGUMENT", "BATCH_INVALID")
        self.assertEqual(error.metadata["message_count_max"], "5")
        stream = self.caller.open_stream()
        stream.send("test.a", 5)
        stream.wait_answered()
        stream.send("test.a", 6)
        wait_until(lambda: stream.call_error, "the stream is ended")
        self.assert_error(error_of_call(stream.call_error), "INVALID_ARGUMENT", "BATCH_INVALID")
        self.assertEqual(self.broker.message_count("TEST"), 10)

    def test_requests_that_are_too_large(self):
        self.start_limited(grpc_max_receive_bytes=65536)
        for way, publish in self.ways():
            with self.subTest(way):
                self.assertIsNone(publish(self.a, message(payload=b"x" * 60000)))
                error = publish(self.a, message(payload=b"x" * 65536))
                self.assertEqual(error.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
                self.assertEqual(error.reason, "", "it is gRPC that refuses")
        self.assert_takes(self.a)

    def test_calls_with_too_much_metadata(self):
        self.start_limited(grpc_max_metadata_bytes=2048)
        self.b.Publish(publisher_pb2.PublishRequest(message=message()))
        for method in ("Publish", "PublishBatch", "PublishStream"):
            # gRPC may give a connection up on which that has happened.
            call = self.client("b", "DNS:publisher.test").channel.stream_stream(
                "/router.v1.PublisherService/" + method)
            with self.assertRaises(grpc.RpcError) as caught:
                list(call(iter([]), timeout=10, metadata=[("k", "v" * 2048)]))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assert_takes(self.a)
        self.assert_takes(self.b)
        call = self.b.channel.unary_unary("/router.v1.PublisherService/Publish")
        call(publisher_pb2.PublishRequest(message=message()).SerializeToString(), timeout=10,
             metadata=[("k", "v" * 1000)])


class InFlightTest(LimitsTestCase):

    def setUp(self):
        super().setUp()
        self.held = []

    def start_limited(self, **settings):
        super().start_limited(**dict(PATIENT, **settings))

    def hold(self, api, count, payload_bytes=1):
        """A batch of so many messages that is answered once the broker goes on."""
        request = batch(*[message(payload=b"x" * payload_bytes) for _ in range(count)])
        before = self.in_flight_bytes()
        self.held.append(api.PublishBatchFuture(request, timeout=CALL_S))
        wait_until(lambda: self.in_flight_bytes() >= before + request.ByteSize(),
                   "the messages are in flight")

    def go_on(self):
        """The broker does, and everything is answered."""
        self.broker.go_on()
        for call in self.held:
            for result in call.result().results:
                self.assertEqual(result.outcome, message_pb2.PUBLISH_OUTCOME_DELIVERED)

    def assert_a_waits(self, limit, reason):
        """That A, who has as much in hand as it may, is refused, streams wait, and nothing gets
        lost when the broker goes on."""
        before = self.exceeded(limit)
        for error in (self.publish(self.a, message()), self.publish_batch_call(self.a)):
            self.assert_refused(error, reason)
        self.assertEqual(self.exceeded(limit), before + 2)
        stream = self.caller.open_stream()
        for _ in range(20):
            stream.send("test.stream", 3)
        wait_until(lambda: self.exceeded(limit) == before + 3, "the stream waits")
        held = self.in_flight_bytes()
        stays_true(lambda: stream.answered == 0 and self.in_flight_bytes() == held,
                   "the stream waits", 0.2)
        self.go_on()
        stream.wait_answered()
        stream.finish()
        self.assertEqual(self.oracle.count(outcomes.DELIVERED), 60)
        self.assert_takes(self.a)
        self.assert_nothing_left()
        self.assertEqual(self.in_flight_bytes(), 0)

    def publish_batch_call(self, api):
        return self.error_of(api.PublishBatch, batch(message()))

    def test_messages_of_one_client(self):
        self.start_limited(client_max_in_flight_messages=10)
        self.assertEqual(self.router.metric("router_limit", limit="client_max_in_flight_messages"),
                         10)
        self.broker.stop_running()
        self.hold(self.a, 10)
        self.hold(self.b, 10)  # It has an identity of its own.
        error = self.publish(self.a, message())
        self.assertEqual((error.metadata["what"], error.metadata["in_flight"],
                          error.metadata["max"]), ("messages", "10", "10"))
        event = self.router.log.wait_for_event("CLIENT_LIMITED")
        self.assertEqual((event["client"], event["limit"]),
                         ("cert:admin", "client_max_in_flight_messages"))
        self.assert_a_waits("client_max_in_flight_messages", "CLIENT_IN_FLIGHT_LIMIT")
        self.assertEqual({e["client"] for e in self.router.log.events("CLIENT_LIMITED")},
                         {"cert:admin"})

    def test_bytes_of_one_client(self):
        self.start_limited(client_max_in_flight_bytes=65536)
        self.broker.stop_running()
        self.hold(self.a, 2, 32768)
        self.hold(self.b, 2, 32768)
        self.assertEqual(self.publish(self.a, message()).metadata["what"], "bytes")
        self.assert_a_waits("client_max_in_flight_bytes", "CLIENT_IN_FLIGHT_LIMIT")

    def test_bytes_of_all_clients(self):
        self.start_limited(publish_max_in_flight_bytes=65536)
        self.broker.stop_running()
        self.hold(self.b, 1, 30000)
        self.hold(self.a, 1, 40000)  # More than an even part.
        self.hold(self.b, 1, 1000)   # Less: what others have is not held against it.
        self.assert_a_waits("publish_max_in_flight_bytes", "IN_FLIGHT_LIMIT")

    def test_no_call_is_too_large_for_somebody_with_nothing_in_hand(self):
        self.start_limited(client_max_in_flight_messages=10, client_max_in_flight_bytes=65536)
        answers = self.caller.publish_batch(["test.a"] * 500, payload=b"x" * 1000)
        self.assert_outcomes(answers, outcomes.DELIVERED)
        stream = self.caller.open_stream()
        for _ in range(5):
            stream.send("test.a", 200)
        stream.finish()
        self.assertEqual(self.oracle.count(outcomes.DELIVERED), 1500)

    def test_what_waits_for_its_turn_and_is_given_up_leaves_nothing(self):
        self.start_limited(client_shared_in_flight_messages=1)  # Eight, for one that is alone.
        self.broker.stop_running()
        self.hold(self.a, 8)
        held = self.in_flight_bytes()
        streams = [self.caller.open_stream() for _ in range(5)]
        for stream in streams:
            stream.send("test.a", 4)
        self.held.append(self.a.PublishBatchFuture(batch(message(), message()), timeout=CALL_S))
        wait_until(lambda: self.status().in_flight == 8 and self.in_flight_bytes() > held + 200,
                   "they are in hand, and wait")
        before = self.in_flight_bytes()
        for stream in streams[1:]:
            stream.cancel()
        wait_until(lambda: self.in_flight_bytes() <= held + (before - held) / 2,
                   "it is noticed that they are cancelled")
        self.go_on()
        streams[0].finish()
        wait_until(lambda: self.in_flight_bytes() == 0, "nothing is in flight")
        self.assertEqual(self.broker.message_count("TEST"), 14)
        self.assert_takes(self.a)


class RateTest(LimitsTestCase):

    def wait(self, seconds):
        """As a client does that is told when to try again."""
        threading.Event().wait(seconds)

    def exhaust(self, api, count):
        self.assertEqual(len(api.PublishBatch(batch(*[message()] * count)).results), count)

    def test_each_client_has_a_rate_of_its_own(self):
        self.start_limited(client_max_messages_per_second=50)
        self.exhaust(self.a, 75)
        for error in (self.publish(self.a, message()),
                      self.error_of(self.a.PublishBatch, batch(message()))):
            self.assert_refused(error, "CLIENT_RATE_LIMIT")
            self.assertEqual(error.metadata["messages_per_second"], "50")
            self.assertLess(error.retry_delay_s, 0.6)
        self.assert_takes(self.b)
        self.assertEqual(self.exceeded("client_max_messages_per_second"), 2)
        # Whoever waits as long as it is told gets in.
        for _ in range(3):
            error = self.publish(self.a, message())
            while error is None:
                error = self.publish(self.a, message())
            self.wait(error.retry_delay_s)
            self.assertIsNone(self.publish(self.a, message()))
        self.assertEqual({e["client"] for e in self.router.log.events("CLIENT_LIMITED")},
                         {"cert:admin"})

    def test_a_stream_is_slowed_to_the_rate_and_loses_nothing(self):
        self.start_limited(client_max_messages_per_second=100)
        begun = time.monotonic()
        stream = self.caller.open_stream()
        for _ in range(40):
            stream.send("test.a", 10)
        stream.finish()
        elapsed = time.monotonic() - begun
        # 100 are saved up, and the last frame does not wait for all of itself.
        self.assertGreater(elapsed, 2.8)
        self.assertLess(elapsed, 10)
        self.assertEqual(self.oracle.count(outcomes.DELIVERED), 400)
        self.assert_nothing_left()

    def assert_waiting_stream(self, api):
        """A stream with a frame that waits for the rate; with so many answers."""
        stream = self.caller_of(api).open_stream()
        before = self.exceeded("client_max_messages_per_second")
        stream.send("test.a", 5)
        stream.send("test.a", 1)
        wait_until(lambda: stream.answered == 5, "the first frame is answered")
        wait_until(lambda: self.exceeded("client_max_messages_per_second") == before + 1,
                   "the second one waits")
        return stream

    def test_a_stream_that_is_cancelled_while_it_waits_leaves_nothing(self):
        self.start_limited(client_max_messages_per_second=1)
        stream = self.assert_waiting_stream(self.b)
        stream.cancel()
        wait_until(lambda: self.router.metric(
            "router_grpc_server_handled_total", grpc_service="router.v1.PublisherService",
            grpc_method="PublishStream", grpc_code="Canceled") == 1, "the router has noticed")
        self.assertEqual(self.in_flight_bytes(), 0)
        # Its turn comes, and it is not there.
        wait_until(lambda: self.publish(self.b, message()) is None, "the rate is made up for")
        self.assertEqual(self.broker.message_count("TEST"), 6)

    def test_a_stop_waits_for_no_rate(self):
        self.start_limited(client_max_messages_per_second=1)
        streams = [self.assert_waiting_stream(api) for api in (self.a, self.b)]
        begun = time.monotonic()
        self.assertEqual(self.router.terminate(), 0)
        self.assertLess(time.monotonic() - begun, 5)
        for stream in streams:
            wait_until(lambda s=stream: s.call_error, "the stream is over")
            self.assertEqual(stream.answered, 6, "the frame that waited is refused")
        self.assertEqual(self.broker.message_count("TEST"), 10)

    def test_somebody_who_may_not_any_more_does_not_publish_what_waited(self):
        self.start_limited(client_max_messages_per_second=2)
        stream = self.assert_waiting_stream(self.b)
        with open(self.access_file, encoding="utf-8") as f:
            rules = f.read()
        self.write("access.yaml", rules.replace('name: cert:publisher.test\n',
                                                'name: cert:other\n'))
        self.router.log.wait_for_event("ACCESS_RELOADED")
        wait_until(lambda: stream.call_error, "the stream is ended")
        self.assert_error(error_of_call(stream.call_error), "UNAUTHENTICATED", "IDENTITY_UNKNOWN")
        self.assertEqual(self.broker.message_count("TEST"), 5)


class ReloadTest(LimitsTestCase):

    def write_limits(self, text):
        return self.write("router.yaml", f"client: {text}\n")

    def limit(self, name):
        return self.router.metric("router_limit", limit=name)

    def test_limits_change_at_a_reload(self):
        path = self.write_limits("{max_messages_per_second: 1}")
        self.start_limited(config=path)
        self.assertEqual(self.limit("client_max_messages_per_second"), 1)
        stream = self.caller_of(self.b).open_stream()
        stream.send("test.a", 3600)  # Made up for in an hour.
        stream.send("test.a", 1)
        wait_until(lambda: stream.answered == 3600, "the first frame is answered")
        self.assert_refused(self.publish(self.b, message()), "CLIENT_RATE_LIMIT")
        self.write_limits("{max_messages_per_second: 1000, max_in_flight_messages: 7}")
        answer = self.a.ReloadConfig(admin_pb2.ReloadConfigRequest(reason="test"))
        self.assertEqual([c.name for c in answer.applied],
                         ["client_max_in_flight_messages", "client_max_messages_per_second"])
        stream.finish()
        self.assert_takes(self.b)
        self.assertEqual(self.limit("client_max_messages_per_second"), 1000)
        self.assertEqual(self.limit("client_max_in_flight_messages"), 7)
        self.write_limits("{max_messages_per_second: 2}")
        mark = self.router.log.mark()
        self.router.hang_up()
        self.router.log.wait_for_event("CONFIG_RELOADED", after=mark)
        self.assertEqual(self.limit("client_max_messages_per_second"), 2)
        self.assertEqual(self.limit("client_max_in_flight_messages"), 32768)
        self.a.PublishBatch(batch(*[message()] * 10))
        self.assert_refused(self.publish(self.a, message()), "CLIENT_RATE_LIMIT")


if __name__ == "__main__":
    unittest.main()
