"""A caller's trace goes with its messages, through the queue too, into the log, and as spans to a
collector; and a collector that is slow or away delays nobody."""

import os
import time
import unittest

import grpc
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import oracle as outcomes
from harness.api import RECEIVED
from harness.collector import Collector
from harness.fixture import RouterTestCase
from harness.waiting import wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
SPAN_ID = "00f067aa0ba902b7"
SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-01"
NOT_SAMPLED = f"00-{TRACE_ID}-{SPAN_ID}-00"
OTHER = "00-aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-bbbbbbbbbbbbbbbb-01"


class TracingTestCase(RouterTestCase):

    def publish(self, traceparent, subject="test.a", metadata=(), **fields):
        """A unary publish with metadata; the result."""
        message, record = self.caller.message(subject, **fields)
        call = self.router.api.PublishFuture(
            publisher_pb2.PublishRequest(message=message), timeout=10,
            metadata=(("traceparent", traceparent),) + tuple(metadata))
        record.outcome = {
            message_pb2.PUBLISH_OUTCOME_DELIVERED: outcomes.DELIVERED,
            message_pb2.PUBLISH_OUTCOME_QUEUED: outcomes.QUEUED,
            message_pb2.PUBLISH_OUTCOME_DROPPED: outcomes.DROPPED,
        }[call.result().result.outcome]
        return call.result().result

    def stored_headers(self):
        """Of each message of the stream, in order."""
        return [m.headers for m in self.broker.dump("TEST")]

    def start_with_collector(self, **settings):
        self.collector = Collector()
        self.addCleanup(self.collector.close)
        return self.start(otlp_endpoint=self.collector.endpoint, otlp_timeout_ms=2000, **settings)

    def publish_three_frames(self):
        """Of two messages each, over one stream with a sampled trace."""
        stub = self.router.api.channel.stream_stream(
            "/router.v1.PublisherService/PublishStream",
            request_serializer=publisher_pb2.PublishStreamRequest.SerializeToString,
            response_deserializer=publisher_pb2.PublishStreamResponse.FromString)
        frames = [publisher_pb2.PublishStreamRequest(
            messages=[self.caller.message("test.s")[0] for _ in range(2)]) for _ in range(3)]
        list(stub(iter(frames), timeout=10, metadata=(("traceparent", SAMPLED),)))


