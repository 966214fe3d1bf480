"""What bad input gets, on every way in, from a router with TLS and access control."""

import contextlib
import os
import sqlite3
import subprocess
import unittest

import grpc
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import contract
from harness import jetstream
from harness import sanitizers
from harness.api import RouterError, error_of_call, error_of_status
from harness.bad_input import (BAD_HEADERS, BAD_IDS, BAD_SUBJECTS, INJECTED_HEADER,
                               INJECTED_SUBJECT, RESERVED_SUBJECTS)
from harness.waiting import wait_until
from secure_router import SecureRouterTestCase

_MAX_PAYLOAD = 1 << 20

# (code, reason, fields of a message).
TABLE = (
    [("INVALID_ARGUMENT", "SUBJECT_INVALID", {"subject": s}) for s in BAD_SUBJECTS]
    + [("PERMISSION_DENIED", "SUBJECT_RESERVED", {"subject": s}) for s in RESERVED_SUBJECTS]
    + [("INVALID_ARGUMENT", "HEADER_INVALID", {"headers": h}) for h in BAD_HEADERS]
    + [("INVALID_ARGUMENT", "MESSAGE_ID_INVALID", {"message_id": i}) for i in BAD_IDS]
    + [("INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE", {"payload": b"x" * (_MAX_PAYLOAD + 1)}),
       ("INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE",
        {"payload": b"x" * (_MAX_PAYLOAD - 100), "headers": {"k": "v" * 200}}),
       ("INVALID_ARGUMENT", "ORDERING_KEY_INVALID", {"ordering_key": "k" * 256}),
       ("INVALID_ARGUMENT", "GUARANTEE_INVALID", {"guarantee": 9})])


