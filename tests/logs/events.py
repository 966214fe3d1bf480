"""What docs/logs.md says about the router's events, and what its code can log."""

import json
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
DOCUMENT = ROOT / "docs" / "logs.md"

COMMON = ("timestamp", "level", "message", "error_code", "error_tag")
SOMETIMES = ("suppressed", "truncated")  # Of any event.

_ROW = re.compile(r"^\| `([A-Z0-9_]+)` \| ([A-Z]+) \| (.*?) \| (.+) \|$", re.MULTILINE)
_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CALL = re.compile(r"[.>](?:Repeating)?Event\((.*?)\);", re.DOTALL)
_CODE = re.compile(r'"([A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+)"')
_LEVEL = re.compile(r"LogLevel::k([A-Z][a-z]+)")
_FIELD = re.compile(r'\{"([a-z_0-9]+)",')


class Event:
    """One code: its level, the fields that it always has, and those that it has at times."""

    def __init__(self, level, always, sometimes):
        self.level = level
        self.always = set(always)
        self.sometimes = set(sometimes)

    def __repr__(self):
        return f"{self.level} {sorted(self.always)} ({sorted(self.sometimes)})"


def documented():
    """The rows of the tables, by code. Fields in parentheses are not always there."""
    events = {}
    for code, level, fields, _ in _ROW.findall(DOCUMENT.read_text(encoding="utf-8")):
        assert code not in events, f"{code} has two rows"
        always, _, sometimes = fields.partition("(")
        events[code] = Event(level, re.findall(r"`(\w+)`", always),
                             re.findall(r"`(\w+)`", sometimes))
    return events


def blocks(language):
    """The code blocks of one language."""
    text = DOCUMENT.read_text(encoding="utf-8")
    return [body for found, body in _BLOCK.findall(text) if found == language]


def examples():
    """Every line of log in the document."""
    return [json.loads(line) for body in blocks("json") for line in body.splitlines()]


def emitted():
    """The events that the sources of the server can log, by code."""
    events = {}
    for path in sorted((ROOT / "server").rglob("*.cc")):
        text = re.sub(r"//.*", "", path.read_text(encoding="utf-8"))
        for call in _CALL.findall(text):
            codes = _CODE.findall(call)
            levels = [level.upper() for level in _LEVEL.findall(call)]
            if not codes or not levels:
                continue
            fields = _FIELD.findall(call)
            always = [f for f in fields if f != "trace_id"]
            for i, code in enumerate(codes):
                level = levels[i] if len(levels) == len(codes) else levels[0]
                _add(events, code, Event(level, always, set(fields) - set(always)))
    return events


def _add(events, code, new):
    known = events.setdefault(code, Event(new.level, new.always, ()))
    assert known.level == new.level, f"{code} has two levels"
    all_fields = known.always | known.sometimes | new.always | new.sometimes
    known.always &= new.always
    known.sometimes = all_fields - known.always
