"""Scenario 4."""

import os
import subprocess
import time

from router.v1 import admin_pb2

from frame.preload import DiskFaults
from frame.scenario import Planted, Scenario

_DISK_BYTES = 16 << 20
_KEPT_FREE_BYTES = 1 << 20


class DiskFull(Scenario):
    name = "disk_full"
    sentence = ("the disk fills up under load while the broker is away, and is freed: refusals with "
                "RESOURCE_EXHAUSTED, no abort, recovery by itself, nothing lost")
    planted = (Planted.failpoint("QUEUED is told and nothing is written", "append=forget@0.3",
                                 "lost"),)

    def run(self, run):
        run.start_broker()
        disk = _Tmpfs(run) if _Tmpfs.possible(run) else _Preloaded(run)
        # Without a reserve, the disk really is full when SQLite writes; with one, the router stops
        # before. Each has a half of the time.
        run.start_router(pending_dir=disk.folder, env=disk.env, pending_min_free_disk_bytes=0)
        load = run.start_load(rate=3000, payload_bytes=1000, retry=True)
        run.figures.update(disk=disk.kind, rounds=0, aborts=0, refused=0, recovery_s=0.0)
        half_s = run.remaining_s / 2
        while run.figures["rounds"] == 0 or run.remaining_s > half_s:
            if not self._fill_and_free(run, disk, load):
                break
        if disk.has_free_space:
            run.router.terminate()
            run.router.settings["pending_min_free_disk_bytes"] = _KEPT_FREE_BYTES
            run.router.start()
        while run.going() and self._fill_and_free(run, disk, load):
            pass
        _deliver(run, True)
        run.figures["refused"] = _refusals(load)
        run.finish(load)
        longest_s = run.figures["recovery_s"]
        run.check(longest_s < 5, f"recovery took {longest_s:.1f} s")

    def _fill_and_free(self, run, disk, load):
        """Whether the router went through it as it should."""
        _deliver(run, False)
        refused = _refusals(load)
        disk.fill()
        if not run.wait_until(lambda: _refusals(load) > refused,
                              "a full disk is answered RESOURCE_EXHAUSTED", 20):
            return False
        self._check_alive(run)
        run.pause(0.2)
        begin = time.monotonic()
        accepted = load.meter.accepted
        disk.free()
        if not run.wait_until(lambda: load.meter.accepted > accepted,
                              "messages are accepted again when there is room", 10):
            return False
        run.figures["recovery_s"] = max(run.figures["recovery_s"],
                                        round(time.monotonic() - begin, 2))
        run.figures["rounds"] += 1
        _deliver(run, True)
        return run.wait_until(
            lambda: run.router.metric("router_nats_pending_operations_count") < 500, "drains", 20)

    @staticmethod
    def _check_alive(run):
        if not run.check(run.router.process.running, "the router has ended"):
            run.figures["aborts"] += 1
        run.check(run.router.get("/livez") == 200, "the router does not answer")
        run.router.api.GetStatus(admin_pb2.GetStatusRequest())


def _refusals(load):
    return sum(n for reason, n in load.meter.reasons.items() if reason.endswith("SPOOL_FULL"))


def _deliver(run, on):
    if on:
        run.router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="disk full"))
    else:
        run.router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="disk full"))


class _Tmpfs:
    """A small disk, and a file that takes what is left of it. Only root can make one."""

    kind = "tmpfs"
    has_free_space = True
    env = {}

    @staticmethod
    def possible(run):
        folder = os.path.join(run.folder, "probe")
        os.makedirs(folder)
        if not _mount(folder):
            return False
        _unmount(folder)
        return True

    def __init__(self, run):
        self.folder = os.path.join(run.folder, "disk")
        os.makedirs(self.folder)
        _mount(self.folder)
        run.defer(_unmount, self.folder)
        self._filler = os.path.join(self.folder, "filler")

    def fill(self):
        with open(self._filler, "wb", buffering=0) as f:
            try:
                while True:
                    f.write(bytes(1 << 16))
            except OSError:
                pass

    def free(self):
        os.unlink(self._filler)


def _mount(folder):
    return subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={_DISK_BYTES}", "none", folder],
                          capture_output=True, check=False).returncode == 0


def _unmount(folder):
    subprocess.run(["umount", "-l", folder], capture_output=True, check=False)


class _Preloaded:
    """Writes fail as on a full disk, wherever root is not to be had."""

    kind = "preload"
    has_free_space = False

    def __init__(self, run):
        self.folder = os.path.join(run.folder, "disk")
        os.makedirs(self.folder)
        self._faults = DiskFaults(self.folder, None, os.path.join(run.folder, "control"))
        self.env = self._faults.env

    def fill(self):
        used = sum(os.stat(os.path.join(self.folder, name)).st_size
                   for name in os.listdir(self.folder))
        self._faults.set_capacity(used)

    def free(self):
        self._faults.set_capacity(None)
