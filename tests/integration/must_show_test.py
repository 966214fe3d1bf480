"""The promises of the README, end to end."""

import subprocess
import time
import unittest

from router.v1 import admin_pb2
from router.v1 import publisher_pb2

from harness import jetstream
from harness import oracle as outcomes
from harness.fixture import RouterTestCase
from harness.names import CONTRACT_METRICS, OBJECTIONABLE_METRICS
from harness.waiting import wait_until


class MustShowTest(RouterTestCase):

    def test_publish_is_stored_where_the_answer_says(self):
        self.start_broker(stream=None)
        self.broker.create_stream("DEMO", ["demo.>"])
        self.start_router()
        request = publisher_pb2.PublishRequest()
        request.message.subject = "demo.hello"
        request.message.payload = b"hi"
        request.message.headers["trace"] = "t1"
        result = self.router.api.Publish(request).result
        self.assertEqual(result.outcome, 1)
        self.assertEqual((result.stream, result.sequence), ("DEMO", 1))
        with self.broker.client() as client:
            message = jetstream.get_message(client, "DEMO", 1)
        self.assertEqual((message.subject, message.payload), ("demo.hello", b"hi"))
        self.assertEqual(message.headers["trace"], "t1")
        self.assertEqual(message.message_id, result.message_id)

    def test_ten_thousand_through_a_stream_while_the_broker_is_killed(self):
        self.start()
        stream = self.caller.open_stream()
        for i in range(100):
            stream.send("test.a", 100)
            if i == 30:
                stream.wait_answered(at_least=1000)
                self.broker.kill()
            if i == 70:
                self.router.wait_not_connected()
                self.broker.start()
        stream.wait_answered()
        stream.finish()
        found = self.oracle.outcomes()
        self.assertEqual(set(found), {outcomes.DELIVERED, outcomes.QUEUED})
        self.assertEqual(sum(found.values()), 10_000)
        self.router.wait_connected()
        self.router.wait_drained()
        self.assertEqual([i for i, _ in self.stored()],
                         [r.message_id for r in self.oracle.records()],
                         "exactly once, in order")
        self.assert_contract()

    def test_queued_messages_survive_a_killed_router(self):
        self.start()
        self.lose_broker()
        answers = self.caller.publish_many("test.a", 50)
        self.assert_outcomes(answers, outcomes.QUEUED)
        times = sorted(a.elapsed_s for a in answers)
        self.assertLess(times[len(times) // 2], 0.05, times)
        listed = self.pending()
        self.assertEqual([o.message_id for o in listed], [a.record.message_id for a in answers])
        self.router.kill()
        self.restart_router(connected=False)
        self.assertEqual([o.message_id for o in self.pending()],
                         [a.record.message_id for a in answers])
        self.broker.start()
        self.router.wait_connected()
        self.assert_contract(recovered=50)

    def test_fail_open_with_a_time_limit_ends_by_itself(self):
        self.start()
        self.lose_broker()
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        request = admin_pb2.SetFailOpenModeRequest(enabled=True, reason="maintenance")
        request.ttl.FromSeconds(2)
        begin = time.monotonic()
        mode = self.router.api.SetFailOpenMode(request).mode
        self.assertTrue(mode.enabled)
        self.assertEqual(mode.reason, "maintenance")
        self.assertAlmostEqual(mode.expire_time.ToMilliseconds() / 1000, time.time() + 2, delta=1)
        self.assertEqual(self.caller.publish("test.b").outcome, outcomes.DROPPED)
        metrics = self.router.metrics()
        self.assertEqual(metrics.value("router_nats_publish_outcomes_total",
                                       outcome="dropped_fail_open"), 1)
        self.assertEqual(metrics.value("router_nats_fail_open_enabled"), 1)
        self.assertGreater(metrics.value("router_nats_fail_open_expire_timestamp_seconds"),
                           time.time())
        answers = []
        def queued_again():
            answers.append(self.caller.publish("test.c").outcome)
            return answers[-1] == outcomes.QUEUED
        wait_until(queued_again, "the mode ends by itself", 6, poll_s=0.05)
        self.assertTrue(1.8 < time.monotonic() - begin < 4)
        self.assertEqual(self.router.metric("router_nats_fail_open_enabled"), 0)
        self.router.log.wait_for_event("NATS_FAIL_OPEN_DISABLED")
        self.bring_broker_back()
        self.assert_contract(events=("NATS_FAIL_OPEN_ENABLED", "NATS_FAIL_OPEN_DROPPED",
                                     "NATS_FAIL_OPEN_DISABLED"))

    def test_metrics_are_all_there_before_any_traffic(self):
        self.start_router([f"nats://127.0.0.1:{1}"], connected=False)
        metrics = self.router.metrics()
        self.assertTrue(metrics.content_type.startswith("text/plain"), metrics.content_type)
        self.assertIn("version=0.0.4", metrics.content_type)
        for name, kind in CONTRACT_METRICS.items():
            with self.subTest(name=name):
                self.assertEqual(metrics.types.get(name), kind)
        zero = [n for n, kind in CONTRACT_METRICS.items()
                if kind == "counter" and "connection" not in n and "reconnect" not in n
                and not n.startswith("router_grpc")]
        for name in zero:
            self.assertTrue(metrics.series(name), f"{name} has a series")
            self.assertEqual(set(metrics.series(name).values()), {0}, name)
        self.assertEqual(len(metrics.series("router_nats_connection_status")), 1)
        outcome_labels = {dict(k)["outcome"]
                          for k in metrics.series("router_nats_publish_outcomes_total")}
        self.assertEqual(outcome_labels, {"delivered", "queued", "dropped_fail_open", "rejected"})

    def test_promtool_objects_to_the_names_that_had_to_be_kept_only(self):
        self.start()
        self.caller.publish_many("test.a", 3)
        checked = subprocess.run(["promtool", "check", "metrics"], text=True, check=False,
                                 input=self.router.metrics().text, capture_output=True)
        objections = [line for line in (checked.stdout + checked.stderr).splitlines() if line]
        self.assertEqual({line.split(" ")[0] for line in objections}, OBJECTIONABLE_METRICS,
                         objections)

    def test_no_label_carries_what_a_caller_makes_up(self):
        self.start()
        self.caller.publish("test.secret-subject", message_id="secret-id", key="secret-key")
        self.caller.publish("bad..secret-subject")
        self.assertNotIn("secret", self.router.metrics().text)


if __name__ == "__main__":
    unittest.main()
