"""Rows about a large pending queue: what it costs to have one."""

import time

from harness.api import publisher_pb2
from harness.waiting import GaveUp, wait_until
from router.v1 import message_pb2
from suite.programs import listens, resident_bytes
from suite.row import Line, Row, Target
from suite.sample import Sample, median, number

_BATCH = 1000
_IN_FLIGHT = 8
# A backlog is no larger than this, whatever the payload.
_BYTES_MAX = 4 << 30
# Messages that are queued to measure what one costs: few beside the largest backlog.
_MEASURED = 50_000
_MB = 1_000_000


def count_max(stand):
    """Messages of a large backlog: 1,000,000 by default."""
    return min(stand.options.drain_count, _BYTES_MAX // max(256, stand.options.payload))


def load_batches(stand, router, **load):
    """Batches to a router that queues them."""
    batch = stand.messages_per_request(_BATCH)
    if "count" in load:
        batch = min(batch, load["count"])
        load["count"] -= load["count"] % batch
    return stand.load_router(router, mode="batch", batch=batch, in_flight=_IN_FLIGHT,
                             outcome="QUEUED", **load)


def fill(stand, router, count):
    """Queues about so many messages; how many are queued then."""
    load_batches(stand, router, count=count)
    return pending(router)


def pending(router):
    return int(router.metric("router_nats_pending_operations_count"))


def wait_drained(router):
    """Looks often only near the end: a look costs the router something."""
    begin = time.monotonic()
    count = left = pending(router)
    while left:
        rate = (count - left) / (time.monotonic() - begin)
        time.sleep(max(0.005, min(0.25, 0.5 * left / rate if rate else 0.05)))
        left = pending(router)
        if time.monotonic() - begin > 300:
            raise GaveUp(f"{left} messages are still queued")


class LargeBacklogRow(Row):
    """Memory, and the time to start, with a large backlog: two lines from the same queue."""
    name = "pending"
    title = "memory and start with 1,000,000 pending of 256 B"

    def run(self, stand, progress):
        memory, start = [], []
        for attempt in range(stand.options.pairs):
            with stand.temporary_router(connected=False) as router:
                count = fill(stand, router, count_max(stand))
                filled = resident_bytes(router.process.pid) / _MB
                router.kill()
                seconds = _start_and_publish(router)
                started = resident_bytes(router.process.pid) / _MB
                assert pending(router) == count + 1, f"{pending(router)} of {count} are left"
            memory.append(Sample(max(filled, started), measured={
                "filled_mb": filled, "started_mb": started, "messages": count}))
            start.append(Sample(seconds, measured={"messages": count}))
            progress(f"{attempt + 1} of {stand.options.pairs}: {filled:.0f} MB, after a start "
                     f"{started:.0f} MB; started in {seconds:.2f} s")
        what = f"{count:,} pending of {stand.options.payload} B"
        return [
            Line("memory_pending", f"memory with {what}", "", memory, [],
                 [s.value for s in memory], Target("≤ 150 MB", most=150), unit="MB",
                 figure_unit=" MB"),
            Line("start_pending", f"start with {what}, until serving", "", start, [],
                 [s.value for s in start], Target("≤ 2 s", most=2), unit="s", figure_unit=" s")]


def _start_and_publish(router):
    """Seconds from the start of the process until a message is accepted."""
    begin = time.monotonic()
    router.spawn()
    wait_until(lambda: listens(router.grpc_port), "it listens", 120, poll_s=0.001)
    message = message_pb2.Message(subject="bench.0", payload=b"x")
    answer = router.api.Publish(publisher_pb2.PublishRequest(message=message), 120)
    assert answer.result.outcome == message_pb2.PUBLISH_OUTCOME_QUEUED, answer
    return time.monotonic() - begin


class BacklogCostRow(Row):
    """What it costs to queue a message behind others."""
    name = "backlog_cost"
    title = "cost per message at a backlog of 1k, 100k, 1M"

    def run(self, stand, progress):
        large = count_max(stand)
        levels = [max(1, large // 1000), max(1, large // 10), large]
        samples = {level: [] for level in levels}
        with stand.temporary_router(connected=False) as router:
            # It grows a little with each measurement; the small ones are made anew.
            fill(stand, router, large)
            for attempt in range(stand.options.pairs):
                for level in levels[:-1]:
                    with stand.temporary_router(connected=False) as small:
                        fill(stand, small, level)
                        samples[level].append(_queue_some(stand, small))
                samples[large].append(_queue_some(stand, router))
                progress(f"{attempt + 1} of {stand.options.pairs}: " + list_of(
                    {level: samples[level][-1].value for level in levels}))
        title = "cost per message at a backlog of " + ", ".join(f"{level:,}" for level in levels)
        return [between_levels(self.name, title, "messages queued", samples)]


def _queue_some(stand, router):
    return load_batches(stand, router, count=min(_MEASURED, count_max(stand)))


def list_of(values):
    """Of a dict's values, in its order."""
    return " / ".join(number(value) for value in values.values())


def between_levels(name, title, what, samples, notes=()):
    """A line that holds rates at several levels against each other."""
    rates = {level: median([s.value for s in taken]) for level, taken in samples.items()}
    cost = {level: median([s.measured["cpu_us_per_message"]["router"] for s in taken])
            for level, taken in samples.items()}
    return Line(
        name, title, "each other", [s for taken in samples.values() for s in taken], [],
        [max(rates.values()) / min(rates.values())], Target("≤ 1.30", most=1.30),
        router_text=f"{list_of(rates)} /s",
        notes=[f"{what}; the router's CPU per message: {list_of(cost)} µs", *notes],
        details={"per_second": rates, "cpu_us_per_message": cost})


ROWS = [LargeBacklogRow(), BacklogCostRow()]
