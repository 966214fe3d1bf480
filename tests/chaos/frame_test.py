"""The oracle and the report, on what is known."""

import http.client
import os
import tempfile
import unittest
from unittest import mock

from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.api import Api
from harness.metrics import Metrics
from harness.waiting import wait_until

from frame import history, monitor, preload, report
from frame.catalog import all_scenarios
from frame.history import (DELIVERED, DROPPED, QUEUED, REJECTED, UNKNOWN, AnsweredTwice,
                           ClientHistory)
from frame.load import BatchClient, Load
from frame.monitor import Monitor, Sample, slope_per_minute
from frame.runner import run_one
from frame.scenario import Run, Scenario, Skipped


class OracleTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.client = ClientHistory("c", 2, folder.name)
        self.addCleanup(self.client.close)
        self.client.invoke(6)

    def check(self, *stored):
        return dict(history.check([self.client], stored, contiguous=True).counts)

    def test_what_was_told_and_is_there_is_fine(self):
        self.client.result(range(0, 6), DELIVERED, first_sequence=1)
        self.assertEqual(self.check("c-0", "c-1", "c-2", "c-3", "c-4", "c-5"), {})

    def test_accepted_and_absent_is_lost(self):
        self.client.result([0, 1], DELIVERED)
        self.client.result([2], QUEUED)
        self.assertEqual(self.check("c-1"), {"lost": 2})

    def test_stored_twice_or_more_is_one_duplicate(self):
        self.client.result([0], DELIVERED)
        self.assertEqual(self.check("c-0", "c-0", "c-0"), {"duplicates": 1})

    def test_order_holds_within_a_key_only(self):
        self.client.result(range(0, 6), QUEUED)
        self.assertEqual(self.check("c-1", "c-0", "c-2", "c-3", "c-4", "c-5"), {})
        self.assertEqual(self.check("c-2", "c-0", "c-1", "c-3", "c-4", "c-5"), {"reordered": 1})

    def test_a_duplicate_is_no_inversion(self):
        self.client.result([0, 2, 4], QUEUED)
        self.assertEqual(self.check("c-0", "c-2", "c-0", "c-4"), {"duplicates": 1})

    def test_without_an_answer_both_are_fine_and_order_is_free(self):
        self.client.result([4], DELIVERED)
        self.assertEqual(self.check("c-4", "c-2"), {"unanswered": 1})

    def test_refused_or_dropped_and_stored_is_a_phantom(self):
        self.client.result([0], REJECTED)
        self.client.result([1], DROPPED)
        self.assertEqual(self.check("c-0", "c-1"), {"phantom": 2})

    def test_nobodys_message_is_foreign(self):
        self.assertEqual(self.check("d-0", "c-6", "c-x", "c"), {"foreign": 4})

    def test_another_sequence_than_was_told_is_misplaced(self):
        self.client.result([0], DELIVERED, first_sequence=7)
        self.assertEqual(self.check("c-0"), {"misplaced": 1})

    def test_unanswered_is_a_violation_only_where_it_is_asked_for(self):
        findings = history.check([self.client], ["c-0"], True)
        self.assertEqual(findings.violations(), [])
        self.assertEqual(findings.violations(ignore=()), ["unanswered 1, first c-0"])


    def test_a_second_answer_is_an_error(self):
        self.client.result([0, 1], QUEUED)
        with self.assertRaisesRegex(AnsweredTwice, "c-1 was told QUEUED, and now REJECTED"):
            self.client.result([2, 1], REJECTED)

    def test_refused_when_it_was_sent_again_says_nothing_of_the_first_attempt(self):
        self.client.send_again([0, 1, 2])
        self.client.result([0], REJECTED)
        self.client.result([1], DROPPED)
        self.client.result([2], QUEUED)
        self.assertEqual(list(self.client.told[:3]), [UNKNOWN, UNKNOWN, QUEUED])
        self.assertEqual(self.check("c-0", "c-2"), {"unanswered": 1})

    def test_what_was_overtaken_is_not_sent_again(self):
        self.client.result([2], QUEUED)     # The key of 0 and 4.
        self.client.result([3], REJECTED)   # The key of 1 and 5.
        self.assertEqual(self.client.repeatable([5, 0, 1, 2, 3, 4]), [1, 4, 5])


