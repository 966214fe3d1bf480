"""Dead letters: how messages become one, and what an operator does with them."""

import contextlib
import threading
import unittest
from http.client import HTTPException

import grpc
from router.v1 import admin_pb2

from harness import jetstream
from harness import oracle as outcomes
from harness.api import RouterError
from harness.fixture import RouterTestCase
from harness.proxy import TcpProxy
from harness.waiting import wait_until

UNACCOUNTED = "router_messages_unaccounted"


class DeadLetterTestCase(RouterTestCase):

    def list(self, **fields):
        request = admin_pb2.ListDeadLettersRequest(**fields)
        return list(self.router.api.ListDeadLetters(request).dead_letters)

    def redrive(self, filter="*", **fields):
        return self.router.api.RedriveDeadLetters(admin_pb2.RedriveDeadLettersRequest(
            filter=filter, reason="test", **fields))

    def purge(self, filter="*", **fields):
        return self.router.api.PurgeDeadLetters(admin_pb2.PurgeDeadLettersRequest(
            filter=filter, reason="test", **fields))

    def audit(self, event_id):
        request = admin_pb2.ListAuditEventsRequest(filter=f"id = {event_id}")
        return self.router.api.ListAuditEvents(request).events[0]

    def pause(self):
        self.router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="test"))

    def resume(self):
        self.router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="test"))

    def wait_dead(self, count, deadline_s=20):
        self.router.wait_for_metric("router_nats_dead_letters_count", count, deadline_s)

    def bury(self, count, subject="nobody.takes.this", **fields):
        """Queued, and refused because no stream takes the subject. Needs pending_attempts_max=1."""
        before = self.status().queue.dead_letters
        self.pause()
        answers = self.caller.publish_many(subject, count, **fields)
        self.assert_outcomes(answers, outcomes.QUEUED)
        self.resume()
        self.wait_dead(before + count)
        return answers

    @contextlib.contextmanager
    def nothing_unaccounted(self):
        """Asks all the time, as fast as it gets answers."""
        found = []
        done = threading.Event()
        router = self.router

        def watch():
            while not done.is_set():
                with contextlib.suppress(OSError, HTTPException):  # It is being restarted.
                    found.append(router.metric(UNACCOUNTED))

        thread = threading.Thread(target=watch)
        thread.start()
        try:
            yield
            enough = len(found) + 3
            wait_until(lambda: len(found) >= enough, "it was asked at the end too")
        finally:
            done.set()
            thread.join()
        self.assertEqual(set(found), {0}, f"unaccounted in {len(found)} scrapes")


