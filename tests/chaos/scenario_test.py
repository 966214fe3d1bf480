"""The short version of one scenario: its name is the argument."""

import os
import sys
import tempfile
import unittest

from frame import report
from frame.catalog import all_scenarios
from frame.runner import end_on_sigterm, run_one

_NAME = sys.argv.pop(1)


class ScenarioTest(unittest.TestCase):

    def test_holds(self):
        scenario = all_scenarios()[_NAME]
        seed = os.environ.get("CHAOS_SEED", "1")
        with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as folder:
            run = run_one(scenario, scenario.short_s, seed, folder)
            print(report.line(_NAME, run.result()))
        if run.skipped:
            self.skipTest(run.skipped)
        self.assertEqual(run.violations, [], f"seed {seed}")


if __name__ == "__main__":
    end_on_sigterm()
    unittest.main()