class BadInputTest(SecureRouterTestCase):

    def message(self, **fields):
        fields.setdefault("subject", "test.a")
        return message_pb2.Message(**fields)

    def publish_ways(self):
        return (("unary", self.publish), ("batch", self.publish_batch),
                ("stream", self.publish_stream))

    def dead_letters(self):
        return self.router.api.ListDeadLetters(admin_pb2.ListDeadLettersRequest()).dead_letters

    def pause(self):
        self.router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="test"))

    def resume(self):
        self.router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="test"))

    def assert_whole_table(self):
        for code, reason, fields in TABLE:
            for way, publish in self.publish_ways():
                with self.subTest(way=way, **{k: repr(v)[:60] for k, v in fields.items()}):
                    error = publish(self.router.api, self.message(**fields))
                    self.assert_error(error, code, reason)

    def test_every_row_on_every_way(self):
        self.start_secure()
        self.assert_whole_table()
        self.assertEqual(self.broker.message_count("TEST"), 0)
        # The way that dead letters take: nothing of it is queued, so nothing becomes one, and
        # putting all of them back delivers nothing.
        self.pause()
        self.assert_whole_table()
        self.assertEqual(self.pending(), [])
        self.assertEqual(list(self.dead_letters()), [])
        self.resume()
        answer = self.router.api.RedriveDeadLetters(
            admin_pb2.RedriveDeadLettersRequest(filter="*", reason="test"))
        self.assertEqual(answer.redriven_count, 0)
        self.assertEqual(self.broker.message_count("TEST"), 0)
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)
        self.assertEqual(self.router.metric("router_nats_publish_total"), 0)
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)
        contract.check_alive(self, self.router)

    def bury(self, messages):
        """Makes dead letters of messages that no router took in, while the router does not run."""
        self.router.kill()
        lines = "".join("\t".join(text.hex() for text in (
            m.subject.encode(), m.message_id.encode(), m.ordering_key.encode(), m.payload,
            *(text.encode() for header in m.headers.items() for text in header))) + "\n"
            for m in messages)
        subprocess.run([os.path.join(os.getcwd(), "tests", "server", "pending", "bury_helper"),
                        self.router.settings["pending_dir"]],
                       input=lines, text=True, check=True, timeout=60)
        self.restart_router()

    def test_every_row_by_way_of_a_dead_letter(self):
        self.start_secure()
        # A guarantee that does not exist is damage of the row.
        table = [row for row in TABLE if "guarantee" not in row[2]]
        messages = []
        for number, (_, _, fields) in enumerate(table):
            messages.append(self.message(**{"message_id": f"id-{number}", **fields}))
        self.bury(messages + [self.message(message_id="good", payload=b"good")])
        ids = [d.operation_id for d in self.dead_letters()]
        self.assertEqual(len(ids), len(table) + 1)
        for operation_id, (code, reason, fields) in zip(ids, table):
            with self.subTest(**{k: repr(v)[:60] for k, v in fields.items()}):
                for validate_only in (True, False):
                    answer = self.router.api.RedriveDeadLetters(
                        admin_pb2.RedriveDeadLettersRequest(
                            filter=f"operation_id = {operation_id}", reason="test",
                            validate_only=validate_only))
                    self.assertEqual((answer.redriven_count, answer.refused_count), (0, 1))
                    self.assertEqual(answer.refused_sample[0].operation_id, operation_id)
                    self.assert_error(error_of_status(answer.refused_sample[0].error),
                                      code, reason)
        answer = self.router.api.RedriveDeadLetters(
            admin_pb2.RedriveDeadLettersRequest(filter="*", reason="test"))
        self.assertEqual((answer.redriven_count, answer.refused_count, answer.remaining_count),
                         (1, len(table), len(table)))
        self.assertEqual(len(answer.refused_sample), 10)
        event, = self.audit(filter=f"id = {answer.audit_event_id}")
        self.assertIn(f"1 dead letters put back into the queue; {len(table)} refused (",
                      event.detail)
        self.assertIn(f"HEADER_INVALID: {len(BAD_HEADERS)}", event.detail)
        self.router.wait_drained()
        self.assertEqual([m.payload for m in self.broker.dump("TEST")], [b"good"])
        self.assertEqual(len(self.dead_letters()), len(table))
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)
        self.assert_good_caller_goes_on()

    def test_a_dead_letter_that_the_broker_takes_no_more(self):
        """Its max_payload counts as it is now."""
        self.start_secure()
        self.bury([self.message(message_id="big", payload=b"x" * 5000)])
        self.broker.kill()
        self.broker.config["max_payload"] = "4096"
        self.bring_broker_back()
        wait_until(lambda: self.status().connection.max_payload_bytes == 4096, "it is known")
        answer = self.router.api.RedriveDeadLetters(
            admin_pb2.RedriveDeadLettersRequest(filter="*", reason="test"))
        self.assert_error(error_of_status(answer.refused_sample[0].error),
                          "INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE")

    def test_a_dead_letter_that_the_router_takes_no_more(self):
        """What may be published is what may be put back."""
        self.start_secure(publish_max_message_bytes=4096)
        self.bury([self.message(message_id="big", payload=b"x" * 5000),
                   self.message(message_id="good", payload=b"x" * 4000)])
        answer = self.router.api.RedriveDeadLetters(
            admin_pb2.RedriveDeadLettersRequest(filter="*", reason="test"))
        self.assertEqual((answer.redriven_count, answer.refused_count), (1, 1))
        error = error_of_status(answer.refused_sample[0].error)
        self.assert_error(error, "INVALID_ARGUMENT", "PAYLOAD_TOO_LARGE")
        self.assertEqual(error.metadata["size_bytes_max"], "4096")

    def test_a_dead_letter_that_is_damaged_on_disk(self):
        """It is as if it were not there, and the status says that something is damaged."""
        self.start_secure()
        self.bury([self.message(message_id=f"id-{n}", payload=b"kept") for n in range(3)])
        ids = [d.operation_id for d in self.dead_letters()]
        self.router.kill()
        with contextlib.closing(sqlite3.connect(os.path.join(
                self.router.settings["pending_dir"], "pending.db"))) as database, database:
            database.execute("UPDATE dead_letters SET payload = x'00' WHERE sequence = ?",
                             (ids[1],))
        self.restart_router()
        answer = self.router.api.RedriveDeadLetters(admin_pb2.RedriveDeadLettersRequest(
            filter=f"operation_id = {ids[1]}", reason="test"))
        self.assertEqual((answer.redriven_count, answer.refused_count), (0, 0))
        self.assert_error(self.error_of(
            self.router.api.GetDeadLetter,
            admin_pb2.GetDeadLetterRequest(operation_id=ids[1])),
            "NOT_FOUND", "DEAD_LETTER_NOT_FOUND")
        self.assertEqual([d.operation_id for d in self.dead_letters()], [ids[0], ids[2]])
        self.assertEqual(self.status().queue.damage.records, 1)
        answer = self.router.api.RedriveDeadLetters(
            admin_pb2.RedriveDeadLettersRequest(filter="*", reason="test"))
        self.assertEqual(answer.redriven_count, 2)

    def test_redrive_has_a_table_of_its_own(self):
        self.start_secure()
        for code, reason, fields in (
                ("INVALID_ARGUMENT", "FILTER_REQUIRED", {"reason": "test"}),
                ("INVALID_ARGUMENT", "REASON_REQUIRED", {"filter": "*"}),
                ("INVALID_ARGUMENT", "REASON_REQUIRED", {"filter": "*", "reason": "x" * 4097}),
                ("INVALID_ARGUMENT", "REQUEST_ID_INVALID",
                 {"filter": "*", "reason": "test", "request_id": "x" * 129}),
                ("INVALID_ARGUMENT", "FIELD_INVALID",
                 {"filter": "*", "reason": "test", "limit": -1}),
                ("INVALID_ARGUMENT", "FILTER_INVALID",
                 {"filter": INJECTED_SUBJECT, "reason": "test"}),
                ("INVALID_ARGUMENT", "FILTER_INVALID",
                 {"filter": "no_such_field = 1", "reason": "test"})):
            with self.subTest(**{k: repr(v)[:60] for k, v in fields.items()}):
                self.assert_error(self.error_of(
                    self.router.api.RedriveDeadLetters,
                    admin_pb2.RedriveDeadLettersRequest(**fields)), code, reason)

    def test_the_two_known_injections_change_nothing(self):
        self.start_secure()
        good = self.message(payload=b"kept")
        for _ in range(5):
            self.assertIsNone(self.publish(self.router.api, good))
        before = self.broker.dump("TEST")
        self.assertEqual(len(before), 5)
        for fields in ({"subject": INJECTED_SUBJECT}, {"headers": INJECTED_HEADER},
                       {"headers": {"k": "v\r\nNats-Rollup: all"}},
                       {"message_id": "x\r\nNats-Rollup: all"},
                       {"headers": {"Nats-Rollup": "all"}},
                       {"subject": "$JS.API.STREAM.PURGE.TEST"}):
            for guarantee in (message_pb2.GUARANTEE_STORED, message_pb2.GUARANTEE_RECEIVED):
                for way, publish in self.publish_ways():
                    with self.subTest(way=way, fields=fields):
                        error = publish(self.router.api,
                                        self.message(guarantee=guarantee, **fields))
                        self.assertIsNotNone(error)
        self.assert_error(self.redrive(self.router.api, INJECTED_SUBJECT),
                          "INVALID_ARGUMENT", "FILTER_INVALID")
        after = self.broker.dump("TEST")
        self.assertEqual([(m.sequence, m.subject, m.payload, m.headers) for m in after],
                         [(m.sequence, m.subject, m.payload, m.headers) for m in before])
        # Both are real: given to the broker as they are, the one purges, the other deletes.
        with self.broker.client() as client:
            jetstream.update_stream(client, "TEST", allow_rollup_hdrs=True)
            client.publish("test.a", b"x", headers=INJECTED_HEADER)
            client.flush()
        wait_until(lambda: self.broker.message_count("TEST") == 1, "it has purged the stream")
        with self.broker.client() as client:
            client.publish(INJECTED_SUBJECT)
            client.flush()

        def is_gone():
            with self.broker.client() as client:
                try:
                    jetstream.stream_info(client, "TEST")
                except jetstream.JetStreamError:
                    return True
            return False
        wait_until(is_gone, "it has deleted the stream")

    def test_message_id_of_another_message(self):
        self.start_secure()
        self.assertIsNone(self.publish(self.router.api,
                                       self.message(message_id="once", payload=b"first")))
        for way, publish in self.publish_ways():
            with self.subTest(way=way):
                self.assert_error(
                    publish(self.router.api, self.message(message_id="once", payload=b"other")),
                    "ALREADY_EXISTS", "MESSAGE_ID_CONFLICT")
        self.assertEqual(self.broker.message_count("TEST"), 1)

    def test_full_queue(self):
        self.start_secure(nats_max_pending_operations=2)
        self.pause()
        for _ in range(2):
            self.assertIsNone(self.publish(self.router.api, self.message()))
        for way, publish in self.publish_ways():
            with self.subTest(way=way):
                error = publish(self.router.api, self.message())
                self.assert_error(error, "RESOURCE_EXHAUSTED", "PENDING_QUEUE_FULL")
                self.assertGreater(error.retry_delay_s, 0)

    def test_more_than_the_receive_limit(self):
        self.start_secure(grpc_max_receive_bytes=65536)
        message = self.message(payload=b"x" * 100_000)
        for way, publish in self.publish_ways():
            with self.subTest(way=way):
                error = publish(self.connection(), message)
                self.assertEqual(error.code, grpc.StatusCode.RESOURCE_EXHAUSTED, error)
        self.assert_good_caller_goes_on()

    def test_batch_sizes(self):
        self.start_secure()
        many = [self.message()] * 10_001
        for messages in ([], many):
            self.assert_error(self.error_of(
                self.router.api.PublishBatch,
                publisher_pb2.PublishBatchRequest(messages=messages)),
                "INVALID_ARGUMENT", "BATCH_INVALID")
            with self.assertRaises(grpc.RpcError) as caught:
                list(self.router.api.publish_stream(iter([
                    publisher_pb2.PublishStreamRequest(messages=messages)]), 10))
            self.assertEqual(caught.exception.code(), grpc.StatusCode.INVALID_ARGUMENT)
        self.assertEqual(self.broker.message_count("TEST"), 0)

    def test_malformed_calls(self):
        self.start_secure()
        for path, body, code in (
                ("PublisherService/Publish", b"\xff\xff\xff", None),
                ("PublisherService/PublishBatch", b"\xff\xff\xff", None),
                ("PublisherService/Publish", b"\x0a\x05\x0a\x03\xff\xfe\xfd", None),
                ("AdminService/RedriveDeadLetters", b"\xff\xff\xff", None),
                ("PublisherService/NoSuchMethod", b"", grpc.StatusCode.UNIMPLEMENTED),
                ("NoSuchService/Publish", b"", grpc.StatusCode.UNIMPLEMENTED)):
            with self.subTest(path=path):
                with self.assertRaises(grpc.RpcError) as caught:
                    self.connection().channel.unary_unary(f"/router.v1.{path}")(body, timeout=5)
                self.assertNotEqual(caught.exception.code(), grpc.StatusCode.DEADLINE_EXCEEDED)
                if code:
                    self.assertEqual(caught.exception.code(), code)
        with self.assertRaises(grpc.RpcError):
            self.connection().channel.unary_unary("/router.v1.PublisherService/Publish")(
                b"", timeout=5, metadata=[("big", "x" * 20_000)])
        self.assert_good_caller_goes_on()

    def test_methods_that_callers_make_up_have_no_metrics(self):
        self.start_secure(enable_fault_injection=True)

        def series():
            return {sample for sample in self.router.metrics().samples
                    if sample[0].startswith("router_grpc_server_")}
        before = series()
        for service in ("PublisherService", "AdminService", "FaultInjectionService", "None"):
            api = self.router.connect(self.authority.credentials())
            self.addCleanup(api.close)
            for number in range(50):
                with self.assertRaises(grpc.RpcError) as caught:
                    api.channel.unary_unary(f"/router.v1.{service}/MadeUp{number}")(
                        b"", timeout=10)
                self.assertEqual(caught.exception.code(), grpc.StatusCode.UNIMPLEMENTED)
        self.assertEqual(series(), before)

    def test_a_frame_that_is_no_protobuf(self):
        self.start_secure()
        good = publisher_pb2.PublishStreamRequest(
            messages=[self.message(payload=b"kept")]).SerializeToString()
        for bad in (b"\xff\xff", good[:-1], b"\x0a\x05\x0a\x03\xff\xfe\xfd"):
            with self.subTest(bad=bad):
                call = self.connection().channel.stream_stream(
                    "/router.v1.PublisherService/PublishStream",
                    response_deserializer=publisher_pb2.PublishStreamResponse.FromString)(
                        iter([good, bad, good]), timeout=10)
                outcomes = []
                with self.assertRaises(grpc.RpcError) as caught:
                    for response in call:
                        outcomes += [r.outcome for r in response.ranges]
                self.assertEqual(outcomes, [message_pb2.PUBLISH_OUTCOME_DELIVERED])
                self.assert_error(error_of_call(caught.exception),
                                  "INVALID_ARGUMENT", "FRAME_INVALID")
        self.assertEqual(self.broker.message_count("TEST"), 3)
        self.assertEqual(self.router.metric(
            "router_grpc_server_handled_total", grpc_service="router.v1.PublisherService",
            grpc_method="PublishStream", grpc_code="InvalidArgument"), 3)
        self.assert_good_caller_goes_on()

    def test_a_deadline_is_kept_by_queueing_in_time(self):
        """The client's own timer would end its call, so an answer is the router's."""
        self.start_secure(nats_ack_timeout_ms=60000, nats_ping_interval_ms=3600000)
        self.broker.stop_running()

        def request(way):
            return [self.message(subject=f"test.{way}", payload=b"kept")]
        api, deadline_s = self.router.api, 2 * sanitizers.TIME
        answers = {
            "unary": lambda m: [api.Publish(publisher_pb2.PublishRequest(message=m[0]),
                                            deadline_s).result.outcome],
            "batch": lambda m: [r.outcome for r in api.PublishBatch(
                publisher_pb2.PublishBatchRequest(messages=m), deadline_s).results],
            "stream": lambda m: [r.outcome for response in api.publish_stream(
                iter([publisher_pb2.PublishStreamRequest(messages=m)]), deadline_s)
                                 for r in response.ranges]}
        for way, publish in answers.items():
            with self.subTest(way=way):
                self.assertEqual(publish(request(way)), [message_pb2.PUBLISH_OUTCOME_QUEUED])
        self.assertEqual(len(self.pending()), 3)
        self.broker.go_on()
        self.router.wait_drained()
        self.assertEqual(sorted(m.subject for m in self.broker.dump("TEST")),
                         ["test.batch", "test.stream", "test.unary"])
        self.assert_good_caller_goes_on()

    def connection(self):
        """The operator's, on a connection of its own, which bad input may cost."""
        api = self.router.connect(self.settings["credentials"])
        self.addCleanup(api.close)
        return api

    def assert_good_caller_goes_on(self):
        self.assertIsNone(self.publish(self.router.api, self.message()))
        contract.check_alive(self, self.router)


if __name__ == "__main__":
    unittest.main()
