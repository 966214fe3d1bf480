"""Scenario 3."""

import os
import shutil
import subprocess

from harness.router import Router
from harness.waiting import GaveUp, wait_until

from frame import history
from frame.disk_image import NOTHING, REMAINS, Disk, read_journal, snapshot
from frame.preload import DiskFaults
from frame.queued import Publisher, Quiet, restart_and_compare
from frame.scenario import Scenario

_BATCHES = 3
_NOWHERE = "nats://127.0.0.1:1"


class FsyncError(Scenario):
    name = "fsync_error"
    sentence = ("each sync of a short run fails once, and then the power: what it was to make "
                "durable is not acknowledged, and what comes later is right")
    weight = 1.5
    short_s = 10.0

    def run(self, run):
        run.start_broker()
        inject = [_by_preload] + [_by_strace] * _can_trace()
        run.figures.update(syncs=0, runs=0, failed_syncs=0, starts_refused=0, acknowledged=0,
                           refused=0, false_acks=0, strace=int(_can_trace()))
        turn = 0
        while turn < 1 or run.going():
            # From the second turn on, the database is made too.
            start_from = _queue_of_an_earlier_life(run) if turn % 2 == 0 else None
            _fail_each(run, inject[turn % len(inject):] + inject[:turn % len(inject)], start_from)
            turn += 1
        _check_that_the_check_can_fail(run)
        run.check(run.figures["failed_syncs"] >= run.figures["syncs"] / 2, "syncs did not fail")
        run.check(run.figures["refused"] > 0, "no sync failed under a publish")


def _queue_of_an_earlier_life(run):
    """A folder with a queue that is empty and in order."""
    folder = os.path.join(run.folder, "earlier")
    shutil.rmtree(folder, ignore_errors=True)
    router = Router(run.folder, [_NOWHERE], "earlier", pending_dir=folder)
    run.defer(router.close)
    router.start()
    router.terminate()
    return folder


def _fail_each(run, inject, start_from):
    """Each sync once, by turns in one way and in the other."""
    syncs = _Run(run, _by_preload, 0, start_from).make()
    run.figures["syncs"] = max(syncs, run.figures["syncs"])
    for number in range(1, syncs + 1):
        _Run(run, inject[number % len(inject)], number, start_from).make()


def _can_trace():
    """Whether strace is there and may be used here."""
    try:
        return subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True,
                              check=False, timeout=10).returncode == 0
    except OSError:
        return False


def _by_preload(faults, number, folder):
    del folder
    faults.fail_sync(number)
    return []


def _hidden(faults, number, folder):
    """A program that does not look at what a sync returns."""
    del folder
    faults.fail_sync(number, hide=True)
    return []


def _by_strace(faults, number, folder):
    """In the kernel's place: the call with this number, in each thread."""
    del faults
    return ["strace", "-D", "-f", "-qq", "-e", "trace=fsync,fdatasync", "-e",
            f"inject=fsync,fdatasync:error=EIO:when={number}",
            "-o", os.path.join(folder, "strace")] if number else []


def _check_that_the_check_can_fail(run):
    """With a router that does not look whether a sync has failed."""
    quiet = Quiet(run)
    syncs = _Run(quiet, _by_preload, 0).make()
    for number in range(syncs, syncs - _BATCHES, -1):
        _Run(quiet, _hidden, number, remains=NOTHING).make()
    run.figures["false_acks_of_a_blind_router"] = quiet.figures["false_acks"]
    run.check(quiet.figures["false_acks"], "a router that does not look at syncs is not noticed")


class _Run:
    """A few batches are queued, a sync fails, and in the end the power."""

    def __init__(self, run, inject, number, start_from=None, remains=None):
        self._run = run
        self._remains = remains
        self._what = f"sync {number} failing {inject.__name__}"
        self._folder = os.path.join(run.folder, "run")
        shutil.rmtree(self._folder, ignore_errors=True)
        os.makedirs(self._folder)
        self._pending_dir = os.path.join(self._folder, "pending")
        if start_from:
            shutil.copytree(start_from, self._pending_dir)
        self._at_first = snapshot(self._pending_dir) if start_from else {}
        self._faults = DiskFaults(self._pending_dir, os.path.join(self._folder, "journal"),
                                  os.path.join(self._folder, "control"))
        self._router = Router(
            run.folder, [_NOWHERE], "run", env=self._faults.env,
            wrapper=inject(self._faults, number, self._folder), pending_dir=self._pending_dir,
            message_id_window_count=0)
        self._publisher = Publisher(f"n{run.figures['runs']}", self._router, self._faults,
                                    run.random)

    def make(self):
        """Returns how many syncs there were."""
        figures = self._run.figures
        figures["runs"] += 1
        try:
            self._start()
            for _ in range(_BATCHES):
                self._publish_until_taken()
            self._check_that_it_is_reported()
        finally:
            self._router.close()
        figures["refused"] += self._publisher.count(history.REJECTED)
        figures["acknowledged"] += self._publisher.count(history.QUEUED)
        self._cut_power_and_compare()
        return self._faults.syncs

    def _start(self):
        try:
            self._router.start()
        except GaveUp:
            self._run.figures["starts_refused"] += 1
            status = self._router.process.wait(0)
            self._run.check(status == 1 and "ROUTER_START_FAILED" in self._router.log.codes(),
                            f"{self._what}: the start ends with {status} and no reason")
            self._router.wrapper = []
            self._faults.fail_sync(0)
            self._router.start()

    def _publish_until_taken(self):
        """Nothing else stands between a failure and what comes later than the router itself."""
        if self._publisher.publish():
            return
        try:
            wait_until(self._publisher.publish, "messages are queued again", 10)
        except AssertionError as e:
            self._run.violation(f"{self._what}: {e}")

    def _check_that_it_is_reported(self):
        failed = [e for e in read_journal(self._faults.journal) if e.is_failed_sync]
        self._run.figures["failed_syncs"] += len(failed)
        # SQLite says nothing of a folder that it could not sync, and the router syncs it once more.
        if self._router.lives > 1 or not any(e.inode for e in failed):
            return
        errors = sum(self._router.metrics().series("router_spool_errors_total").values())
        self._run.check(errors, f"{self._what}: it is in no metric")

    def _cut_power_and_compare(self):
        disk = Disk(self._at_first)
        for entry in read_journal(self._faults.journal):
            disk.apply(entry)
        wrong = disk.differences(self._pending_dir)
        self._run.check(not wrong, f"the journal does not explain {wrong}")
        left = os.path.join(self._run.folder, "left")
        shutil.rmtree(left, ignore_errors=True)
        disk.write_to(left, self._remains or self._run.random.choice(REMAINS), self._run.random)
        findings = restart_and_compare(self._run, left, [self._publisher.view()])
        self._run.figures["false_acks"] += findings.counts["lost"]
        for text in findings.violations():
            self._run.violation(f"{self._what}: {text}")