class _Answers(list):
    """A call."""

    cancel = mock.Mock()


class ClientTest(unittest.TestCase):
    """What a client sees that must not be is not its own affair."""

    def problem_of_stream(self, responses):
        """Of a client whose streams are answered like this."""
        with mock.patch.object(Api, "publish_stream", side_effect=responses):
            return self.problem(streams=1, batches=0, unary=0)

    def problem_of_call(self, answer):
        """Of a client whose calls end like this."""
        with mock.patch.object(BatchClient, "_publish", side_effect=answer):
            return self.problem(streams=0, batches=0, unary=1)

    @staticmethod
    def problem(**clients):
        with tempfile.TemporaryDirectory() as folder:
            load = Load("127.0.0.1:1", folder, **clients)
            load.start()
            client = load.clients[0]
            wait_until(lambda: client.problem, "the client has ended")
            load.stop()
            return load.problems[0]

    def test_an_error_of_its_thread_is_a_problem(self):
        self.assertIn("client u0 broke off: KeyError('x')", self.problem_of_call(KeyError("x")))

    def test_a_missing_result_is_a_problem(self):
        self.assertIn("one result for each message", self.problem_of_call(lambda numbers: []))

    def test_a_stream_that_ends_well_without_all_answers_is_a_problem(self):
        def one_frame(frames, *_, **__):
            next(frames)
            return _Answers()
        self.assertIn("client s0 broke off", self.problem_of_stream(one_frame))
        self.assertIn("ends well with 0 of", self.problem_of_stream(one_frame))

    def test_an_answer_for_what_was_not_sent_is_a_problem(self):
        def too_many(frames, *_, **__):
            last = len(next(frames).messages) + 1
            response = publisher_pb2.PublishStreamResponse()
            response.ranges.add(first=1, last=last,
                                outcome=message_pb2.PUBLISH_OUTCOME_QUEUED)
            return _Answers([response])
        self.assertIn("what was not sent", self.problem_of_stream(too_many))


class PreloadTest(unittest.TestCase):

    def test_knows_a_binary_with_a_sanitizer(self):
        with tempfile.TemporaryDirectory() as folder:
            for content, found in ((b"\x7fELF main", False), (b"\x7fELF __asan_init", True),
                                   (b"\x7fELF __tsan_init", True)):
                path = os.path.join(folder, "binary")
                with open(path, "wb") as f:
                    f.write(content)
                self.assertEqual(preload.has_sanitizer(path), found, content)


class _Scenario(Scenario):
    """What is in `does` is its run."""

    name = "one"
    does = None

    def run(self, run):
        type(self).does(run)


class RunTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def run_of(self, does, duration_s=60.0):
        return run_one(type("One", (_Scenario,), {"does": staticmethod(does)}), duration_s, 1,
                       self.folder)

    def test_time_for_faults_begins_when_it_is_said(self):
        run = Run("one", 60.0, 1, self.folder)
        run.begin_faults()
        begun = run.elapsed_s
        run.begin_faults()
        self.assertGreaterEqual(run.elapsed_s, begun)
        self.assertLess(run.elapsed_s, run.lasted_s)
        self.assertTrue(run.going())

    def test_too_few_faults_are_a_violation(self):
        def does(run):
            run.at_least("kills", 3)
            run.at_least("stops", 1, per_minute=4)
            run.figures.update(kills=2, stops=8)
        self.assertEqual(self.run_of(does).violations, ["too little was tested: kills 2, not 3"])
        self.assertEqual(self.run_of(does, 180.0).violations,
                         ["too little was tested: kills 2, not 3",
                          "too little was tested: stops 8, not 12"])

    def test_an_error_in_a_thread_is_a_violation(self):
        def breaks():
            raise KeyError("x")
        run = self.run_of(lambda run: run.start_thread(breaks).join())
        self.assertEqual(run.violations, ["breaks broke off: KeyError('x')"])

    def test_skipped_is_neither_held_nor_failed(self):
        def does(run):
            raise Skipped("no disk")
        result = self.run_of(does).result()
        self.assertEqual(result["violations"], [])
        self.assertIn("one: skipped in 0 s: no disk", report.line("one", result))
        self.assertEqual(report.verdict({"one": result}, 1, {}), "one: skipped: no disk\nall held")


