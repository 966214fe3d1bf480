"""Measures the router beside the parts it is made of, and prints a table of ratios.

Started by the script ./bench, which builds it.
"""

import argparse
import os
import resource
import signal
import sys
import time

from suite import folders, machine, report
from suite.catalog import all_rows
from suite.programs import MeasurementFailed
from suite.stand import Stand

_OUTPUTS = {"table": report.table, "markdown": report.markdown}


def main(arguments=None):
    options = _parse(arguments)
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    rows = all_rows()
    if options.list:
        for name, row in rows.items():
            print(f"{name:24} {row.title}")
        return 0
    chosen = options.only.split(",") if options.only else list(rows)
    unknown = set(chosen) - set(rows)
    if unknown:
        print(f"bench: no row {', '.join(sorted(unknown))}; see --list", file=sys.stderr)
        return 2
    folders.make_empty(options.folder)
    if folders.is_in_memory(options.folder):
        print(f"bench: {options.folder} is in memory; choose a folder on a disk with --folder",
              file=sys.stderr)
        return 2
    # A connection costs a descriptor here and one in the server; children inherit the limit.
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    lines, failed = _run([rows[name] for name in chosen], options)
    if options.output == "json":
        print(report.as_json(lines, machine.describe(options.folder), vars(options)))
    else:
        print(_OUTPUTS[options.output](lines))
    folders.remove(options.folder)
    if failed:
        print(f"bench: could not be measured: {', '.join(failed)}", file=sys.stderr)
    return 1 if failed else 0


def _run(rows, options):
    """Lines of all rows, and the names of rows that failed."""
    lines, failed = [], []
    stand = Stand(options.folder, options)
    begin = time.monotonic()
    try:
        for number, row in enumerate(rows):
            def progress(text, prefix=f"{number + 1}/{len(rows)} {row.name}"):
                print(f"{time.monotonic() - begin:5.0f} s  {prefix}: {text}", file=sys.stderr,
                      flush=True)
            progress(row.title)
            try:
                lines += row.run(stand, progress)
            except (MeasurementFailed, AssertionError, OSError) as e:
                progress(f"failed: {e}")
                failed.append(row.name)
    finally:
        stand.close()
    return lines, failed


def _parse(arguments):
    parser = argparse.ArgumentParser(prog="./bench", description=__doc__.splitlines()[0])
    parser.add_argument("--only", metavar="ROW,…", help="these rows")
    parser.add_argument("--list", action="store_true", help="say what rows there are, and end")
    parser.add_argument("--pairs", type=int, default=5, help="of each row (%(default)s)")
    parser.add_argument("--seconds", type=float, default=2.0,
                        help="of each measurement (%(default)g)")
    parser.add_argument("--warm-up", type=float, default=0.3,
                        help="seconds before each measurement (%(default)g)")
    parser.add_argument("--payload", type=int, default=256, metavar="BYTES",
                        help="of each message (%(default)s)")
    parser.add_argument("--keys", type=int, default=64,
                        help="subjects, which are ordering keys (%(default)s)")
    parser.add_argument("--drain-count", type=int, default=1_000_000, metavar="N",
                        help="messages of a large backlog (%(default)s)")
    parser.add_argument("--all-servers", action="store_true",
                        help="measure bare servers of all gRPC's APIs; the fastest one counts")
    parser.add_argument("-o", "--output", choices=["table", "markdown", "json"], default="table",
                        help="what is printed (%(default)s)")
    parser.add_argument("--folder", default=os.path.abspath(".cache/bench"),
                        help="where broker and routers keep their files meanwhile (%(default)s)")
    return parser.parse_args(arguments)


if __name__ == "__main__":
    sys.exit(main())
