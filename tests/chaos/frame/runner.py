"""Runs one scenario in this process."""

import json
import os
import signal
import sys
import traceback

from frame.scenario import Run, Skipped


def end_on_sigterm():
    """From now on SIGTERM ends this process as an exception does: with all that it has started."""
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))


def run_one(scenario, duration_s, seed, folder, progress=lambda text: None, planted=None):
    """Runs it and ends everything it has started; the Run, with figures and violations.

    With a `planted` bug nobody is waited for as long as otherwise."""
    run = Run(scenario.name, duration_s, seed, folder, progress)
    if planted is not None:
        run.planted, run.lie = planted.settings, planted.lie
        run.patience_s = 3.0
    try:
        scenario().run(run)
        run.check_figures()
    except Skipped as e:
        run.skipped = str(e)
    except Exception as e:  # pylint: disable=broad-except
        run.violation(f"the scenario broke off: {e!r}")
        with open(os.path.join(folder, "traceback"), "w", encoding="utf-8") as f:
            traceback.print_exc(file=f)
        traceback.print_exc()
    finally:
        run.close()
    with open(os.path.join(folder, "result.json"), "w", encoding="utf-8") as f:
        json.dump(run.result(), f, indent=1)
    return run
