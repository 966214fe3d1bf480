"""A child process that does not outlive the test."""

import atexit
import glob
import os
import signal
import subprocess
import threading

from harness.waiting import wait_until

_alive = set()
_lock = threading.Lock()


@atexit.register
def _kill_all():
    with _lock:
        for process in _alive:
            process.kill()


class ChildProcess:
    """Runs one command with its output in a file. Start it as often as you like."""

    def __init__(self, name, output_path):
        self.name = name
        self.output_path = output_path
        self._process = None

    @property
    def pid(self):
        return self._process.pid

    @property
    def running(self):
        return self._process is not None and self._process.poll() is None

    def spawn(self, command, env=None):
        assert not self.running, f"{self.name} is running already"
        with open(self.output_path, "ab") as output:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                env=dict(os.environ, **env) if env else None)
        with _lock:
            _alive.add(self._process)

    def signal(self, number):
        self._process.send_signal(number)

    def stop_running(self):
        """SIGSTOP: alive, and silent when this returns. The signal alone is not enough: its threads stop
        one after the other, and may answer until then."""
        self.signal(signal.SIGSTOP)
        wait_until(lambda: set(self._thread_states()) == {"T"}, "every thread has stopped")

    def _thread_states(self):
        for stat in glob.glob(f"/proc/{self._process.pid}/task/*/stat"):
            with open(stat, encoding="utf-8") as f:
                yield f.read().rpartition(")")[2].split()[0]

    def go_on(self):
        self.signal(signal.SIGCONT)

    def kill(self):
        """kill -9, and gone when this returns."""
        if self._process is None:
            return
        if self._process.poll() is None:
            self._process.kill()
        self.wait(10)

    def wait(self, timeout_s):
        """The exit status; negative for a signal."""
        status = self._process.wait(timeout_s)
        with _lock:
            _alive.discard(self._process)
        return status

    def output(self):
        try:
            with open(self.output_path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""