class PassingOnTest(TracingTestCase):

    def test_a_call_without_a_trace_adds_no_header(self):
        self.start()
        self.caller.publish("test.a")
        self.assertEqual(set(self.stored_headers()[0]), {"Nats-Msg-Id"})
        self.assert_contract()

    def test_the_trace_of_a_call_goes_with_every_message(self):
        self.start()
        self.publish(SAMPLED, metadata=[("tracestate", "vendor=1")])
        self.publish(NOT_SAMPLED)
        messages = [self.caller.message("test.b")[0] for _ in range(3)]
        self.router.api.PublishBatchFuture(
            publisher_pb2.PublishBatchRequest(messages=messages), timeout=10,
            metadata=(("traceparent", SAMPLED),)).result()
        headers = self.stored_headers()
        self.assertEqual(headers[0]["traceparent"], SAMPLED)
        self.assertEqual(headers[0]["tracestate"], "vendor=1")
        self.assertEqual(headers[1]["traceparent"], NOT_SAMPLED)
        self.assertNotIn("tracestate", headers[1])
        self.assertEqual([h["traceparent"] for h in headers[2:]], [SAMPLED] * 3)

    def test_a_stream_has_one_trace(self):
        self.start()
        self.publish_three_frames()
        self.assertEqual([h["traceparent"] for h in self.stored_headers()], [SAMPLED] * 6)

    def test_a_core_message_carries_it_too(self):
        self.start_broker(stream=None)
        self.start_router()
        with self.broker.client() as client:
            sid = client.subscribe("core.a")
            client.flush()
            self.publish(SAMPLED, "core.a", guarantee=RECEIVED)
            self.assertEqual(client.next_message(sid).headers["traceparent"], SAMPLED)

    def test_what_is_malformed_is_no_trace(self):
        self.start()
        for bad in ("", "00-1234", SAMPLED + "-", SAMPLED.upper(), "ff" + SAMPLED[2:]):
            self.publish(bad)
        self.publish(SAMPLED, metadata=[("traceparent", OTHER)])
        self.publish(SAMPLED, metadata=[("tracestate", "no equals sign")])
        headers = self.stored_headers()
        for had in headers[:-1]:
            self.assertEqual(set(had), {"Nats-Msg-Id"})
        self.assertEqual(headers[-1].get("traceparent"), SAMPLED)
        self.assertNotIn("tracestate", headers[-1])
        self.assert_contract()

    def test_a_messages_own_header_wins(self):
        self.start()
        self.publish(SAMPLED, headers={"traceparent": OTHER},
                     metadata=[("tracestate", "vendor=1")])
        self.assertEqual(self.stored_headers()[0]["traceparent"], OTHER)
        self.assertNotIn("tracestate", self.stored_headers()[0])
        self.assert_contract()

    def test_a_repetition_in_another_span_is_the_same_message(self):
        self.start()
        first = self.publish(SAMPLED, message_id="mine", payload=b"p")
        again = self.router.api.PublishFuture(
            publisher_pb2.PublishRequest(message=message_pb2.Message(
                subject="test.a", payload=b"p", message_id="mine")),
            timeout=10, metadata=(("traceparent", OTHER),)).result().result
        self.assertEqual(again.sequence, first.sequence)
        self.assertTrue(again.duplicate)

    def test_queued_messages_carry_it_through_the_queue_and_a_restart(self):
        self.start()
        self.lose_broker()
        self.assertEqual(self.publish(SAMPLED).outcome, message_pb2.PUBLISH_OUTCOME_QUEUED)
        self.router.kill()
        self.restart_router(connected=False)
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.stored_headers()[0]["traceparent"], SAMPLED)

    def test_lines_about_a_message_name_its_trace(self):
        self.start()
        self.lose_broker()
        self.publish(NOT_SAMPLED)
        self.caller.publish("test.b")
        queued = self.router.log.events("NATS_PUBLISH_WITH_ACK_QUEUED")
        self.assertEqual([e.get("trace_id") for e in queued], [TRACE_ID, None])
        self.bring_broker_back()
        self.assert_contract()


