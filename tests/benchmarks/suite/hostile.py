"""What a good client sees while hostile ones are at work, beside what it sees when all is quiet."""

import contextlib
import threading

from attackers import FLOODS, attack
from suite.programs import resident_bytes
from suite.row import Line, Row, Target
from suite.sample import Sample

_RATE = 1000
_MB = 1_000_000
_STALLED_SUBJECT = "bench.stalled"


# The flood begins so long after the measurement, so that what it does before it is ended counts.
_FLOOD_DELAY_S = 1.0
# Of a measurement, in units of --seconds: as long as a ban, since a flood can come once in that time.
_SECONDS = 30


def _p99(stand, router):
    """Of a good client; messages to be stored, at a rate that strains nobody."""
    sample = stand.load_router(router, rate=_RATE, seconds=_SECONDS * stand.options.seconds)
    return Sample(sample.measured["latency_ms"]["p99"], sample.cores, sample.measured)


@contextlib.contextmanager
def _delayed_flood(kind, port):
    """A flood that begins a little later, and ends with the block."""
    ended = threading.Event()

    def run():
        if not ended.wait(_FLOOD_DELAY_S):
            with attack(kind, port):
                ended.wait()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


class HostileRow(Row):
    """`steady`: attacks, with their options, that are at work when the measurement begins; `flood`:
    one that begins in it."""

    def __init__(self, name, title, flood, target, bytes_target, steady=(), pairs=None):
        self.name = name
        self.title = title
        self._flood = flood
        self._steady = steady
        self._target = target
        self._bytes_target = bytes_target
        self._pairs = pairs

    def run(self, stand, progress):
        quiet, beside, resident = [], [], []
        stand.fresh_stream()
        for pair in range(self._pairs or stand.options.pairs):
            # A new one for each: an address that was banned is no danger any more.
            with stand.temporary_router() as router:
                router.wait_connected()
                quiet.append(_p99(stand, router))
                with contextlib.ExitStack() as stack:
                    for kind, options in self._steady:
                        stack.enter_context(attack(kind, router.grpc_port,
                                                   subject=_STALLED_SUBJECT, **options))
                    stack.enter_context(_delayed_flood(self._flood, router.grpc_port))
                    beside.append(_p99(stand, router))
                    resident.append(Sample(resident_bytes(router.process.pid) / _MB))
            progress(f"{pair + 1}: p99 {beside[-1].value:.2f} ms, quiet {quiet[-1].value:.2f} ms; "
                     f"{resident[-1].value:.0f} MB")
        return [
            Line(self.name, f"{self.title}: p99 of a good client", "the same, quiet", beside, quiet,
                 [a.value / b.value for a, b in zip(beside, quiet)], self._target, unit="ms"),
            Line(f"{self.name}_memory", f"{self.title}: memory", "", resident, [],
                 [s.value for s in resident], self._bytes_target, unit="MB", figure_unit=" MB")]


# What a router at the edge of a network has to stand, at once.
ROWS = [HostileRow("hostile", "1,000 idle connections, a stalled reader and a reset flood",
                   "reset_stream", Target("≤ 3", most=3), Target("≤ 256 MB", most=256),
                   steady=(("idle", {"source": "127.0.0.1"}), ("stalled_reader", {})), pairs=2)]
# Each by itself, once, with its very beginning.
FLOOD_ROWS = [HostileRow(f"flood_{kind}", f"flood: {kind.replace('_', ' ')}", kind, None,
                         Target("≤ 512 MB", most=512), pairs=1) for kind in FLOODS]