class MonitorTest(unittest.TestCase):

    GOOD = Metrics("".join(f"{name} 0\n" for name in (
        "router_messages_unaccounted", "router_nats_pending_operations_count",
        "process_resident_memory_bytes", "process_open_fds")))

    def setUp(self):
        self.violations = []
        self.monitor = Monitor(mock.Mock(), self.violations.append, every_s=0.001)

    def scrapes(self, *answers):
        with mock.patch.object(monitor, "scrape", side_effect=answers):
            return [self.monitor.sample() for _ in answers]

    def test_a_router_may_end_in_the_middle_of_a_scrape(self):
        self.assertEqual(self.scrapes(ConnectionRefusedError(), http.client.IncompleteRead(b""),
                                      self.GOOD), [False, False, True])
        self.assertEqual(self.violations, [])

    def test_a_scrape_that_cannot_be_read_is_a_violation(self):
        self.scrapes(Metrics("a 1\n"), Metrics("a 1\n"), AssertionError("not a sample"))
        self.assertEqual(len(self.violations), 2, self.violations)

    def test_books_that_do_not_balance_are_a_violation(self):
        self.scrapes(Metrics("router_messages_unaccounted 2\n"))
        self.assertIn("router_messages_unaccounted is 2", self.violations)

    def test_too_few_scrapes_are_a_violation(self):
        with mock.patch.object(monitor, "scrape", side_effect=ConnectionRefusedError()):
            with mock.patch.object(monitor.time, "monotonic", side_effect=[0.0, 8.0]):
                self.monitor.start().stop()
        self.assertEqual(self.violations, ["the router was not watched: 0 scrapes in 8 s"])


class SlopeTest(unittest.TestCase):

    def test_is_per_minute(self):
        samples = [Sample(t, 100 + 2 * t, 0, 0) for t in range(10)]
        self.assertAlmostEqual(slope_per_minute(samples, lambda s: s.rss_kib), 120)
        self.assertEqual(slope_per_minute(samples[:1], lambda s: s.rss_kib), 0)


class ReportTest(unittest.TestCase):

    RESULTS = {
        "good": {"figures": {"router_kills": 3, "accepted": 1000}, "violations": [], "skipped": "",
                 "seconds": 1},
        "bad": {"figures": {"accepted": 2000, "lost": 1}, "violations": ["lost 1"], "skipped": "",
                "seconds": 1},
    }

    def test_sums_up(self):
        last = report.table(self.RESULTS).splitlines()[-1].split()
        self.assertEqual(last[:5], ["all", "3", "0", "3,000", "1"])

    def test_says_what_did_not_hold_and_how_to_repeat_it(self):
        folders = {"good": "/there/good", "bad": "/there/bad"}
        text = report.verdict(self.RESULTS, 7, folders)
        self.assertIn("bad: lost 1", text)
        self.assertIn("/there/bad", text)
        self.assertIn("--seed 7 --only bad", text)
        self.assertNotIn("good:", text)
        self.assertEqual(report.verdict({"good": self.RESULTS["good"]}, 7, folders), "all held")


    def test_a_whole_run_comes_to_so_much(self):
        self.assertEqual(report.shortfalls(self.RESULTS, 9.9), [])
        self.assertEqual(report.shortfalls(self.RESULTS, 10),
                         ["too little was tested: router_kills 3, not 200",
                          "too little was tested: broker_kills 0, not 50",
                          "too little was tested: accepted 3,000, not 1,000,000"])
        enough = {"all": {"figures": {"router_kills": 200, "broker_kills": 50,
                                      "accepted": 1_000_000}}}
        self.assertEqual(report.shortfalls(enough, 10), [])
        self.assertEqual(report.verdict({"good": self.RESULTS["good"]}, 7, {}, ["too little"]),
                         "too little")


class CatalogTest(unittest.TestCase):

    def test_every_scenario_says_what_it_is(self):
        self.assertGreater(len(all_scenarios()), 5)
        for name, scenario in all_scenarios().items():
            self.assertTrue(scenario.sentence, name)
            self.assertGreater(scenario.weight, 0, name)

    def test_every_scenario_is_documented(self):
        with open("docs/reliability.md", encoding="utf-8") as f:
            document = f.read()
        for name in all_scenarios():
            self.assertIn(f"`{name}`", document)


if __name__ == "__main__":
    unittest.main()
