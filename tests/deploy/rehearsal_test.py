"""From the fault to the page and back: a real router, broker, Prometheus and Alertmanager, on copies
of the shipped files in which a minute takes a second."""

import os
import tempfile
import unittest

from monitoring.rehearsal import Rehearsal, table
from monitoring.scenarios import SCENARIOS
from monitoring.stack import Stack

FACTOR = 60


class RehearsalTest(unittest.TestCase):

    def test_alerts_come_and_go(self):
        core = [s for s in SCENARIOS if s.core]
        with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as folder:
            with Stack(folder, FACTOR, **core[0].settings) as stack:
                rehearsal = Rehearsal(stack, lambda line: print(line, flush=True))
                for scenario in core:
                    rehearsal.run(scenario)
        print(table(rehearsal.rows, FACTOR))


if __name__ == "__main__":
    unittest.main()
