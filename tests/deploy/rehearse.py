"""The rehearsal as a command; deploy/rehearse builds it and starts it."""

import argparse
import os
import signal
import sys
import tempfile
import time

from monitoring import pictures
from monitoring.rehearsal import Rehearsal, table
from monitoring.scenarios import SCENARIOS
from monitoring.stack import Stack

_PICTURE = "router-overview.svg"


def _parse():
    parser = argparse.ArgumentParser(
        prog="deploy/rehearse",
        description="Injects faults into a router that Prometheus and Alertmanager watch, on copies of "
        "the shipped files in which time runs faster, and waits for each alert to reach its receivers "
        "and to be resolved.")
    parser.add_argument("--only", action="append", metavar="SCENARIO", help="may be repeated")
    parser.add_argument("--list", action="store_true", help="names the scenarios")
    parser.add_argument("--factor", type=float, default=60,
                        help="how much faster time runs (60: a minute takes a second)")
    parser.add_argument("--pictures", metavar="FOLDER",
                        help=f"draws the main dashboard of the run there, as {_PICTURE}")
    return parser.parse_args()


def _draw(stack, begin, options):
    path = os.path.join(options.pictures, _PICTURE)
    os.makedirs(options.pictures, exist_ok=True)
    picture = pictures.Picture(stack.prometheus, begin, time.time(), options.factor,
                               {f"127.0.0.1:{stack.router.http_port}": "router-0:9001"})
    pictures.write(path, picture)
    print(f"drawn: {path}")


def main():
    options = _parse()
    if options.list:
        for scenario in SCENARIOS:
            print(f"{scenario.name:20}{scenario.sentence}: "
                  + ", ".join(scenario.alerts + scenario.lasting))
        return 0
    unknown = set(options.only or ()) - {s.name for s in SCENARIOS}
    if unknown:
        print(f"rehearse: no scenario {', '.join(sorted(unknown))}; see --list", file=sys.stderr)
        return 2
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # Ends what was started, too.
    chosen = [s for s in SCENARIOS if not options.only or s.name in options.only]
    with tempfile.TemporaryDirectory(prefix="router_rehearsal_") as folder:
        with Stack(folder, options.factor, **chosen[0].settings) as stack:
            rehearsal = Rehearsal(stack, lambda line: print(line, flush=True))
            begin = time.time()
            problem = None
            try:
                for scenario in chosen:
                    rehearsal.run(scenario)
            except AssertionError as e:
                problem = e
            if options.pictures:
                _draw(stack, begin, options)
    print()
    print(table(rehearsal.rows, options.factor))
    if problem:
        print(f"\nrehearse: {problem}", file=sys.stderr)
        return 1
    print("\nall alerts came, reached their receivers, and went")
    return 0


if __name__ == "__main__":
    sys.exit(main())