class HowMessagesDieTest(DeadLetterTestCase):

    def test_stream_deleted_and_made_again(self):
        """Nothing is lost: delivered in order, with the same ids, over a restart in between."""
        self.start(pending_attempts_max=2)
        with self.nothing_unaccounted():
            self.pause()
            answers = []
            for _ in range(10):
                for key in range(3):
                    answers.append(self.caller.publish(f"test.{key}", key=f"key {key}"))
            self.assert_outcomes(answers, outcomes.QUEUED)
            with self.broker.client() as client:
                jetstream.delete_stream(client, "TEST")
            self.resume()
            self.wait_dead(30)
            self.assertEqual(self.router.metric("router_nats_dead_letters_total",
                                                reason="no_stream"), 30)
            self.check_dead_letters(answers)
            self.router.kill()
            self.restart_router()
            self.check_dead_letters(answers)
            self.broker.create_stream("TEST", ["test.>"])
            answer = self.redrive()
            self.assertEqual((answer.redriven_count, answer.remaining_count), (30, 0))
            event = self.audit(answer.audit_event_id)
            self.assertEqual(event.method, "RedriveDeadLetters")
            self.assertIn("30 → 0 dead letters", event.detail)
            self.router.wait_drained()
        self.assertEqual(self.list(), [])
        self.assertEqual(self.status().totals.redriven, 30)
        self.assertEqual(self.router.metric("router_nats_dead_letters_count"), 0)
        self.assert_contract(recovered=30)

    def check_dead_letters(self, answers):
        dead_letters = self.list(view=admin_pb2.DEAD_LETTER_VIEW_FULL)
        self.assertEqual(sorted(d.operation_id for d in dead_letters),
                         sorted(a.record.operation_id for a in answers))
        by_id = {d.message_id: d for d in dead_letters}
        for answer in answers:
            dead_letter = by_id[answer.record.message_id]
            self.assertEqual(dead_letter.reason, "no_stream")
            self.assertEqual(dead_letter.attempts, 2)
            self.assertTrue(dead_letter.first_error)
            self.assertTrue(dead_letter.last_error)
            self.assertIn(answer.record.message_id.encode(), dead_letter.payload)
            self.assertGreaterEqual(dead_letter.dead_time.ToMilliseconds(),
                                    dead_letter.accept_time.ToMilliseconds())
        queue = self.status().queue
        self.assertEqual((queue.count, queue.dead_letters), (0, 30))
        self.assertEqual(dict(queue.dead_letters_by_reason), {"no_stream": 30})
        self.assertEqual(queue.dead_letter_bytes, sum(d.size_bytes for d in dead_letters))

    def test_ttl_passes_while_the_broker_is_away(self):
        self.start()
        self.lose_broker()
        with self.nothing_unaccounted():
            expiring = self.caller.publish_many("test.a", 20, ttl_s=0.3)
            staying = self.caller.publish_many("test.a", 5, ttl_s=3600)
            staying += self.caller.publish_many("test.b", 5)
            self.assert_outcomes(expiring + staying, outcomes.QUEUED)
            self.wait_dead(20)
            self.assertEqual(self.router.metric("router_nats_dead_letters_total",
                                                reason="expired"), 20)
            self.assertEqual([o.message_id for o in self.pending()],
                             [a.record.message_id for a in staying])
            self.assertEqual({(d.reason, d.attempts) for d in self.list()}, {("expired", 0)})
            self.bring_broker_back()
            self.router.wait_drained()
            self.assertEqual(self.redrive().redriven_count, 20)
            self.router.wait_drained()
        # Their ttl has passed, and they are delivered all the same: behind the others of their key.
        stored = [message_id for message_id, _ in self.stored()]
        self.assertEqual(stored, [a.record.message_id for a in staying + expiring])
        self.assertEqual(self.list(), [])

    def test_ttl_passes_behind_a_blocked_head(self):
        self.start_full_stream()
        head = self.caller.publish("full.a")
        expiring = self.caller.publish_many("full.a", 3, ttl_s=0.5)
        staying = self.caller.publish("full.a")
        self.wait_dead(3)
        self.assertEqual([o.message_id for o in self.pending()],
                         [head.record.message_id, staying.record.message_id])
        self.assertEqual([d.message_id for d in self.list()],
                         [a.record.message_id for a in expiring])

    def start_full_stream(self, **settings):
        """A stream FULL that refuses everything for the moment, beside TEST."""
        self.start_broker()
        self.broker.create_stream("FULL", ["full.>"], max_msgs=1, discard="new")
        self.start_router(**settings)
        self.caller.publish("full.first")

    def test_too_many_attempts(self):
        """The key of a message that is given up goes on, and no other key is held up."""
        self.start_full_stream(pending_attempts_max=3)
        with self.nothing_unaccounted():
            doomed = self.caller.publish_many("full.a", 2)
            self.assert_outcomes(doomed, outcomes.QUEUED)
            self.assert_outcomes(self.caller.publish_many("test.a", 5), outcomes.DELIVERED)
            self.wait_dead(2)
            for dead_letter in self.list():
                self.assertEqual((dead_letter.reason, dead_letter.attempts), ("attempts", 3))
                self.assertIn("maximum messages", dead_letter.last_error)
            with self.broker.client() as client:
                jetstream.update_stream(client, "FULL", max_msgs=100)
            self.assert_outcomes([self.caller.publish("full.a")], outcomes.DELIVERED)
            self.redrive()
            self.router.wait_drained()
        self.assertEqual(self.broker.message_count("FULL"), 4)

    def test_lost_connections_are_no_attempts(self):
        """The connection ends three times while queued messages are on their way."""
        self.start_broker()
        proxy = TcpProxy(self.broker.port)
        self.addCleanup(proxy.close)
        # Their deadlines are far away: nothing but the end of the connection ends an attempt.
        self.start_router([proxy.url], pending_attempts_max=1, nats_ack_timeout_ms=60000,
                          nats_ping_interval_ms=30000)
        self.pause()
        self.caller.publish_many("test.a", 10)
        for _ in range(3):
            proxy.set(to_client="drop")
            self.resume()
            wait_until(lambda: any(o.in_flight for o in self.pending()), "they are on their way")
            self.pause()
            proxy.heal()
            proxy.break_connections()
            wait_until(lambda: not any(o.in_flight for o in self.pending()),
                       "they are on their way no more")
            self.router.wait_connected()
            self.assertEqual(self.status().queue.count, 10)
        self.resume()
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_nats_dead_letters_count"), 0)
        self.assert_contract()

    def test_dropped_messages_are_kept_where_the_setting_says_so(self):
        self.start(nats_max_pending_operations=10, pending_full_policy="drop_oldest",
                   pending_keep_dropped=True)
        self.lose_broker()
        with self.nothing_unaccounted():
            answers = self.caller.publish_many("test.a", 25)
            self.assert_outcomes(answers, outcomes.QUEUED)
            self.wait_dead(15)
            self.assertEqual(self.router.metric("router_nats_pending_operations_dropped_total"), 15)
            self.assertEqual(self.router.metric("router_nats_dead_letters_total",
                                                reason="dropped_oldest"), 15)
            self.assertEqual([d.message_id for d in self.list(filter="reason = dropped_oldest")],
                             [a.record.message_id for a in answers[:15]])
            with self.assertRaises(RouterError) as refused:
                self.redrive()
            self.assertEqual(refused.exception.reason, "PENDING_QUEUE_FULL")
            self.bring_broker_back()
            self.router.wait_drained()
            while self.list():
                self.redrive()
                self.router.wait_drained()
        self.assertEqual(sorted(message_id for message_id, _ in self.stored()),
                         sorted(a.record.message_id for a in answers))


