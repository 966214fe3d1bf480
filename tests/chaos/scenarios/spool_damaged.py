"""Scenario 5."""

import itertools
import os
import shutil
import zlib

from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.router import Router
from harness.waiting import GaveUp

from frame.queued import empty_stream
from frame.scenario import STREAM, Planted, Scenario

_NOWHERE = "nats://127.0.0.1:1"
_PAYLOAD_BYTES = (10, 300, 3000, 9000)
_COUNT = 60
_PAGE = 4096
# So many restarts are followed by a second one, which must find nothing new.
_TWICE = 0.2


class SpoolDamaged(Scenario):
    name = "spool_damaged"
    sentence = ("bytes of the queue's files are flipped and files cut short, region by region: "
                "always noticed, never a wrong message, never a refusal, the rest is served")
    weight = 1.5
    short_s = 12.0
    planted = (Planted("damage is passed over in silence", "nothing is said", lie="deaf"),)

    def run(self, run):
        run.start_broker()
        run.figures.update(damages=0, harmless=0, detected=0, silent=0, refused=0, crashes=0,
                           wrong_messages=0, least_served="")
        queues = [_Queue(run, "log", checkpointed=False), _Queue(run, "database", checkpointed=True)]
        least = 1.0
        while run.going():
            for turn in itertools.zip_longest(*[_one_of_each(q, run.random) for q in queues]):
                for queue, damage in zip(queues, turn):
                    if damage is not None and run.going():
                        least = min(least, _Case(run, queue, damage).served)
        run.figures["least_served"] = f"{least:.0%}"
        run.check(run.figures["detected"] > 0, "no damage did any harm: nothing was tested")
        run.figures["detected/harmful"] = (
            f"{run.figures['detected']}/{run.figures['detected'] + run.figures['silent']}")


