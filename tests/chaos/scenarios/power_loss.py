"""Scenario 2."""

import os
import shutil
import threading

from router.v1 import admin_pb2

from harness.router import Router
from harness.waiting import wait_until

from frame import history
from frame.disk_image import NOTHING, REMAINS, Disk, read_journal, snapshot
from frame.preload import DiskFaults
from frame.queued import Publisher, Quiet, empty_stream, restart_and_compare
from frame.scenario import STREAM, Scenario

# A recording queues and drains by turns: at least so many messages, and for at least so long.
_QUEUED_PER_TURN = 100
_QUEUEING_S = 0.3
_DRAINING_S = 0.1
_TURNS = 3
_RECORDINGS_EVERY_S = 30.0
_CUTS_AT_ONCE = 6
_DATABASE = "pending.db"
_NOWHERE = "nats://127.0.0.1:1"


class PowerLoss(Scenario):
    name = "power_loss"
    sentence = ("the power fails at any moment of queueing, draining and recovering, and the disk "
                "keeps what was synced and any part of the rest: nothing QUEUED is lost")
    weight = 2.0
    short_s = 12.0

    def run(self, run):
        run.start_broker()
        run.figures.update(power_cuts=0, cuts_in_recovery=0, messages_checked=0, lost=0,
                           duplicates=0, reordered=0)
        recording = None
        while recording is None or run.going():
            if recording is None or recording.age_s() > _RECORDINGS_EVERY_S:
                recording = _Recording(run, _recorded_name(run))
                recording.make()
            _check_cuts(run, recording)
        _check_that_the_check_can_fail(run, recording)
        run.at_least("power_cuts", _CUTS_AT_ONCE)
        run.at_least("messages_checked", 1)
        run.at_least("lost_by_a_lying_disk", 1)


def _recorded_name(run):
    return f"recorded{run.elapsed_s:.0f}"


class _Recording:
    """One life of a router under load, with a journal of its disk."""

    def __init__(self, run, name, urls=None, start_from=None):
        """`start_from`: a folder with what an earlier life has left."""
        self._run = run
        self._begin_s = run.elapsed_s
        self._name = name
        self._urls = urls
        self._folder = os.path.join(run.folder, name)
        self._pending_dir = os.path.join(self._folder, "pending")
        os.makedirs(self._folder)
        if start_from:
            shutil.copytree(start_from, self._pending_dir)
        self._at_first = snapshot(self._pending_dir) if start_from else {}
        self.disk = DiskFaults(self._pending_dir, self._folder + ".journal",
                               self._folder + ".control")
        self.publishers = []
        self.entries = []
        self.stored_ns = {}    # Message id → Unix time at which the broker had it.

    def age_s(self):
        return self._run.elapsed_s - self._begin_s

    def make(self):
        """Queues and drains by turns; the router is killed at the end."""
        self._start()
        delivery = _Delivery(self._router)
        delivery.pause()
        over = threading.Event()
        threads = [self._run.start_thread(self._publish_until, p, over) for p in self.publishers]
        self._wait_queued()
        for _ in range(_TURNS - 1):
            delivery.resume()
            self._run.pause(_DRAINING_S)
            delivery.pause()
            self._wait_queued()
        over.set()
        for thread in threads:
            thread.join(20)
            self._run.check(not thread.is_alive(), "a batch is not answered")
        self._stop()
        self.stored_ns = {m.message_id: m.time_ns for m in self._run.broker.dump(STREAM)}

    def _wait_queued(self):
        """Some more messages have been told QUEUED."""
        def count():
            return sum(publisher.count(history.QUEUED) for publisher in self.publishers)
        enough = count() + _QUEUED_PER_TURN
        self._run.pause(_QUEUEING_S)
        wait_until(lambda: count() >= enough, "messages are queued", 30)

    def make_short(self):
        """A few messages behind what is there already."""
        self._start()
        for publisher in self.publishers:
            publisher.publish()
        self._stop()

    @staticmethod
    def _publish_until(publisher, over):
        while not over.is_set():
            publisher.publish()

    def _start(self):
        urls = [self._run.broker.url] if self._urls is None else self._urls
        self._router = Router(self._run.folder, urls, self._name, env=self.disk.env,
                              pending_dir=self._pending_dir)
        self._run.defer(self._router.close)
        self._router.start()
        if self._urls is None:
            empty_stream(self._run.broker)
            self._router.wait_connected()
        random = self._run.random
        self.publishers = [
            Publisher(f"{self._name}x{i}", self._router, self.disk, type(random)(random.random()))
            for i in range(3)]

    def _stop(self):
        self._router.kill()
        self._router.close()
        self.entries = read_journal(self.disk.journal)
        disk = Disk(self._at_first)
        for entry in self.entries:
            disk.apply(entry)
        wrong = disk.differences(self._pending_dir)
        self._run.check(not wrong, f"the journal does not explain {wrong}")

    def cut_points(self, count):
        """Some anywhere, and some between an answer and the next thing done."""
        random = self._run.random
        answered = [p for publisher in self.publishers for p in publisher.positions()]
        points = []
        for _ in range(count):
            if random.random() < 0.5 or not answered:
                points.append(random.randint(1, len(self.entries)))
            else:
                position = random.choice(answered)
                points.append(next(i for i, entry in enumerate(self.entries, 1)
                                   if entry.end >= position))
        return sorted(points)

    def views(self, point):
        """What clients had been told when the power failed, of what was not delivered by then."""
        entry = self.entries[point - 1]
        gone = {i for i, time_ns in self.stored_ns.items() if time_ns <= entry.time_ns}
        return [publisher.view(entry.end, gone) for publisher in self.publishers]

    def queued(self, point):
        """How many messages had been told QUEUED and were not delivered."""
        return sum(view.told.count(history.QUEUED) for view in self.views(point))

    def queued_in_log(self, point):
        """Those of them that were told after the last write to the database itself, so that nothing
        but its log can have them."""
        database = {entry.inode for entry in self.entries if _DATABASE in entry.names}
        since = next((entry.end for entry in reversed(self.entries[:point])
                      if entry.inode in database and entry.data), 0)
        earlier = sum(1 for publisher in self.publishers
                      for position in publisher.positions() if position <= since)
        return self.queued(point) - earlier

    def images(self, points, folder, remains=None, believes=lambda name: True):
        """For each of the points, in order: the point, once `folder` holds what the disk holds."""
        disk = Disk(self._at_first, believes)
        done = 0
        for point in points:
            for entry in self.entries[done:point]:
                disk.apply(entry)
            done = point
            shutil.rmtree(folder, ignore_errors=True)
            disk.write_to(folder, remains or self._run.random.choice(REMAINS), self._run.random)
            yield point