class ExportTest(TracingTestCase):

    def test_a_call_is_a_span_and_messages_follow_it(self):
        self.start_with_collector()
        self.publish(SAMPLED, message_id="mine", metadata=[("tracestate", "vendor=1")])
        span, = self.collector.wait_for_spans(1)
        self.assertEqual(span.name, "router.v1.PublisherService/Publish")
        self.assertEqual((span.trace_id, span.parent_id, span.kind), (TRACE_ID, SPAN_ID, 2))
        self.assertEqual(span.trace_state, "vendor=1")
        self.assertFalse(span.is_error)
        self.assertEqual(span.attributes["messaging.destination.name"], "test.a")
        self.assertEqual(span.attributes["messaging.message.id"], "mine")
        self.assertEqual(span.attributes["router.delivered"], 1)
        self.assertEqual(span.resource["service.name"], "router")
        self.assertLess(abs(span.end_ns - time.time_ns()), 60e9)
        self.assertEqual(self.stored_headers()[0]["traceparent"],
                         f"00-{TRACE_ID}-{span.span_id}-01")
        self.router.wait_for_metric("router_otlp_spans_exported_total", 1)
        self.assert_contract()

    def test_what_is_not_sampled_is_not_exported(self):
        self.start_with_collector()
        self.publish(NOT_SAMPLED)
        self.caller.publish("test.a")
        self.publish(SAMPLED)
        self.assertEqual(len(self.collector.wait_for_spans(1)), 1)
        self.assertEqual(self.stored_headers()[0]["traceparent"], NOT_SAMPLED)

    def test_the_later_delivery_of_a_queued_message_is_a_span_of_its_own(self):
        self.start_with_collector()
        self.lose_broker()
        self.publish(SAMPLED)
        publish, = self.collector.wait_for_spans(1, "Publish")
        self.assertEqual(publish.attributes["router.queued"], 1)
        self.bring_broker_back()
        delivery, = self.collector.wait_for_spans(1, "deliver from the queue")
        self.assertEqual((delivery.trace_id, delivery.parent_id, delivery.kind),
                         (TRACE_ID, publish.span_id, 4))
        self.assertGreater(delivery.end_ns, publish.end_ns)
        self.assert_contract()

    def test_each_frame_of_a_stream_is_a_span(self):
        self.start_with_collector()
        self.publish_three_frames()
        spans = self.collector.wait_for_spans(3, "PublishStream")
        self.assertEqual([s.attributes["messaging.batch.message_count"] for s in spans], [2] * 3)
        carried = [h["traceparent"].split("-")[2] for h in self.stored_headers()]
        self.assertEqual(sorted(set(carried)), sorted(s.span_id for s in spans))

    def test_what_is_not_accepted_is_an_error(self):
        self.start_with_collector()
        with self.assertRaises(grpc.RpcError):
            self.publish(SAMPLED, "no.stream.for.this")
        span, = self.collector.wait_for_spans(1)
        self.assertTrue(span.is_error)
        self.assertEqual(span.attributes["router.rejected"], 1)

    def test_headers_for_the_collector_come_from_a_file_and_stay_there(self):
        path = os.path.join(self.folder, "otlp_headers")
        with open(path, "w", encoding="utf-8") as f:
            f.write("Authorization: Bearer secret-word\n")
        self.start_with_collector(otlp_headers_file=path)
        self.collector.status = 400
        self.publish(SAMPLED)
        self.router.log.wait_for_event("OTLP_EXPORT_FAILED")
        self.assertEqual(self.collector.headers[0]["Authorization"], "Bearer secret-word")
        self.assertNotIn("secret-word", self.router.log.text())

    def test_a_collector_that_is_away_delays_nobody_and_is_counted(self):
        self.start_broker()
        self.start_router(otlp_endpoint="http://127.0.0.1:1", otlp_buffer_spans=10)
        for _ in range(50):
            begin = time.monotonic()
            self.publish(SAMPLED)
            self.assertLess(time.monotonic() - begin, 5)
        def dropped():
            return self.router.metric("router_otlp_spans_dropped_total", reason="export_failed")
        wait_until(lambda: dropped() > 0, "spans are given up", 30)
        failed = self.router.log.wait_for_event("OTLP_EXPORT_FAILED")
        self.assertEqual(failed["level"], "WARN")
        self.assertGreater(self.router.metric("router_otlp_export_failures_total"), 0)
        self.assert_contract()

    def test_a_collector_that_does_not_answer_fills_the_buffer_and_nothing_else(self):
        self.start_with_collector(otlp_buffer_spans=20)
        self.collector.hold()
        self.publish(SAMPLED)
        wait_until(lambda: self.collector.requests == 1, "the collector has a request")
        for _ in range(40):
            self.publish(SAMPLED)
        self.assertGreater(
            self.router.metric("router_otlp_spans_dropped_total", reason="buffer_full"), 0)
        self.collector.release()
        self.collector.wait_for_spans(1)
        self.assert_contract()

    def test_a_collector_that_comes_back_gets_what_was_kept(self):
        self.start_with_collector()
        self.collector.status = 503
        self.publish(SAMPLED)
        wait_until(lambda: self.collector.requests >= 1, "a first attempt")
        self.collector.status = 200
        self.collector.wait_for_spans(1)
        self.assert_contract()

    def test_stopping_sends_what_is_left(self):
        self.start_with_collector()
        self.publish(SAMPLED)
        self.assertEqual(self.router.terminate(), 0)
        self.collector.wait_for_spans(1)

    def test_stopping_does_not_wait_for_a_collector_that_does_not_answer(self):
        self.start_with_collector()
        self.collector.hold()
        self.publish(SAMPLED)
        wait_until(lambda: self.collector.requests == 1, "the collector has a request")
        self.assertEqual(self.router.terminate(timeout_s=10), 0)


if __name__ == "__main__":
    unittest.main()
