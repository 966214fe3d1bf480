"""The oracle: what callers were told, held against what the broker has.

Lost: told DELIVERED or QUEUED, and not in the stream. Duplicated: in the stream more than once.
Reordered: an inversion within an ordering key. Phantom: told that it was dropped or not accepted,
and in the stream all the same. What was never answered may be there or not.
"""

import collections
import dataclasses
import threading

DELIVERED = "DELIVERED"
QUEUED = "QUEUED"
DROPPED = "DROPPED"
REJECTED = "REJECTED"      # Refused after it was taken as a well-formed publish.
INVALID = "INVALID"        # Refused at the edge: never a publish operation at all.
UNKNOWN = "UNKNOWN"        # No answer, or a deadline that passed.

PROMISED = (DELIVERED, QUEUED)


@dataclasses.dataclass
class Record:
    """One message as its caller sees it."""
    message_id: str
    key: str
    with_ack: bool
    life: int
    outcome: str = UNKNOWN
    stream: str = ""
    sequence: int = 0
    operation_id: int = 0
    duplicate: bool = False


@dataclasses.dataclass
class Findings:
    """What is wrong. Falsy when nothing is."""
    lost: list
    duplicated: list
    reordered: list
    phantom: list
    foreign: list
    misplaced: list

    def __bool__(self):
        return any(dataclasses.astuple(self))

    def __str__(self):
        parts = [f"{field.name}: {len(found)}, first {found[:5]}"
                 for field in dataclasses.fields(self)
                 if (found := getattr(self, field.name))]
        return "; ".join(parts) or "nothing wrong"


class Oracle:
    """The log of all callers of one test. Thread-safe."""

    def __init__(self):
        self._lock = threading.Lock()
        self._records = {}
        self.life = 0  # Counts the lives of the router process.

    def invoke(self, message_id, key, with_ack=True):
        """Before a message is sent. Messages of a key are in order when invoked in order."""
        record = Record(message_id, key, with_ack, self.life)
        with self._lock:
            assert message_id not in self._records, f"id used twice: {message_id}"
            self._records[message_id] = record
        return record

    def records(self):
        with self._lock:
            return list(self._records.values())

    def count(self, *outcomes, life=None, with_ack=None):
        return sum(1 for r in self.records()
                   if r.outcome in outcomes and life in (None, r.life)
                   and with_ack in (None, r.with_ack))

    def outcomes(self):
        return dict(collections.Counter(r.outcome for r in self.records()))

    def check(self, stored, dropped_may_arrive=False, purged=()):
        """Compares with the messages of a stream, given in order as (message id, sequence)."""
        known = {r.message_id: r for r in self.records()}
        position = {message_id: i for i, message_id in enumerate(known)}
        copies = collections.Counter(message_id for message_id, _ in stored)
        sequences = {}
        findings = Findings([], [], [], [], [], [])
        last = {}
        for message_id, sequence in stored:
            record = known.get(message_id)
            if record is None:
                findings.foreign.append(message_id)
                continue
            first_seen = message_id not in sequences
            sequences.setdefault(message_id, sequence)
            if first_seen:
                if position[message_id] < last.get(record.key, -1):
                    findings.reordered.append(message_id)
                last[record.key] = max(position[message_id], last.get(record.key, -1))
        for message_id, record in known.items():
            present = message_id in copies
            if record.outcome in PROMISED and not present and message_id not in purged:
                findings.lost.append(message_id)
            if present and (record.outcome in (REJECTED, INVALID)
                            or message_id in purged
                            or (record.outcome == DROPPED and not dropped_may_arrive)):
                findings.phantom.append(message_id)
            if copies[message_id] > 1:
                findings.duplicated.append(message_id)
            if (record.outcome == DELIVERED and record.sequence and present
                    and record.sequence != sequences[message_id]):
                findings.misplaced.append(message_id)
        return findings