class _Delivery:
    def __init__(self, router):
        self._router = router

    def pause(self):
        self._router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="power loss"))

    def resume(self):
        self._router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="power loss"))


def _check_cuts(run, recording):
    folder = os.path.join(run.folder, "left")
    for point in recording.images(recording.cut_points(_CUTS_AT_ONCE), folder):
        views = recording.views(point)
        again = run.random.random() < 0.25
        if again:
            views += _cut_recovery(run, folder)
        findings = restart_and_compare(run, folder, views)
        for text in findings.violations():
            run.violation(f"power cut after entry {point} of {recording.disk.journal}: {text}")
        for kind in ("lost", "duplicates", "reordered"):
            run.figures[kind] += findings.counts[kind]
        run.figures["power_cuts"] += 1
        run.figures["cuts_in_recovery"] += again
        run.figures["messages_checked"] += sum(v.told.count(history.QUEUED) for v in views)
        run.progress(f"power cuts {run.figures['power_cuts']}")


def _cut_recovery(run, folder):
    """Starts on what is left, publishes a little, and cuts again; what was told then."""
    name = f"again{run.figures['power_cuts']}"
    second = _Recording(run, name, urls=[_NOWHERE], start_from=folder)
    second.make_short()
    point = run.random.randint(1, len(second.entries))
    for _ in second.images([point], folder):
        pass
    shutil.rmtree(os.path.join(run.folder, name))
    return second.views(point)


def _check_that_the_check_can_fail(run, recording):
    """On a disk that says that it has synced, and has not."""
    folder = os.path.join(run.folder, "left")
    lost = 0
    points = recording.cut_points(40) + [len(recording.entries)]
    for liar, believes, at_stake in (
            ("the log", lambda name: not name.endswith("-wal"), recording.queued_in_log),
            ("the folder", lambda name: name != "", recording.queued)):
        worst = max(points, key=at_stake)
        if not run.check(at_stake(worst) > 0, f"nothing is at stake with {liar}"):
            continue
        for point in recording.images([worst], folder, NOTHING, believes):
            try:
                found = restart_and_compare(Quiet(run), folder, recording.views(point))
            except AssertionError:
                found = None  # It does not even start.
            if found is None:
                continue
            run.check(found.counts["lost"], f"a disk that does not sync {liar} is not noticed")
            lost += found.counts["lost"]
    run.figures["lost_by_a_lying_disk"] = lost
