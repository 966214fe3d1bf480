"""Rows about the pending queue: a broker that is away, and one that is back."""

import time

from harness.api import RouterError, publisher_pb2, message_pb2
from harness.waiting import GaveUp, wait_until
from suite.programs import cpu_seconds, listens, resident_bytes
from suite.row import Line, PairedRow, Row, Target, run_pairs
from suite.sample import Sample, median

_BATCH = 1000
_IN_FLIGHT = 8
_PENDING = 4096
# A large backlog is no larger than this, whatever the payload.
_BACKLOG_BYTES_MAX = 4 << 30
# Messages of one measurement at a given backlog: few beside the largest one.
_AT_BACKLOG = 50_000
_MB = 1_000_000


def backlog_count(stand):
    return min(stand.options.drain_count,
               _BACKLOG_BYTES_MAX // max(256, stand.options.payload))


def _queue(stand, router, **load):
    """Batches that are queued."""
    batch = stand.messages_per_request(_BATCH)
    if "count" in load:
        batch = min(batch, load["count"])
        load["count"] -= load["count"] % batch
    return stand.load_router(router, mode="batch", batch=batch, in_flight=_IN_FLIGHT,
                             outcome="QUEUED", **load)


def _with_new_router(stand, function, **settings):
    router = stand.new_router(**settings)
    try:
        router.start()
        return function(router)
    finally:
        stand.forget(router)


class BatchQueuedRow(Row):
    """The queue beside what SQLite and the disk can do."""
    name = "batch_queued"
    title = "broker down, batch of 1,000, QUEUED"

    def run(self, stand, progress):
        appended = []

        def bare_sqlite(stand):
            appended.append(stand.disk("append", batch=_BATCH))
            return stand.disk("sqlite", batch=_BATCH)

        ours, theirs = run_pairs(stand, progress, _batch_queued, bare_sqlite)
        return [
            Line(self.name, self.title, "bare SQLite, batches of 1,000", ours, theirs,
                 [a.value / b.value for a, b in zip(ours, theirs)], Target("≥ 0.70", 0.70)),
            Line("batch_queued_append", self.title, "append and fdatasync, batches of 1,000", ours,
                 appended, [a.value / b.value for a, b in zip(ours, appended)])]


def _batch_queued(stand):
    return _with_new_router(stand, lambda router: _queue(stand, router), connected=False)


def _unary_queued(stand):
    return _with_new_router(
        stand, lambda router: stand.load_router(router, in_flight=256, outcome="QUEUED"),
        connected=False)


def _drain(stand):
    def measure(router):
        router.wait_connected()
        router.api.PauseDelivery(_reason("admin_pb2.PauseDeliveryRequest"))
        stand.fresh_stream()
        _queue(stand, router, count=backlog_count(stand))
        count = _pending(router)
        watched = {"router": router.process.pid, "broker": stand.broker.process.pid}
        used = {name: cpu_seconds(pid) for name, pid in watched.items()}
        begin = time.monotonic()
        router.api.ResumeDelivery(_reason("admin_pb2.ResumeDeliveryRequest"))
        _wait_drained(router, count, begin)
        seconds = time.monotonic() - begin
        cores = {name: (cpu_seconds(pid) - used[name]) / seconds for name, pid in watched.items()}
        stored = stand.broker.message_count(stand_stream())
        assert stored == count, f"{stored} of {count} messages are in the stream"
        return Sample(count / seconds, cores, {"messages": count, "seconds": seconds})
    return _with_new_router(stand, measure)
