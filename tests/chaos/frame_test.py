"""The oracle and the report, on what is known."""

import tempfile
import unittest

from frame import history, report
from frame.catalog import all_scenarios
from frame.history import DELIVERED, DROPPED, QUEUED, REJECTED, ClientHistory
from frame.monitor import Sample, slope_per_minute


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


class SlopeTest(unittest.TestCase):

    def test_is_per_minute(self):
        samples = [Sample(t, 100 + 2 * t, 0, 0) for t in range(10)]
        self.assertAlmostEqual(slope_per_minute(samples, lambda s: s.rss_kib), 120)
        self.assertEqual(slope_per_minute(samples[:1], lambda s: s.rss_kib), 0)


class ReportTest(unittest.TestCase):

    RESULTS = {
        "good": {"figures": {"router_kills": 3, "accepted": 1000}, "violations": [], "seconds": 1},
        "bad": {"figures": {"accepted": 2000, "lost": 1}, "violations": ["lost 1"], "seconds": 1},
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
