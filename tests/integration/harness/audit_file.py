"""The audit log on disk, made so full that the router cannot write it."""

import json
import os

_FILE_BYTES_MAX = 16 << 20


def _line(detail):
    event = {"id": "0" * 19 + "1", "time": "2026-01-01T00:00:00Z", "actor": "filler",
             "method": "Fill", "reason": "", "detail": detail, "outcome": "OK", "request_id": ""}
    return json.dumps(event).encode() + b"\n"


def fill_audit_log(pending_dir, free_bytes):
    """Leaves room for so many bytes, for a router that does not run, and lets no rotation succeed:
    what does not fit cannot be written."""
    path = os.path.join(pending_dir, "audit.log")
    with open(path, "ab") as f:
        left = _FILE_BYTES_MAX - free_bytes - f.tell()
        while left > 0:
            # The last two share what is left, so that none is too short to be an event.
            size = 4000 if left > 8000 else left if left <= 4000 else left // 2
            line = _line("x" * (size - len(_line(""))))
            f.write(line)
            left -= len(line)
    assert os.path.getsize(path) == _FILE_BYTES_MAX - free_bytes
    os.mkdir(path + ".new")


def let_audit_log_rotate(pending_dir):
    """Ends that, also for a router that runs."""
    os.rmdir(os.path.join(pending_dir, "audit.log.new"))
