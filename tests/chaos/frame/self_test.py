"""The test of the suite: with a bug planted, the scenario that is to find it must say so."""

import os
import shutil

from frame.runner import run_one

_SECONDS = 5.0
# Some bugs show only when a fault comes at the right moment: in a real run there are many faults.
_ATTEMPTS = 4


def planted_bugs(scenarios):
    """All pairs of a scenario and a bug that it has to find."""
    return [(scenario, bug) for scenario in scenarios.values() for bug in scenario.planted]


def finds(scenario, bug, seed, folder):
    """Whether the scenario finds the bug, and what it said."""
    for attempt in range(_ATTEMPTS):
        shutil.rmtree(folder, ignore_errors=True)
        run = run_one(scenario, _SECONDS, seed + attempt, folder, planted=bug)
        found = [text for text in run.violations if bug.expected in text]
        if found:
            shutil.rmtree(folder, ignore_errors=True)
            return True, found[0]
    return False, (run.violations or ["nothing"])[0]


def self_test(scenarios, seed, folder):
    """Prints a line for each planted bug; the exit status."""
    missed = 0
    bugs = planted_bugs(scenarios)
    for number, (scenario, bug) in enumerate(bugs):
        caught, said = finds(scenario, bug, seed, os.path.join(folder, f"planted.{number}"))
        missed += not caught
        print(f"{'caught' if caught else 'MISSED'}: {bug.name}: {scenario.name} said: {said[:100]}",
              flush=True)
    print("every planted bug was caught" if not missed else
          f"{missed} of {len(bugs)} planted bugs were missed")
    return 1 if missed else 0
