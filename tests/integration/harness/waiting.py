"""Waiting for conditions instead of sleeping."""

import threading
import time

from harness import sanitizers

_IDLE = threading.Event()  # Never set: its wait is a pause that costs nothing.


class GaveUp(AssertionError):
    """What is waited for cannot happen any more."""


def wait_until(predicate, what, deadline_s=10.0, poll_s=0.01):
    """Calls `predicate` until it returns something true, and returns that.

    An exception of the predicate counts as false; the last one is named when the time is up. Only
    `GaveUp` ends the waiting.
    """
    end = time.monotonic() + deadline_s * sanitizers.TIME
    error = None
    while True:
        try:
            value = predicate()
            if value:
                return value
            error = None
        except GaveUp:
            raise
        except Exception as e:  # pylint: disable=broad-except
            error = e
        if time.monotonic() >= end:
            break
        _IDLE.wait(poll_s)
    detail = f" (last error: {error!r})" if error else ""
    raise AssertionError(f"not within {deadline_s} s: {what}{detail}")


def stays_true(predicate, what, for_s, poll_s=0.02):
    """Asserts that `predicate` holds all the time for `for_s` seconds."""
    end = time.monotonic() + for_s
    while time.monotonic() < end:
        if not predicate():
            raise AssertionError(f"no longer true: {what}")
        _IDLE.wait(poll_s)
