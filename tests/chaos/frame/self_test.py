"""The test of the suite: with a bug planted, the scenario that is to find it must say so."""

import os

from frame import folders
from frame.runner import run_one
from frame.scenario import Skipped

_SECONDS = 5.0
# Some bugs show only when a fault comes at the right moment: in a real run there are many faults.
_ATTEMPTS = 4


def planted_bugs(scenarios):
    """All pairs of a scenario and a bug that it has to find."""
    return [(scenario, bug) for scenario in scenarios.values() for bug in scenario.planted]


def finds(scenario, bug, seed, folder):
    """Whether the scenario finds the bug, and what it said. Raises Skipped."""
    for attempt in range(_ATTEMPTS):
        folders.remove(folder)
        run = run_one(scenario, _SECONDS, seed + attempt, folder, planted=bug)
        if run.skipped:
            raise Skipped(run.skipped)
        found = [text for text in run.violations if bug.expected in text]
        if found:
            folders.remove(folder)
            return True, found[0]
    return False, (run.violations or ["nothing"])[0]


def self_test(scenarios, seed, folder):
    """Prints a line for each planted bug; the exit status."""
    missed = 0
    bugs = planted_bugs(scenarios)
    for number, (scenario, bug) in enumerate(bugs):
        try:
            caught, said = finds(scenario, bug, seed, os.path.join(folder, f"planted.{number}"))
        except Skipped as e:
            print(f"skipped: {bug.name}: {scenario.name}: {e}", flush=True)
            continue
        missed += not caught
        print(f"{'caught' if caught else 'MISSED'}: {bug.name}: {scenario.name} said: {said[:100]}",
              flush=True)
    print("every planted bug was caught" if not missed else
          f"{missed} of {len(bugs)} planted bugs were missed")
    return 1 if missed else 0
