"""Work during a failure, and what happens when it is over."""

import threading
import unittest

from router.v1 import admin_pb2
from router.v1 import publisher_pb2

from harness import jetstream
from harness import oracle as outcomes
from harness.api import RECEIVED
from harness.fixture import RouterTestCase, both_modes
from harness.waiting import wait_until


def when_away(fail_open):
    return outcomes.DROPPED if fail_open else outcomes.QUEUED


class WorkDuringFailureTest(RouterTestCase):

    @both_modes
    def test_new_requests_arrive_while_down(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        self.lose_broker()
        threads = [threading.Thread(target=self.caller.publish_many, args=(f"test.t{i}", 40))
                   for i in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        self.assert_outcomes(self.caller.publish_batch(["test.b"] * 50), when_away(fail_open))
        self.assertEqual(self.oracle.outcomes(), {when_away(fail_open): 370})
        self.bring_broker_back()
        self.assert_contract()

    @both_modes
    def test_open_streams_go_on(self, fail_open):
        self.start(nats_fail_open_mode=fail_open)
        stream = self.caller.open_stream()
        stream.send("test.a", 30)
        stream.wait_answered()
        self.lose_broker()
        down = stream.send("test.a", 30)
        stream.wait_answered()
        self.assertEqual({r.outcome for r in down}, {when_away(fail_open)})
        self.bring_broker_back()
        self.router.wait_drained()
        up = stream.send("test.a", 30)
        stream.wait_answered()
        self.assertEqual({r.outcome for r in up}, {outcomes.DELIVERED})
        stream.finish()
        self.assert_contract()

    def test_watchers_see_the_outage_and_its_end(self):
        self.start()
        request = admin_pb2.WatchStatusRequest()
        request.interval.FromMilliseconds(100)
        watch = self.router.api.watch_status(request, timeout_s=30)
        states = []
        def read():
            for report in watch:
                state = admin_pb2.ConnectionState.Name(report.status.connection.state)
                if not states or states[-1] != state:
                    states.append(state)
        reader = threading.Thread(target=lambda: _ignore_cancel(read), daemon=True)
        reader.start()
        wait_until(lambda: states[-1:] == ["CONNECTION_STATE_CONNECTED"], "first report")
        self.broker.kill()
        wait_until(lambda: states[-1] != "CONNECTION_STATE_CONNECTED", "the outage is seen")
        self.bring_broker_back()
        wait_until(lambda: states[-1] == "CONNECTION_STATE_CONNECTED", "the end is seen")
        watch.cancel()
        reader.join(5)
        self.assertFalse(reader.is_alive())
        self.assert_contract()


def _ignore_cancel(function):
    try:
        function()
    except Exception:  # pylint: disable=broad-except
        pass


class RecoveryTest(RouterTestCase):

    def test_after_a_short_drop(self):
        self.start()
        stream = self.caller.open_stream()
        for i in range(3):
            stream.send("test.a", 100)
            self.reconnect(f"drop {i}")
            wait_until(lambda epoch=i + 2: self.status().connection.epoch == epoch,
                       "connected again")
        stream.wait_answered()
        stream.finish()
        self.assertEqual(self.oracle.count(outcomes.REJECTED, outcomes.DROPPED), 0)
        self.assert_contract()

    def test_after_a_long_one(self):
        self.start(nats_reconnect_attempts=3)
        self.lose_broker()
        self.caller.publish_many("test.a", 20)
        self.router.wait_for_metric("router_nats_reconnection_exhausted_total", 1)
        log = self.router.log
        wait_until(lambda: len(log.events("NATS_RECONNECT_FAILED")) >= 12,
                   "it goes on probing after the budget", 20)
        self.assertEqual(self.router.metric("router_nats_connection_status"), 0)
        self.caller.publish_many("test.a", 20)
        self.bring_broker_back()
        self.assertEqual(self.router.metric("router_nats_reconnection_exhausted_total"), 1,
                         "once per outage")
        self.assert_contract(events=("NATS_RECONNECTION_EXHAUSTED", "NATS_CONNECTION_RESTORED"))

    def test_retry_is_first_in_first_out(self):
        self.start()
        self.lose_broker()
        operations = []
        for i in range(100):
            answer = self.caller.publish(f"test.{i % 5}", key="one key for all")
            operations.append(answer.record.operation_id)
        self.assertEqual(operations, sorted(set(operations)))
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual([message_id for message_id, _ in self.stored()],
                         [r.message_id for r in self.oracle.records()])
        self.assert_contract()

    def test_live_traffic_never_overtakes_the_backlog_of_its_key(self):
        self.start()
        self.lose_broker()
        stream = self.caller.open_stream()
        for _ in range(10):
            stream.send("test.a", 300)
        stream.wait_answered()
        self.broker.start()
        def more():
            stream.send("test.a", 5)
            stream.send("test.other", 1)
            return self.router.metric("router_nats_pending_operations_count") == 0
        wait_until(more, "drained under live load", 20, poll_s=0.001)
        wait_until(lambda: stream.send("test.a") and stream.wait_answered() is None
                   and self.oracle.records()[-1].outcome == outcomes.DELIVERED,
                   "the key is back on the direct path")
        stream.finish()
        self.assert_contract()

    def test_keys_do_not_block_one_another(self):
        self.start_broker(stream=None)
        self.broker.create_stream("FULL", ["full.>"], max_msgs=1, discard="new")
        self.broker.create_stream("TEST", ["test.>"])
        self.start_router()
        self.caller.publish("full.a")
        blocked = self.caller.publish("full.a")
        self.assertEqual(blocked.outcome, outcomes.QUEUED)
        self.assert_outcomes(self.caller.publish_many("test.a", 20), outcomes.DELIVERED)
        self.lose_broker()
        self.assert_outcomes(self.caller.publish_many("test.a", 20), outcomes.QUEUED)
        self.bring_broker_back()
        self.router.wait_for_metric("router_nats_pending_operations_count", 1)
        self.assertEqual(self.broker.message_count("TEST"), 40)
        purge = admin_pb2.PurgePendingOperationsRequest(filter="*", reason="test", force=True)
        wait_until(lambda: self.router.api.PurgePendingOperations(purge).purge_count == 1,
                   "the blocked one is purged")
        self.router.wait_drained()
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)


class MessageIdsTest(RouterTestCase):

    def test_fail_open_answers_are_never_mistaken_for_real_ones(self):
        self.start(nats_fail_open_mode=True)
        self.lose_broker()
        for guarantee in (None, RECEIVED):
            fields = {"guarantee": guarantee} if guarantee else {}
            answer = self.caller.publish("test.a", message_id=f"my-own-{guarantee}", **fields)
            self.assertEqual(answer.outcome, outcomes.DROPPED)
            record = answer.record
            self.assertEqual((record.stream, record.sequence, record.operation_id,
                              record.duplicate), ("", 0, 0, False))
        dropped = self.router.log.wait_for_event("NATS_FAIL_OPEN_DROPPED")
        self.assertEqual(dropped["message_id"], "my-own-None")
        self.bring_broker_back()
        self.assert_contract()

    def test_no_duplicate_after_a_retry(self):
        self.start()
        self.lose_broker()
        first = self.caller.publish("test.a", message_id="asked-twice", payload=b"same")
        self.assertEqual(first.outcome, outcomes.QUEUED)
        again = self.resend("asked-twice", b"same")
        self.assertEqual(again.operation_id, first.record.operation_id, "the same answer")
        self.assertEqual(len(self.pending()), 1)
        self.bring_broker_back()
        self.router.wait_drained()
        late = self.resend("asked-twice", b"same")
        self.assertEqual(late.outcome, 1, "DELIVERED")
        self.assertEqual(self.broker.message_count("TEST"), 1)

    def test_the_same_id_with_another_payload_is_a_conflict(self):
        self.start()
        self.lose_broker()
        self.caller.publish("test.a", message_id="taken", payload=b"one")
        with self.assertRaises(Exception) as caught:
            self.resend("taken", b"another")
        self.assertEqual(caught.exception.reason, "MESSAGE_ID_CONFLICT")
        self.assertEqual(caught.exception.code.name, "ALREADY_EXISTS")
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("TEST"), 1)

    def test_ids_of_queued_messages_are_known_after_a_restart(self):
        self.start()
        self.lose_broker()
        self.caller.publish("test.a")
        first = self.caller.publish("test.a", message_id="asked-twice", payload=b"same")
        self.assertEqual(first.outcome, outcomes.QUEUED)
        self.router.kill()
        self.restart_router(connected=False)
        again = self.resend("asked-twice", b"same")
        self.assertEqual(again.operation_id, first.record.operation_id, "the same answer")
        with self.assertRaises(Exception) as caught:
            self.resend("asked-twice", b"another")
        self.assertEqual(caught.exception.reason, "MESSAGE_ID_CONFLICT")
        self.assertEqual(len(self.pending()), 2)
        self.bring_broker_back()
        self.router.wait_drained()
        late = self.resend("asked-twice", b"same")
        self.assertEqual(late.outcome, 1, "DELIVERED")
        self.assertEqual(self.broker.message_count("TEST"), 2)

    def resend(self, message_id, payload):
        request = publisher_pb2.PublishRequest()
        request.message.subject = "test.a"
        request.message.payload = payload
        request.message.message_id = message_id
        return self.router.api.Publish(request).result

    def test_ids_made_by_the_router_are_unique_per_operation(self):
        self.start()
        request = publisher_pb2.PublishBatchRequest()
        for _ in range(500):
            request.messages.add(subject="test.a", payload=b"x")
        ids = [r.message_id for _ in range(2)
               for r in self.router.api.PublishBatch(request).results]
        self.assertEqual(len(set(ids)), 1000)
        self.assertTrue(all(0 < len(i) <= 128 and i.isprintable() for i in ids))
        self.assertEqual({m.message_id for m in self.broker.dump("TEST")}, set(ids))


if __name__ == "__main__":
    unittest.main()