class OperatorTest(DeadLetterTestCase):

    def setUp(self):
        super().setUp()
        self.start(pending_attempts_max=1, redrive_rate_per_second=1000)

    def test_lists_gets_and_filters(self):
        answers = self.bury(5, headers={"h": "v"})
        self.bury(2, subject="nobody.else")
        answer = self.router.api.ListDeadLetters(admin_pb2.ListDeadLettersRequest(page_size=3))
        self.assertEqual(len(answer.dead_letters), 3)
        rest = self.router.api.ListDeadLetters(admin_pb2.ListDeadLettersRequest(
            page_size=10, page_token=answer.next_page_token))
        self.assertEqual((len(rest.dead_letters), rest.next_page_token), (4, ""))
        self.assertEqual(len(self.list(filter="subject = nobody.else AND reason = no_stream")), 2)
        self.assertEqual(len(self.list(filter="attempts > 1")), 0)
        with self.assertRaises(RouterError) as wrong:
            self.list(filter="reason = sadness")
        self.assertEqual(wrong.exception.reason, "FILTER_INVALID")
        operation_id = answers[0].record.operation_id
        basic = self.get(operation_id)
        self.assertEqual((basic.payload, dict(basic.headers)), (b"", {}))
        full = self.get(operation_id, admin_pb2.DEAD_LETTER_VIEW_FULL)
        self.assertEqual(dict(full.headers), {"h": "v"})
        self.assertIn(answers[0].record.message_id.encode(), full.payload)
        with self.assertRaises(RouterError) as missing:
            self.get(999)
        self.assertEqual(missing.exception.code, grpc.StatusCode.NOT_FOUND)
        self.assertEqual(missing.exception.reason, "DEAD_LETTER_NOT_FOUND")

    def get(self, operation_id, view=admin_pb2.DEAD_LETTER_VIEW_BASIC):
        return self.router.api.GetDeadLetter(admin_pb2.GetDeadLetterRequest(
            operation_id=operation_id, view=view)).dead_letter

    def test_purges_with_force_only(self):
        self.bury(15)
        self.bury(1, subject="nobody.else")
        with self.nothing_unaccounted():
            look = self.purge("subject = nobody.takes.this")
            self.assertEqual((look.purge_count, len(look.sample), look.audit_event_id), (15, 10, ""))
            check = self.purge("*", force=True, validate_only=True)
            self.assertEqual((check.purge_count, check.audit_event_id), (16, ""))
            with self.assertRaises(RouterError) as no_filter:
                self.purge("", force=True)
            self.assertEqual(no_filter.exception.reason, "FILTER_REQUIRED")
            self.assertEqual(self.status().queue.dead_letters, 16)
            done = self.purge("subject = nobody.takes.this", force=True)
            self.assertEqual((done.purge_count, len(done.sample)), (15, 0))
            self.wait_dead(1)
        event = self.audit(done.audit_event_id)
        self.assertIn("16 → 1 dead letters", event.detail)
        self.assertEqual((event.reason, event.outcome), ("test", "OK"))
        self.assertEqual(self.status().totals.purged_dead_letters, 15)

    def test_redrives_some(self):
        answers = self.bury(10)
        self.broker.create_stream("LATE", ["nobody.>"])
        check = self.redrive(validate_only=True)
        self.assertEqual((check.redriven_count, len(check.sample), check.audit_event_id),
                         (10, 10, ""))
        first = self.redrive(limit=4)
        self.assertEqual((first.redriven_count, first.remaining_count), (4, 6))
        second = self.redrive(filter=f"operation_id = {answers[9].record.operation_id}")
        self.assertEqual((second.redriven_count, second.remaining_count), (1, 0))
        self.router.wait_drained()
        nothing = self.redrive(filter="reason = expired")
        self.assertEqual((nothing.redriven_count, nothing.remaining_count), (0, 0))
        self.assertEqual(len(self.list()), 5)
        kept = [message_id for message_id, _ in self.stored("LATE")]
        self.assertEqual(kept, [a.record.message_id for a in answers[:4] + answers[9:]])

    def test_what_fails_again_is_a_dead_letter_again(self):
        answers = self.bury(3)
        with self.nothing_unaccounted():
            self.assertEqual(self.redrive().redriven_count, 3)
            wait_until(lambda: self.status().totals.dead_lettered == 6, "they failed again")
        dead_letters = self.list()
        self.assertEqual([d.message_id for d in dead_letters],
                         [a.record.message_id for a in answers])
        self.assertGreater(dead_letters[0].operation_id, answers[2].record.operation_id)


