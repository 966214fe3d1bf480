"""What JetStream answers when it does not store a message."""

import json
import time
import unittest

import grpc

from harness import jetstream
from harness import oracle as outcomes
from harness.api import RECEIVED
from harness.fake_servers import ScriptedBroker
from harness.fixture import RouterTestCase, both_modes
from harness.waiting import wait_until


def when_away(fail_open):
    return outcomes.DROPPED if fail_open else outcomes.QUEUED


class JetStreamErrorsTest(RouterTestCase):

    @both_modes
    def test_no_stream_for_the_subject(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        answer = self.caller.publish("nobody.keeps.this")
        self.assertEqual(answer.outcome, outcomes.REJECTED, answer)
        self.assertEqual(answer.error.code, grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(answer.error.reason, "NO_STREAM_FOR_SUBJECT")
        self.assertEqual(answer.error.infos[0].domain, "router")
        self.assertIn("nobody.keeps.this", answer.error.metadata.values())
        self.assertEqual(self.pending(), [])
        batch = self.caller.publish_batch(["test.a", "nobody.x", "test.b"])
        self.assertEqual([a.outcome for a in batch],
                         [outcomes.DELIVERED, outcomes.REJECTED, outcomes.DELIVERED])
        self.assertEqual(batch[1].error.reason, "NO_STREAM_FOR_SUBJECT")
        self.assert_contract()

    def test_core_message_needs_no_stream(self):
        self.start()
        with self.broker.client() as listener:
            sid = listener.subscribe("nobody.*")
            listener.flush()
            answer = self.caller.publish("nobody.keeps", guarantee=RECEIVED, payload=b"core")
            self.assertEqual(answer.outcome, outcomes.DELIVERED)
            self.assertEqual(listener.next_message(sid).payload, b"core")
        self.oracle = type(self.oracle)()  # It is in no stream, as it should be.
        self.assertEqual(self.broker.message_count("TEST"), 0)

    @both_modes
    def test_jetstream_not_enabled(self, fail_open):
        self.start_broker(jetstream_enabled=False)
        self.start_router(nats_fail_open_mode=fail_open)
        core = self.caller.publish("test.core", guarantee=RECEIVED)
        self.assertEqual(core.outcome, outcomes.DELIVERED, "core NATS works without it")
        core.record.outcome = outcomes.UNKNOWN
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, when_away(fail_open), answer)
        core.record.outcome = outcomes.DELIVERED
        # The same broker comes back with JetStream.
        self.broker.kill()
        self.broker.jetstream_enabled = True
        self.broker.start().create_stream("TEST", ["test.>"])
        self.router.wait_connected()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("TEST"), 0 if fail_open else 1)
        self.assert_contract(messages=False)

    @both_modes
    def test_no_responders_for_a_moment_is_retried(self, fail_open):
        # A broker without JetStream answers "no responders", until it has it.
        replies = [503, 503, 503]
        broker = ScriptedBroker(
            lambda *_: replies.pop() if replies else b'{"stream":"FAKE","seq":1}')
        self.addCleanup(broker.close)
        self.start_router([broker.url], nats_fail_open_mode=fail_open, nats_ack_timeout_ms=5000)
        answer = self.caller.publish("test.a")
        self.assertEqual((answer.outcome, answer.record.sequence), (outcomes.DELIVERED, 1))
        self.assertEqual(len(broker.published), 4)
        ids = {headers for _, headers, _ in broker.published}
        self.assertEqual(len(ids), 1, "the same message id each time")
        self.assert_contract(messages=False, probe=None)

    @both_modes
    def test_no_responders_beyond_the_deadline(self, fail_open):
        broker = ScriptedBroker(lambda *_: 503)
        self.addCleanup(broker.close)
        self.start_router([broker.url], nats_fail_open_mode=fail_open)
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, when_away(fail_open), answer)
        self.assertEqual(self.router.metric("router_nats_publish_failure_reasons_total",
                                            reason="no_responders"), 1)
        sequence = iter(range(1, 100))
        broker.answer = lambda *_: json.dumps({"stream": "F", "seq": next(sequence)}).encode()
        self.assert_contract(messages=False)

    @both_modes
    def test_stream_full(self, fail_open):
        self.start_broker(stream=None)
        self.broker.create_stream("TEST", ["test.>"], max_msgs=5, discard="new")
        self.start_router(nats_fail_open_mode=fail_open)
        self.assert_outcomes(self.caller.publish_many("test.a", 5), outcomes.DELIVERED)
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, when_away(fail_open), answer)
        self.assertEqual(self.router.metric("router_nats_publish_failure_reasons_total",
                                            reason="broker_error"), 1)
        with self.broker.client() as client:
            jetstream.update_stream(client, "TEST", max_msgs=1000)
        self.assert_contract()

    @both_modes
    def test_message_too_large_for_the_stream(self, fail_open):
        self.start_broker(stream=None)
        self.broker.create_stream("TEST", ["test.>"], max_msg_size=1000)
        self.start_router(nats_fail_open_mode=fail_open)
        answer = self.caller.publish("test.a", payload=b"x" * 2000)
        self.assertEqual(answer.outcome, outcomes.REJECTED, answer)
        self.assertEqual(answer.error.code, grpc.StatusCode.FAILED_PRECONDITION)
        self.assertEqual(answer.error.reason, "BROKER_REFUSED")
        self.assertEqual(self.pending(), [])
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)
        self.assert_contract()

    @both_modes
    def test_message_over_max_payload(self, fail_open):
        self.start_broker(config={"max_payload": "4096"})
        self.start_router(nats_fail_open_mode=fail_open)
        wait_until(lambda: self.status().connection.max_payload_bytes == 4096,
                   "the broker's limit is known")
        answer = self.caller.publish("test.a", payload=b"x" * 4097)
        self.assertEqual(answer.outcome, outcomes.INVALID, answer)
        self.assertEqual(answer.error.reason, "PAYLOAD_TOO_LARGE")
        with_headers = self.caller.publish("test.a", payload=b"x" * 4000,
                                           headers={"k": "v" * 200})
        self.assertEqual(with_headers.error.reason, "PAYLOAD_TOO_LARGE")
        self.assertEqual(self.caller.publish("test.a", payload=b"x" * 3500).outcome,
                         outcomes.DELIVERED)
        self.lose_broker()
        answer = self.caller.publish("test.a", payload=b"x" * 4097)
        self.assertEqual(answer.error.reason, "PAYLOAD_TOO_LARGE", "the limit is remembered")
        self.bring_broker_back()
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 1,
                         "the broker never saw one that is too large")
        self.assert_contract()

    def test_limit_lowered_while_messages_are_queued(self):
        self.start()
        self.lose_broker()
        self.caller.publish("test.big", payload=b"x" * 8000)
        self.caller.publish("test.small")
        self.broker.config["max_payload"] = "4096"
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_nats_dead_letters_count"), 1)
        self.assertEqual(self.broker.message_count("TEST"), 1, "its key alone has the problem")
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 1)
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)

    def test_queued_message_without_a_stream_becomes_a_dead_letter(self):
        self.start()
        self.lose_broker()
        doomed = self.caller.publish("nobody.keeps.this")
        self.assertEqual(doomed.outcome, outcomes.QUEUED)
        self.caller.publish_many("test.a", 5)
        self.bring_broker_back()
        self.router.wait_drained(40)
        self.assertEqual(self.router.metric("router_nats_dead_letters_total",
                                            reason="no_stream"), 1)
        self.assertEqual(self.status().queue.dead_letters, 1)
        self.assert_contract(not_retried=1, purged=[doomed.record.message_id])

    @both_modes
    def test_publish_error_timeout(self, fail_open):
        broker = ScriptedBroker(lambda *_: None)
        self.addCleanup(broker.close)
        self.start_router([broker.url], nats_fail_open_mode=fail_open)
        begin = time.monotonic()
        answer = self.caller.publish("test.a")
        self.assertGreaterEqual(time.monotonic() - begin, 0.5)
        self.assertEqual(answer.outcome, when_away(fail_open), answer)
        self.assertEqual(self.router.metric("router_nats_publish_failure_reasons_total",
                                            reason="timeout"), 1)
        sequence = iter(range(1, 100))
        broker.answer = lambda *_: json.dumps({"stream": "F", "seq": next(sequence)}).encode()
        self.assert_contract(messages=False)

    @both_modes
    def test_publish_error_insufficient_resources(self, fail_open):
        # It carries a sequence beside the error, and is an error all the same.
        error = (b'{"error":{"code":503,"err_code":10023,"description":"insufficient resources"},'
                 b'"stream":"FAKE","seq":7}')
        broker = ScriptedBroker(lambda *_: error)
        self.addCleanup(broker.close)
        self.start_router([broker.url], nats_fail_open_mode=fail_open)
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, when_away(fail_open), answer)
        self.assertGreater(len(broker.published), 1, "retried inside the deadline")
        broker.answer = lambda *_: b'{"stream":"FAKE","seq":8}'
        self.assert_contract(messages=False)

    @both_modes
    def test_publish_error_permanent(self, fail_open):
        error = (b'{"error":{"code":400,"err_code":10071,'
                 b'"description":"wrong last sequence: 4"},"stream":"FAKE","seq":0}')
        broker = ScriptedBroker(lambda *_: error)
        self.addCleanup(broker.close)
        self.start_router([broker.url], nats_fail_open_mode=fail_open)
        answer = self.caller.publish("test.a")
        self.assertEqual(answer.outcome, outcomes.REJECTED, answer)
        self.assertEqual(answer.error.reason, "BROKER_REFUSED")
        self.assertIn("wrong last sequence", str(answer.error))
        self.assertEqual(len(broker.published), 1, "not retried")
        self.assert_contract(messages=False, probe=None)

    @both_modes
    def test_ack_errors_prove_nothing(self, fail_open):
        broker = ScriptedBroker(lambda *_: None)
        self.addCleanup(broker.close)
        self.start_router([broker.url], nats_fail_open_mode=fail_open, nats_ack_timeout_ms=200)
        for garbage in (b"", b"{}", b"not json", b'{"stream":"F","seq":0}', b'{"seq":3}',
                        b'{"stream":"F"}', b'{"stream":"F","seq":-1}', b'[1]'):
            with self.subTest(garbage=garbage):
                broker.answer = lambda *_, g=garbage: g
                answer = self.caller.publish(f"test.{len(broker.published)}")
                self.assertEqual(answer.outcome, when_away(fail_open), answer)
        sequence = iter(range(1, 1000))
        broker.answer = lambda *_: json.dumps({"stream": "F", "seq": next(sequence)}).encode()
        self.assert_contract(messages=False)

    def test_duplicate_is_a_success(self):
        self.start()
        first = self.caller.publish("test.a", message_id="the-same")
        with self.broker.client() as client:
            jetstream.call(client, "INFO")
            client.request("test.b", b"x", {"Nats-Msg-Id": "known-to-the-broker"})
        second = self.caller.publish("test.b", message_id="known-to-the-broker")
        self.assertEqual((first.outcome, first.record.duplicate), (outcomes.DELIVERED, False))
        self.assertEqual((second.outcome, second.record.duplicate), (outcomes.DELIVERED, True))
        self.assertEqual(second.record.sequence, 2)
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
