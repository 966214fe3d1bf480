"""Messages that a router has queued on a disk with a journal, and what a later start makes of them."""

import collections
import os

import grpc
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import jetstream
from harness.api import RouterError
from harness.router import Router

from frame import history
from frame.scenario import STREAM, SUBJECTS

_CODES = {message_pb2.PUBLISH_OUTCOME_QUEUED: history.QUEUED,
          message_pb2.PUBLISH_OUTCOME_DELIVERED: history.DELIVERED,
          message_pb2.PUBLISH_OUTCOME_REJECTED: history.REJECTED}
KEYS = 3


class Publisher:
    """Publishes batches through one router, and notes how long the journal of its disk was when
    each was answered."""

    def __init__(self, name, router, disk, random, payload_bytes=(10, 300, 3000, 9000)):
        self.name = name
        self._router = router
        self._disk = disk
        self._random = random
        self._payload_bytes = payload_bytes
        self._told = []      # By number: what, and where the journal was then.

    def publish(self):
        """A batch of any size. Whether all of it was accepted."""
        request = publisher_pb2.PublishBatchRequest()
        first = len(self._told)
        for number in range(first, first + self._random.choice((1, 1, 2, 7, 30))):
            request.messages.add(
                subject=f"chaos.{self.name}.{number % KEYS}", message_id=f"{self.name}-{number}",
                payload=self._random.randbytes(self._random.choice(self._payload_bytes)),
                guarantee=message_pb2.GUARANTEE_STORED)
        self._told += [(history.UNKNOWN, 0)] * len(request.messages)
        try:
            results = self._router.api.PublishBatch(request, 10.0).results
        except RouterError as e:
            if e.reason and e.code != grpc.StatusCode.DEADLINE_EXCEEDED:
                self._told[first:] = [(history.REJECTED, 0)] * len(request.messages)
            return False
        position = self._disk.position()
        self._told[first:] = [(_CODES[result.outcome], position) for result in results]
        return all(code != history.REJECTED for code, _ in self._told[first:])

    def positions(self):
        """Where the journal was at each answer QUEUED."""
        return [position for code, position in self._told if code == history.QUEUED]

    def count(self, code):
        return sum(1 for told, _ in self._told if told == code)

    def view(self, position=None, gone=()):
        """What its messages have been told up to there, without those in `gone`. What was DELIVERED
        at once is the broker's: the disk need never have had it."""
        told = bytearray(
            code if (code != history.DELIVERED and (position is None or at <= position)
                     and (not gone or f"{self.name}-{n}" not in gone)) else history.UNKNOWN
            for n, (code, at) in enumerate(self._told))
        return View(self.name, told)


class View:
    """As much of a ClientHistory as the comparison needs."""

    def __init__(self, name, told, keys=KEYS):
        self.name = name
        self.told = told
        self.keys = keys
        self.sequences = bytearray(len(told))

    def __len__(self):
        return len(self.told)


def empty_stream(broker):
    with broker.client() as client:
        jetstream.delete_stream(client, STREAM)
        jetstream.create_stream(client, STREAM, SUBJECTS)


def restart_and_drain(run, folder):
    """A new router on this folder delivers what it finds. The ids in the stream, and its metrics."""
    empty_stream(run.broker)
    router = Router(run.folder, [run.broker.url], "after", pending_dir=os.path.abspath(folder))
    try:
        router.start()
        router.wait_connected()
        router.wait_drained(30)
        metrics = router.metrics()
    finally:
        router.close()
    with run.broker.client() as client:
        return jetstream.dump_ids(client, STREAM), metrics


def restart_and_compare(run, folder, views):
    """What is delivered from this folder against what was told; nothing is out of the ordinary."""
    stored, metrics = restart_and_drain(run, folder)
    run.check(metrics.value("router_messages_unaccounted") == 0, "messages are unaccounted for")
    errors = {dict(labels)["op"]: count
              for labels, count in metrics.series("router_spool_errors_total").items() if count}
    run.check(not errors, f"what is in order is reported as damage: {errors}")
    return history.check(views, stored, contiguous=False)


class Quiet:
    """A run in which violations are expected."""

    def __init__(self, run):
        self.folder = run.folder
        self.broker = run.broker
        self.random = run.random
        self.figures = collections.Counter()

    def check(self, *_):
        pass

    violation = check
