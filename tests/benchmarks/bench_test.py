"""Every row of ./bench once, as short as can be: it has to yield numbers, whatever they are."""

import contextlib
import io
import json
import math
import os
import tempfile
import unittest

import bench
from suite.catalog import all_rows
from suite.folders import is_in_memory

# Rows that yield two lines.
_MORE_LINES = {"batch_queued": ["batch_queued", "batch_queued_append"],
               "latency": ["latency_p50", "latency_p99"],
               "pending": ["memory_pending", "start_pending"],
               **{row: [row, f"{row}_memory"]
                  for row in all_rows() if row.startswith(("hostile", "flood_"))}}
_SHORT = ["--pairs", "1", "--seconds", "0.1", "--warm-up", "0.05", "--drain-count", "2000"]


def run(folder, *arguments):
    """The exit status, and what it printed."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        status = bench.main([*arguments, "--folder", os.path.join(folder, "bench")])
    return status, printed.getvalue()


class BenchTest(unittest.TestCase):

    def setUp(self):
        folder = tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(folder.cleanup)
        self.folder = folder.name
        if is_in_memory(self.folder):
            self.skipTest("this folder for tests is in memory")

    def test_every_row_yields_numbers(self):
        status, printed = run(self.folder, "-o", "json", *_SHORT)
        self.assertEqual(status, 0)
        report = json.loads(printed)
        self.assertEqual([line["name"] for line in report["rows"]],
                         [line for row in all_rows() for line in _MORE_LINES.get(row, [row])])
        for line in report["rows"]:
            with self.subTest(line["name"]):
                self.check_line(line)
        self.assertGreater(report["machine"]["cores"], 0)

    def check_line(self, line):
        numbers = [line["router_median"], line["figure"], *line["figures"]]
        numbers += [s["value"] for s in line["router_samples"] + line["reference_samples"]]
        for number in numbers:
            self.assertTrue(math.isfinite(number), line)
        self.assertGreater(line["router_median"], 0)
        self.assertEqual(line["reference_median"] is None, not line["reference_samples"])
        self.assertEqual(line["verdict"] in ("ok", "below"), line["target"] is not None)

    def test_a_row_that_cannot_be_measured_is_said_and_the_others_go_on(self):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            # The API takes no message of that size.
            status, printed = run(self.folder, "--only", "unary_received_64,memory_idle",
                                  "--payload", "2000000", *_SHORT)
        self.assertEqual(status, 1)
        self.assertIn("could not be measured: unary_received_64\n", errors.getvalue())
        self.assertIn("memory, idle", printed)

    def test_an_unknown_row_is_refused(self):
        errors = io.StringIO()
        with contextlib.redirect_stderr(errors):
            status, _ = run(self.folder, "--only", "unary_received_65")
        self.assertEqual(status, 2)
        self.assertIn("no row unary_received_65", errors.getvalue())


if __name__ == "__main__":
    unittest.main()
