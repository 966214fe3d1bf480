"""Rows about messages per second into the pending queue and out of it."""

import time

from router.v1 import admin_pb2
from suite import backlog
from suite.programs import cpu_seconds
from suite.row import Line, PairedRow, Row, Target, run_pairs
from suite.sample import Sample
from suite.stand import STREAM

_BATCH = 1000
_PENDING = 4096


class BatchQueuedRow(Row):
    """Beside what SQLite, and what the disk alone, can do."""
    name = "batch_queued"
    title = "broker down, batch of 1,000, QUEUED"

    def run(self, stand, progress):
        appended = []

        def sqlite(stand):
            appended.append(stand.disk("append", batch=_BATCH))
            return stand.disk("sqlite", batch=_BATCH)

        ours, theirs = run_pairs(stand, progress, _batch_queued, sqlite)
        return [
            Line(self.name, self.title, "bare SQLite, batches of 1,000", ours, theirs,
                 [a.value / b.value for a, b in zip(ours, theirs)], Target("≥ 0.70", 0.70)),
            Line("batch_queued_append", self.title, "append and fdatasync, batches of 1,000", ours,
                 appended, [a.value / b.value for a, b in zip(ours, appended)])]


def _batch_queued(stand):
    with stand.temporary_router(connected=False) as router:
        return backlog.load_batches(stand, router)


def _unary_queued(stand):
    with stand.temporary_router(connected=False) as router:
        return stand.load_router(router, in_flight=256, outcome="QUEUED")


def _unary_received(stand):
    return stand.load_router(received=True, in_flight=256)


def _drain(stand):
    """From the end of a pause until everything is delivered."""
    with stand.temporary_router() as router:
        router.wait_connected()
        router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="benchmark"))
        stand.fresh_stream()
        count = backlog.fill(stand, router, backlog.count_max(stand))
        watched = {"router": router.process.pid, "broker": stand.broker.process.pid}
        used = {name: cpu_seconds(pid) for name, pid in watched.items()}
        begin = time.monotonic()
        router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="benchmark"))
        backlog.wait_drained(router)
        seconds = time.monotonic() - begin
        cores = {name: (cpu_seconds(pid) - used[name]) / seconds for name, pid in watched.items()}
        stored = stand.broker.message_count(STREAM)
        assert stored == count, f"{stored} of {count} messages are in the stream"
        return Sample(count / seconds, cores, {"messages": count, "seconds": seconds})


def _async(stand):
    return stand.raw("async", pending=_PENDING, count=backlog.count_max(stand))


def _drain_notes(stand):
    count = backlog.count_max(stand)
    return [] if count == 1_000_000 else [f"{count:,} messages"]


ROWS = [
    BatchQueuedRow(),
    PairedRow("unary_queued_256", "broker down, unary, 256 in flight, QUEUED",
              "the same, RECEIVED, broker there", Target("≥ 0.60", 0.60), _unary_queued,
              _unary_received),
    PairedRow("drain", "drain of 1,000,000 queued", "js_PublishAsync, 4,096 pending",
              Target("≥ 0.80", 0.80), _drain, _async, notes=_drain_notes),
]
