"""Rows about what a router costs beside throughput: latency, CPU, memory, connections."""

import time

from suite.backlog import between_levels, list_of
from suite.programs import resident_bytes
from suite.row import Line, PairedRow, Row, Target, run_pairs
from suite.sample import Sample

_LATENCY_RATE = 1000
_CPU_RATE = 10_000
_CONNECTIONS = (1, 100, 1000)
# Over all connections together: the same work, whatever their number.
_IN_FLIGHT = 1000
_MB = 1_000_000


class LatencyRow(Row):
    """What the way through a router adds, at a rate that strains nobody."""
    name = "latency"
    title = "latency added at 1,000 msg/s, STORED"

    def run(self, stand, progress):
        seconds = 2 * stand.options.seconds  # For a p99 of enough messages.

        def router(stand):
            return _with_value(stand.load_router(rate=_LATENCY_RATE, seconds=seconds), "p50")

        def raw(stand):
            return _with_value(stand.raw("sync", rate=_LATENCY_RATE, seconds=seconds,
                                         send_asap=True), "p50")

        ours, theirs = run_pairs(stand, progress, router, raw)
        return [self._line(ours, theirs, "p50", Target("≤ 0.25 ms", most=0.25)),
                self._line(ours, theirs, "p99", Target("≤ 1.0 ms", most=1.0))]

    def _line(self, ours, theirs, quantile, target):
        ours = [_with_value(s, quantile) for s in ours]
        theirs = [_with_value(s, quantile) for s in theirs]
        return Line(f"{self.name}_{quantile}", f"{self.title}, {quantile}",
                    "js_Publish, waits for its ack", ours, theirs,
                    [a.value - b.value for a, b in zip(ours, theirs)], target, unit="ms",
                    figure_unit=" ms")


def _with_value(sample, quantile):
    return Sample(sample.measured["latency_ms"][quantile], sample.cores, sample.measured)


def _router_cpu(stand):
    sample = stand.load_router(rate=_CPU_RATE)
    return Sample(sample.measured["cpu_us_per_message"]["router"], sample.cores, sample.measured)


def _parts_cpu(stand):
    """A bare server's, and a publisher's without its waiting for the time of each message."""
    bare = stand.load_bare(rate=_CPU_RATE)
    raw = stand.raw("async", rate=_CPU_RATE)
    server = bare.measured["cpu_us_per_message"]["router"]
    publisher = (raw.measured["cpu_us_per_message"]["client"]
                 - raw.measured["pacing_us_per_message"])
    return Sample(server + publisher, bare.cores,
                  {"server_us": server, "publisher_us": publisher, "bare": bare.measured,
                   "raw": raw.measured})


class IdleMemoryRow(Row):
    """Connected, and nothing published yet."""
    name = "memory_idle"
    title = "memory, idle"

    def run(self, stand, progress):
        samples = []
        for attempt in range(stand.options.pairs):
            with stand.temporary_router() as router:
                router.wait_connected()
                time.sleep(stand.options.warm_up)
                samples.append(Sample(resident_bytes(router.process.pid) / _MB))
            progress(f"{attempt + 1} of {stand.options.pairs}: {samples[-1].value:.1f} MB")
        return [Line(self.name, self.title, "", samples, [], [s.value for s in samples],
                     Target("≤ 30 MB", most=30), unit="MB", figure_unit=" MB")]


class ConnectionsRow(Row):
    """The same load over more connections, beside what they cost a bare server."""
    name = "connections_cost"
    title = "cost per message with 1, 100, 1,000 connections"

    def run(self, stand, progress):
        router = {count: [] for count in _CONNECTIONS}
        bare = {count: [] for count in _CONNECTIONS}
        for attempt in range(stand.options.pairs):
            for count in _CONNECTIONS:
                load = {"received": True, "in_flight": _IN_FLIGHT, "connections": count}
                router[count].append(stand.load_router(**load))
                bare[count].append(stand.load_bare(**load))
            progress(f"{attempt + 1} of {stand.options.pairs}: {_last(router)}, bare {_last(bare)}")
        what = f"unary, RECEIVED, {_IN_FLIGHT:,} in flight over all connections"
        theirs = between_levels(self.name, self.title, what, bare)
        note = (f"a bare server: {theirs.router_text}, {theirs.figure:.2f} between them, "
                f"{list_of(theirs.details['cpu_us_per_message'])} µs")
        line = between_levels(self.name, self.title, what, router, [note])
        line.details["bare"] = theirs.details
        return [line]


def _last(samples):
    return list_of({count: taken[-1].value for count, taken in samples.items()})


ROWS = [
    LatencyRow(),
    PairedRow("cpu_per_message", "CPU per message at 10,000 msg/s, unary, STORED",
              "bare unary server and js_PublishAsync", Target("≤ 1.50", most=1.50), _router_cpu,
              _parts_cpu, unit="µs"),
    IdleMemoryRow(),
]
CONNECTION_ROWS = [ConnectionsRow()]
