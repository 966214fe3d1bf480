"""Libraries that are preloaded into a router, and the files by which they are steered."""

import mmap
import os
import struct
import sys

from harness.router import binary_path

from frame.scenario import Skipped


def _environment(name, **variables):
    if has_sanitizer(binary_path()):
        raise Skipped("a sanitizer and a preloaded library both have to be loaded first")
    return {"LD_PRELOAD": _find(f"lib{name}.so"), **variables}


def has_sanitizer(binary):
    """Whether its runtime, too, has to be loaded before everything else."""
    with open(binary, "rb") as f, mmap.mmap(f.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return any(content.find(name) >= 0 for name in (b"__asan_init", b"__tsan_init"))


def _find(library):
    """Bazel puts it into a folder of PYTHONPATH, which need not be the one this file is in."""
    for folder in sys.path:
        path = os.path.join(folder, "preload", library)
        if os.path.exists(path):
            return path
    raise FileNotFoundError(f"{library} is not built")


class _Numbers:
    """Signed 64-bit numbers in a file that another process has in its memory."""

    def __init__(self, path, *values):
        self._format = struct.Struct("q")
        with open(path, "wb") as f:
            f.write(b"".join(map(self._format.pack, values)))
        with open(path, "r+b") as f:
            self._memory = mmap.mmap(f.fileno(), 0)

    def __getitem__(self, index):
        return self._format.unpack_from(self._memory, 8 * index)[0]

    def __setitem__(self, index, value):
        self._format.pack_into(self._memory, 8 * index, value)


class DiskFaults:
    """The disk of one folder: keeps a journal of it, and makes it full or fail."""

    def __init__(self, folder, journal, control):
        """`folder` is made where it is not there; `journal`, where one is wanted, and `control` are
        files elsewhere."""
        os.makedirs(folder, exist_ok=True)
        self.journal = journal
        self._numbers = _Numbers(control, -1, 0, 0, 0)
        self.env = _environment("disk_faults", DISK_FAULTS_FOLDER=folder,
                                DISK_FAULTS_CONTROL=control)
        if journal:
            self.env["DISK_FAULTS_JOURNAL"] = journal

    def position(self):
        """How long the journal is: what was done up to now stands before it."""
        try:
            return os.stat(self.journal).st_size
        except FileNotFoundError:
            return 0

    @property
    def syncs(self):
        return self._numbers[3]

    def fail_sync(self, number, hide=False):
        """The sync with this number, counted from the start, fails with EIO; 0: none does. `hide`:
        and says that it did not, as a program does that does not look."""
        self._numbers[1] = number
        self._numbers[2] = hide

    def set_capacity(self, size_bytes):
        """Files that grow beyond this together get ENOSPC; None for no limit."""
        self._numbers[0] = -1 if size_bytes is None else size_bytes


class ClockJump:
    """The wall clock of a router, as far from the machine's as one likes."""

    def __init__(self, control):
        self._numbers = _Numbers(control, 0)
        self.env = _environment("clock_jump", CLOCK_JUMP_CONTROL=control)

    def set(self, seconds):
        self._numbers[0] = int(seconds * 1e9)
