"""How pairs become lines, and lines a table."""

import argparse
import json
import unittest

from suite import report
from suite.row import Line, PairedRow, Target, run_pairs
from suite.sample import Sample


def a_line(ours=(50, 60, 70), theirs=(100, 100, 100), target=Target("≥ 0.50", 0.50), **cores):
    router = [Sample(value, cores) for value in ours]
    reference = [Sample(value, {"client": 0.5}) for value in theirs]
    return Line("one", "one row", "its reference", router, reference,
                [a / b for a, b in zip(ours, theirs)], target)


class _Stand:
    """Only counts who was measured when."""

    def __init__(self, pairs):
        self.options = argparse.Namespace(pairs=pairs)
        self.taken = []

    def take(self, name, value):
        self.taken.append(name)
        return Sample(value)


class RowTest(unittest.TestCase):

    def test_pairs_are_taken_in_turn_and_the_first_one_changes(self):
        stand = _Stand(pairs=3)
        ours, theirs = run_pairs(stand, lambda text: None, lambda s: s.take("ours", 1),
                                 lambda s: s.take("theirs", 2))
        self.assertEqual(stand.taken, ["ours", "theirs", "theirs", "ours", "ours", "theirs"])
        self.assertEqual([s.value for s in ours], [1, 1, 1])
        self.assertEqual([s.value for s in theirs], [2, 2, 2])

    def test_the_figure_is_the_median_of_the_pairs_ratios(self):
        theirs = iter([100, 10, 50])
        row = PairedRow("one", "one row", "its reference", Target("≥ 1", 1),
                        lambda s: s.take("ours", 50), lambda s: s.take("theirs", next(theirs)))
        [line] = row.run(_Stand(pairs=3), lambda text: None)
        self.assertEqual(sorted(line.figures), [0.5, 1.0, 5.0])
        self.assertEqual(line.figure, 1.0)
        self.assertEqual(line.verdict, "ok")

    def test_a_target_is_missed_from_either_side(self):
        self.assertEqual(a_line(target=Target("≥ 0.61", 0.61)).verdict, "below")
        self.assertEqual(a_line(target=Target("≥ 0.60", 0.60)).verdict, "ok")
        self.assertEqual(a_line(target=Target("≤ 0.59", most=0.59)).verdict, "below")
        self.assertEqual(a_line(target=Target("≤ 0.60", most=0.60)).verdict, "ok")
        self.assertEqual(a_line(target=Target("", 0.5, router_least=61)).verdict, "below")
        self.assertEqual(a_line(target=None).verdict, "")


class ReportTest(unittest.TestCase):

    def test_shows_medians_and_spread(self):
        cells = report.cells(a_line())
        self.assertEqual(cells[1:3], ["60.00 (50.00–70.00) /s", "100 (100–100) /s"])
        self.assertEqual(cells[4:7], ["0.60 (0.50–0.70)", "≥ 0.50", "ok"])

    def test_marks_a_client_that_may_be_the_bottleneck(self):
        self.assertIn("0.40 / 0.50", report.table([a_line(client=0.40)]))
        self.assertNotIn("*", report.table([a_line(client=0.94)]))
        marked = report.table([a_line(client=0.96)])
        self.assertIn("0.96 / 0.50*", marked)
        self.assertIn("* the client uses a whole core", marked)

    def test_markdown_has_a_cell_for_each_heading(self):
        lines = report.markdown([a_line(), a_line(client=0.1)]).splitlines()[:4]
        self.assertEqual({line.count("|") for line in lines}, {lines[0].count("|")})

    def test_json_has_every_sample(self):
        parsed = json.loads(report.as_json([a_line()], {"cores": 2}, {"pairs": 3}))
        [row] = parsed["rows"]
        self.assertEqual([s["value"] for s in row["router_samples"]], [50, 60, 70])
        self.assertEqual(row["figure"], 0.6)
        self.assertEqual(row["verdict"], "ok")


if __name__ == "__main__":
    unittest.main()
