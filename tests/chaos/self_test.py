"""Each planted bug is found by the scenario that is to find it."""

import os
import tempfile
import unittest

from frame.catalog import all_scenarios
from frame.runner import end_on_sigterm
from frame.scenario import Skipped
from frame.self_test import finds, planted_bugs


class PlantedBugTest(unittest.TestCase):
    """A test for each of them, made below."""


def _test_of(scenario, bug):
    def test(self):
        with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as folder:
            try:
                caught, said = finds(scenario, bug, 1, os.path.join(folder, "run"))
            except Skipped as e:
                self.skipTest(str(e))
        self.assertTrue(caught, f"{bug.name}: {scenario.name} said: {said}")
    return test


for _scenario, _bug in planted_bugs(all_scenarios()):
    setattr(PlantedBugTest, f"test_{_scenario.name}_finds_that_{_bug.name.replace(' ', '_')}",
            _test_of(_scenario, _bug))


if __name__ == "__main__":
    end_on_sigterm()
    unittest.main()