class _Queue:
    """A folder with a queue as a killed router leaves it, and what is in it."""

    def __init__(self, run, name, checkpointed):
        self.name = name
        self.folder = os.path.join(run.folder, "queue." + name)
        router = Router(run.folder, [_NOWHERE], name, pending_dir=self.folder)
        run.defer(router.close)
        router.start()
        self._publish(router, run.random, "first", _COUNT)
        if checkpointed:
            router.terminate()
            router.start()
            self._publish(router, run.random, "second", _COUNT // 4)
        purge = admin_pb2.PurgePendingOperationsRequest(
            filter='subject = "chaos.purged"', reason="they must not come back", force=True)
        self.purged = router.api.PurgePendingOperations(purge).purge_count
        assert self.purged > 0
        listed = router.api.ListPendingOperations(
            admin_pb2.ListPendingOperationsRequest(page_size=1000)).operations
        self.ids = [operation.message_id for operation in listed]
        router.kill()
        self.files = [n for n in ("pending.db", "pending.db-wal", "high_water_mark")
                      if os.path.exists(os.path.join(self.folder, n))]

    @staticmethod
    def _publish(router, random, name, count):
        for number in range(count):
            message_id = f"{name}-{number}"
            payload = payload_of(message_id, random.choice(_PAYLOAD_BYTES))
            message = message_pb2.Message(
                subject="chaos.purged" if number % 5 == 4 else f"chaos.key{number % 3}",
                message_id=message_id, payload=payload, guarantee=message_pb2.GUARANTEE_STORED)
            result = router.api.Publish(publisher_pb2.PublishRequest(message=message)).result
            assert result.outcome == message_pb2.PUBLISH_OUTCOME_QUEUED


def payload_of(message_id, size):
    """Bytes that follow from the id, and can be told from any others."""
    body = (message_id.encode() + b" ") * size
    return b"%08x" % zlib.crc32(body[:size]) + body[:size]


def _is_whole(payload):
    return payload[:8] == b"%08x" % zlib.crc32(payload[8:])


class _Damage:
    """Something done to one file."""

    def __init__(self, file, at, kind):
        self.file = file
        self.at = at
        self.kind = kind

    def __str__(self):
        return f"{self.kind} at {self.at} of {self.file}"

    def do(self, folder, random):
        with open(os.path.join(folder, self.file), "r+b") as f:
            if self.kind == "cut":
                f.truncate(self.at)
                return
            f.seek(self.at)
            found = f.read({"flip": 1, "sector": 512, "page": _PAGE}[self.kind])
            f.seek(self.at)
            f.write(bytes([found[0] ^ (1 << random.randrange(8))]) if self.kind == "flip"
                    else bytes(len(found)))


def _regions(file, size):
    """(begin, end) of parts of a file that mean different things."""
    if file == "high_water_mark":
        return [(0, 8), (8, 24), (24, 32), (32, 4096), (4096, 4104), (4104, 4120), (4120, 4128)]
    if file == "pending.db-wal":
        frame = _PAGE + 24
        frames = (size - 32) // frame
        chosen = sorted({0, 1, frames // 3, frames // 2, frames - 2, frames - 1} & set(range(frames)))
        return ([(0, 8), (8, 24), (24, 32)]
                + [part for n in chosen for begin in [32 + n * frame]
                   for part in ((begin, begin + 8), (begin + 8, begin + 24),
                                (begin + 24, begin + 124), (begin + 124, begin + frame))])
    pages = size // _PAGE
    return ([(0, 16), (16, 28), (28, 60), (60, 100), (100, 120), (120, _PAGE)]
            + [part for n in range(1, pages)
               for part in ((n * _PAGE, n * _PAGE + 16), (n * _PAGE + 16, (n + 1) * _PAGE))])


def _one_of_each(queue, random):
    """A damage for every region of every file, a file in turn; bytes are flipped most."""
    by_file = []
    for file in queue.files:
        size = os.stat(os.path.join(queue.folder, file)).st_size
        regions = [(b, min(e, size)) for b, e in _regions(file, size) if b < size]
        random.shuffle(regions)
        by_file.append([
            _Damage(file, random.randrange(begin, end),
                    random.choice(("flip", "flip", "flip", "sector", "page", "cut")))
            for begin, end in regions])
    return [d for turn in itertools.zip_longest(*by_file) for d in turn if d is not None]


def _reports(router):
    """How often the router has spoken of damage."""
    return sum(router.metrics().series("router_spool_errors_total").values())


class _Case:
    """One damage, a start, and what was delivered. `served`: the share of the messages."""

    def __init__(self, run, queue, damage):
        self.served = 1.0
        self._run = run
        self._queue = queue
        self._what = f"{queue.name} queue, {damage}"
        folder = os.path.join(run.folder, "case")
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(queue.folder, folder)
        damage.do(folder, run.random)
        empty_stream(run.broker)
        router = Router(run.folder, [run.broker.url], "case", pending_dir=folder)
        run.figures["damages"] += 1
        run.progress(f"damages {run.figures['damages']}")
        try:
            if self._start(router):
                self._judge(damage, router)
                if run.random.random() < _TWICE:
                    router.kill()
                    self._start_again(router)
        finally:
            router.close()

    def _start(self, router):
        try:
            router.start()
        except GaveUp:
            status = router.process.wait(0)
            reason = next((e["message"] for e in router.log.events("ROUTER_START_FAILED")), "")
            kind = "refused" if status == 1 and reason else "crashes"
            self._run.figures[kind] += 1
            self._run.violation(f"{self._what}: the start ends with {status}: {reason}")
            self.served = 0.0
            return False
        return True

    def _judge(self, damage, router):
        router.wait_connected()
        router.wait_drained(20)
        stored = self._run.broker.dump(STREAM)
        wrong = [m.message_id for m in stored if not _is_whole(m.payload)]
        found = {m.message_id for m in stored}
        missing = set(self._queue.ids) - found
        returned = found - set(self._queue.ids)
        errors = _reports(router) if self._run.lie != "deaf" else 0
        self.served = 1 - len(missing) / len(self._queue.ids)
        figures = self._run.figures
        figures["wrong_messages"] += len(wrong)
        self._run.check(not wrong, f"{self._what}: delivers {wrong[:3]} in another form")
        self._run.check(len(stored) == len(found), f"{self._what}: delivers twice")
        self._run.check(router.metric("router_messages_unaccounted") == 0,
                        f"{self._what}: messages are unaccounted for")
        if not missing and not returned and not wrong:
            figures["harmless"] += 1
        elif errors:
            figures["detected"] += 1
        else:
            figures["silent"] += 1
            self._run.violation(f"{self._what}: {len(missing)} missing, {len(returned)} have come "
                                "back, and nothing is said")
        # A log ends at its first damage; everywhere else a damage is as large as it is.
        if damage.kind != "cut" and damage.file != "pending.db-wal":
            self._run.check(self.served >= 0.5, f"{self._what}: only {self.served:.0%} is served")

    def _start_again(self, router):
        """What has been dealt with once is no trouble any more."""
        if not self._start(router):
            return
        self._run.check(not _reports(router), f"{self._what}: it is reported again with the next start")
