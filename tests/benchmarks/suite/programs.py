"""The programs that measure, as child processes that print one line of JSON."""

import json
import os
import socket
import subprocess
import time

from harness.process import ChildProcess
from harness.waiting import GaveUp, wait_until

_PATIENCE_S = 120


class MeasurementFailed(Exception):
    """A program could not measure what it was to measure."""


def path_of(name):
    """Where Bazel puts a program of //tests/benchmarks beside this one."""
    runfiles = os.path.join(os.environ.get("TEST_SRCDIR", ""), "router")
    beside = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    for folder in (beside, os.path.join(runfiles, "tests", "benchmarks")):
        path = os.path.join(folder, name)
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError(f"{name}: build //tests/benchmarks:{name}")


def flags(**values):
    return [f"--{name}={str(value).lower() if isinstance(value, bool) else value}"
            for name, value in values.items()]


def measure(name, **options):
    """Runs one; what it has measured."""
    arguments = flags(**options)
    done = subprocess.run([path_of(name)] + arguments, stdin=subprocess.DEVNULL, capture_output=True, text=True,
                          timeout=_PATIENCE_S + 10 * options.get("seconds", 0), check=False)
    if done.returncode != 0:
        raise MeasurementFailed(f"{name} {' '.join(arguments)}: {done.stderr.strip()[-2000:]}")
    return json.loads(done.stdout)


def cpu_seconds(pid):
    """CPU time that a process has used."""
    return time.clock_gettime((~pid << 3) | 2)  # As clock_getcpuclockid(3) computes it.


def resident_bytes(pid):
    with open(f"/proc/{pid}/statm", encoding="ascii") as f:
        return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class BareServer:
    """A bare PublisherService as a child process."""

    def __init__(self, folder, port, api, answers="outcomes"):
        self.address = f"127.0.0.1:{port}"
        self._port = port
        self._process = ChildProcess("bare_server", os.path.join(folder, f"bare_server.{port}.log"))
        self._process.spawn([path_of("bare_server")]
                            + flags(address=self.address, api=api, answers=answers))
        wait_until(self._listens, "the bare server listens")

    @property
    def pid(self):
        return self._process.pid

    def _listens(self):
        if not self._process.running:
            raise GaveUp(self._process.output()[-2000:])
        return listens(self._port)

    def kill(self):
        self._process.kill()


def listens(port):
    """Whether something listens on a port of loopback."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