class LimitsTest(DeadLetterTestCase):

    def test_redrives_are_limited_in_rate(self):
        self.start(pending_attempts_max=1, redrive_rate_per_second=2)
        self.bury(40)
        self.pause()
        moved = 0
        with self.assertRaises(RouterError) as too_soon:
            for _ in range(40):
                answer = self.redrive()
                moved += answer.redriven_count
                self.assertEqual(answer.remaining_count, 40 - moved)
        self.assertEqual(too_soon.exception.code, grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.assertEqual(too_soon.exception.reason, "REDRIVE_RATE_LIMITED")
        self.assertGreater(too_soon.exception.retry_delay_s, 0)
        self.assertLessEqual(too_soon.exception.retry_delay_s, 1)
        self.assertGreaterEqual(moved, 2)
        wait_until(lambda: self.moved_now() > 0, "the rate allows more")

    def moved_now(self):
        try:
            return self.redrive().redriven_count
        except RouterError:
            return 0

    def test_dead_letters_count_for_the_limit_in_bytes(self):
        self.start(pending_attempts_max=1, pending_max_bytes=100_000)
        self.bury(3, payload=b"x" * 30_000)
        self.lose_broker()
        full = self.caller.publish("test.a", payload=b"x" * 30_000)
        self.assertEqual(full.error.reason, "PENDING_QUEUE_FULL")
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.purge(force=True)
        self.assertEqual(self.caller.publish("test.a", payload=b"x" * 30_000).outcome,
                         outcomes.QUEUED)
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.router.metric(UNACCOUNTED), 0)


if __name__ == "__main__":
    unittest.main()
