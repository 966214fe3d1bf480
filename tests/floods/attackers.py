"""Starts and ends hostile clients."""

import contextlib
import json
import os
import subprocess
import sys

FLOODS = ("reset_unary", "reset_stream", "reset_unknown", "ping", "settings", "continuation",
          "empty_continuation", "hpack", "headers_too_large", "window_update", "priority")
# Where floods come from, so that a ban does not meet the good client.
HOSTILE_ADDRESS = "127.0.0.2"
_PROGRAM = os.path.join(os.path.dirname(os.path.abspath(__file__)), "attack.py")


class Attacker:
    """`report`: of a flood that has ended, what it prints."""

    def __init__(self, kind, port, *options):
        self.report = {}
        self._process = subprocess.Popen(
            [sys.executable, _PROGRAM, kind, str(port), *options],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def wait_begun(self):
        line = self._process.stdout.readline()
        assert line == "begun\n", f"an attacker failed to begin: {line!r}"

    @property
    def is_running(self):
        return self._process.poll() is None

    def end(self):
        try:
            printed, _ = self._process.communicate(timeout=20)  # Closes its standard input.
        finally:
            self._process.kill()
        if printed.strip():
            self.report = json.loads(printed)


@contextlib.contextmanager
def attack(kind, port, source=HOSTILE_ADDRESS, subject="test.stalled", tls=False):
    """A hostile client that is at work until the end of the block: one of FLOODS, which may speak
    TLS, or another one that attack.py has."""
    attacker = Attacker(kind, port, "--source", source, "--subject", subject,
                        *(["--tls"] if tls else []))
    try:
        attacker.wait_begun()
        yield attacker
    finally:
        attacker.end()
