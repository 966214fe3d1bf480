"""Injects one fault after the other into a router under load, and counts what was lost.

Started by the script ./chaos, which builds it.
"""

import argparse
import ctypes
import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

from frame import folders, report
from frame.catalog import all_scenarios
from frame.runner import end_on_sigterm, run_one
from frame.self_test import self_test

# A scenario that takes so many times its time, and a minute, is ended.
_PATIENCE = 3
# A child that is told to end is killed when that takes longer.
_FOR_CLEANING_UP_S = 20
_PR_SET_PDEATHSIG = 1


def main():
    options = _parse()
    end_on_sigterm()
    scenarios = all_scenarios()
    if options.list:
        for name, scenario in scenarios.items():
            print(f"{name:24} {scenario.sentence}")
        return 0
    if options.self_test:
        return self_test(scenarios, options.seed or 1, options.folder)
    if options.child:
        return _run_child(scenarios[options.child], options)
    unknown = set(options.only or ()) - set(scenarios)
    if unknown:
        print(f"chaos: no scenario {', '.join(sorted(unknown))}; see --list", file=sys.stderr)
        return 2
    chosen = {n: s for n, s in scenarios.items() if not options.only or n in options.only}
    seed = options.seed if options.seed is not None else random.SystemRandom().randrange(1 << 31)
    print(f"{len(chosen)} scenarios in {options.minutes:g} minutes, seed {seed}", flush=True)
    results, places = _run_all(chosen, options, seed)
    few = report.shortfalls(results, options.minutes) if len(chosen) == len(scenarios) else []
    print()
    print(report.table(results))
    print()
    print(report.verdict(results, seed, places, few))
    return 1 if few or any(r["violations"] for r in results.values()) else 0


def _run_all(chosen, options, seed):
    """Results and folders, by name."""
    os.makedirs(options.folder, exist_ok=True)
    results, places = {}, {}
    end = time.monotonic() + 60 * options.minutes
    waiting = sum(s.weight for s in chosen.values())
    for name, scenario in chosen.items():
        seconds = max(5.0, (end - time.monotonic()) * scenario.weight / waiting)
        waiting -= scenario.weight
        places[name] = os.path.join(options.folder, f"{name}.{seed}")
        results[name] = _run_in_child(name, seconds, seed, places[name])
        print(report.line(name, results[name]), flush=True)
        for text in results[name]["violations"]:
            print(f"  {text}", flush=True)
        if not results[name]["violations"]:
            folders.remove(places[name])
    return results, places


def _parse():
    parser = argparse.ArgumentParser(prog="./chaos", description=__doc__.splitlines()[0])
    parser.add_argument("--minutes", type=float, default=10.0,
                        help="how long, all scenarios together (%(default)g)")
    parser.add_argument("--seed", type=int, help="of a run to be repeated")
    parser.add_argument("--only", action="append", metavar="NAME",
                        help="this scenario; may be given more than once")
    parser.add_argument("--list", action="store_true", help="say what there is, and end")
    parser.add_argument("--self-test", action="store_true",
                        help="plant bugs in the router and see that each is found")
    parser.add_argument("--folder", default=os.path.abspath(".cache/chaos"),
                        help="where the files of failed scenarios are kept (%(default)s)")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    parser.add_argument("--seconds", type=float, help=argparse.SUPPRESS)
    parser.add_argument("--parent", type=int, help=argparse.SUPPRESS)
    return parser.parse_args()


def _run_child(scenario, options):
    # However its parent ends, a child that nobody waits for ends too, and cleans up.
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
    if os.getppid() != options.parent:
        return 1
    run = run_one(scenario, options.seconds, options.seed, options.folder,
                  lambda text: print(text, flush=True))
    return 1 if run.violations else 0


def _run_in_child(name, seconds, seed, folder):
    """In a process of its own, so that one that hangs or leaks does not harm the next."""
    folders.make_empty(folder)
    with open(os.path.join(folder, "errors"), "w", encoding="utf-8") as errors:
        child = subprocess.Popen(
            [sys.executable, os.path.abspath(__file__), "--child", name, "--seconds", str(seconds),
             "--seed", str(seed), "--folder", folder, "--parent", str(os.getpid())],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=errors, text=True,
            start_new_session=True)
    begin = time.monotonic()
    killer = _Killer(child, folder, _PATIENCE * seconds + 60)
    try:
        _show_progress(name, child.stdout)
        child.wait()
    finally:
        killer.end()
    try:
        with open(os.path.join(folder, "result.json"), encoding="utf-8") as f:
            return json.load(f)
    except (OSError, ValueError):
        return {"figures": {}, "skipped": "", "seconds": time.monotonic() - begin,
                "violations": [f"the scenario did not come to its end, status {child.returncode}"]}


class _Killer:
    """Ends a child and all that it has started, when told to or when its time is up."""

    def __init__(self, child, folder, after_s):
        self._child = child
        self._folder = folder
        self._timer = threading.Timer(after_s, self._kill)
        self._timer.daemon = True
        self._timer.start()

    def end(self):
        self._timer.cancel()
        self._kill()

    def _kill(self):
        self._child.terminate()
        try:
            self._child.wait(_FOR_CLEANING_UP_S)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(self._child.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._child.wait()
        folders.unmount_all(self._folder)


def _show_progress(name, lines):
    terminal = sys.stdout.isatty()
    shown = 0.0
    for text in lines:
        now = time.monotonic()
        if terminal:
            print(f"\r\x1b[K  {name}  {text.rstrip()}"[:150], end="", flush=True)
        elif now - shown >= 10:
            print(f"  {name}  {text.rstrip()}", flush=True)
            shown = now
    if terminal:
        print("\r\x1b[K", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())
