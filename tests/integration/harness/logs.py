"""The router's log: one JSON object per line."""

import json

from harness.waiting import wait_until


class LogEvent(dict):
    """One line, with its place in the log."""

    def __init__(self, fields, index):
        super().__init__(fields)
        self.index = index

    @property
    def code(self):
        return self.get("error_code", "")


class LogReader:
    """Reads a growing log file. Lines that are no JSON objects are kept in `malformed`."""

    def __init__(self, path):
        self._path = path
        self._offset = 0
        self._partial = b""
        self._events = []
        self.malformed = []

    def events(self, *codes, after=None):
        """Everything logged so far, or the events with these codes behind the event `after`."""
        self._read()
        first = after.index + 1 if after is not None else 0
        return [e for e in self._events[first:] if not codes or e.code in codes]

    def codes(self, after=None):
        return [e.code for e in self.events(after=after) if e.code]

    def wait_for_event(self, code, after=None, deadline_s=10.0, where=lambda event: True):
        """The first event with this code behind `after` for which `where` holds."""
        return wait_until(
            lambda: next((e for e in self.events(code, after=after) if where(e)), None),
            f"log event {code}", deadline_s)

    def mark(self):
        """The last event up to now, to be handed over as `after`."""
        events = self.events()
        return events[-1] if events else None

    def text(self):
        try:
            with open(self._path, encoding="utf-8", errors="replace") as f:
                return f.read()
        except FileNotFoundError:
            return ""

    def _read(self):
        try:
            with open(self._path, "rb") as f:
                f.seek(self._offset)
                data = f.read()
        except FileNotFoundError:
            return
        self._offset += len(data)
        lines = (self._partial + data).split(b"\n")
        self._partial = lines.pop()
        for line in lines:
            if not line:
                continue
            try:
                fields = json.loads(line)
                if not isinstance(fields, dict):
                    raise ValueError("not an object")
                self._events.append(LogEvent(fields, len(self._events)))
            except ValueError:
                self.malformed.append(line.decode("utf-8", "replace"))


def missing_in_order(found, wanted):
    """The first of `wanted` that does not follow those before it in `found`; None if all do."""
    remaining = iter(found)
    for code in wanted:
        if code not in remaining:
            return code
    return None
