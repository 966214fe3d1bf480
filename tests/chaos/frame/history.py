"""What each client was told about each of its messages, and how that compares with the stream.

Made for millions of messages: a client numbers its messages from 0 and everything else follows from
the number. The message `n` of the client `c` has the id `c-n` and the key `n % keys`; a byte per
message says what the client was told. All of it also goes into a log of the client's own, as
`time invoke first last`, `time again first last` and `time OUTCOME first last`.
"""

import array
import collections
import os
import threading
import time

from harness import oracle as outcomes

UNKNOWN, DELIVERED, QUEUED, DROPPED, REJECTED = range(5)
CODES = {outcomes.UNKNOWN: UNKNOWN, outcomes.DELIVERED: DELIVERED, outcomes.QUEUED: QUEUED,
         outcomes.DROPPED: DROPPED, outcomes.REJECTED: REJECTED}
NAMES = {code: name for name, code in CODES.items()}
_ACCEPTED = (DELIVERED, QUEUED)
_SHOWN = 5  # So many ids are named in a finding.
# What has happened to a message, as bits.
_ANSWERED, _SENT_AGAIN = 1, 2


class AnsweredTwice(AssertionError):
    """Every message is answered once."""


class ClientHistory:
    """One client's messages. Written by the threads of this client alone."""

    def __init__(self, name, keys, folder):
        assert "-" not in name
        self.name = name
        self.keys = keys
        self.told = bytearray()
        self.sequences = array.array("Q")
        self._state = bytearray()
        self._lock = threading.Lock()
        os.makedirs(folder, exist_ok=True)
        self._log = open(os.path.join(folder, name + ".log"), "w", encoding="ascii",
                         buffering=1 << 16)
        self._log.write(f"# message n: id {name}-n, key n % {keys}, seq n // {keys}\n")

    def __len__(self):
        return len(self.told)

    def message_id(self, number):
        return f"{self.name}-{number}"

    def key(self, number):
        return number % self.keys

    def invoke(self, count):
        """Before that many more messages are sent; their numbers."""
        with self._lock:
            first = len(self.told)
            self.told.extend(bytes(count))
            self._state.extend(bytes(count))
            self.sequences.extend([0] * count)
            self._write("invoke", range(first, first + count))
        return range(first, first + count)

    def send_again(self, numbers):
        """Before these are sent once more. An earlier attempt may have reached the stream, so that to
        be refused now says nothing about that."""
        with self._lock:
            for number in numbers:
                self._state[number] |= _SENT_AGAIN
            self._write("again", numbers)

    def result(self, numbers, code, first_sequence=0):
        """What the client was told about these. The stream's sequences follow one by one. Raises
        AnsweredTwice."""
        with self._lock:
            self._write(NAMES[code], numbers)
            for offset, number in enumerate(numbers):
                state = self._state[number]
                if state & _ANSWERED:
                    raise AnsweredTwice(
                        f"{self.message_id(number)} was told {NAMES[self.told[number]]}, and now "
                        f"{NAMES[code]}")
                self._state[number] = state | _ANSWERED
                doubtful = state & _SENT_AGAIN and code not in _ACCEPTED
                self.told[number] = UNKNOWN if doubtful else code
                if first_sequence:
                    self.sequences[number] = first_sequence + offset

    def repeatable(self, numbers):
        """Those of them that were not answered, in order, and may be sent again: without those for
        which a later one of their key was accepted, since the client itself would break the order."""
        found, overtaken = [], set()
        for number in sorted(numbers, reverse=True):
            key = self.key(number)
            if self.told[number] in _ACCEPTED:
                overtaken.add(key)
            elif not self._state[number] & _ANSWERED and key not in overtaken:
                found.append(number)
        return found[::-1]

    def _write(self, what, numbers):
        parts = [numbers]
        if numbers[-1] - numbers[0] != len(numbers) - 1:
            parts = [[number] for number in numbers]
        for part in parts:
            self._log.write(f"{time.time():.6f} {what} {part[0]} {part[-1]}\n")

    def close(self):
        with self._lock:
            self._log.close()


class Findings:
    """Messages for which the stream does not agree with what was told, by kind of disagreement."""

    KINDS = ("lost", "duplicates", "reordered", "phantom", "foreign", "misplaced", "unanswered")

    def __init__(self):
        self.counts = collections.Counter()
        self.examples = collections.defaultdict(list)

    def add(self, kind, message_id):
        self.counts[kind] += 1
        if len(self.examples[kind]) < _SHOWN:
            self.examples[kind].append(message_id)

    def violations(self, ignore=("unanswered",)):
        """One line for each kind of disagreement."""
        return [f"{kind} {self.counts[kind]}, first {', '.join(self.examples[kind])}"
                for kind in self.KINDS if self.counts[kind] and kind not in ignore]


def check(histories, stored, contiguous):
    """Compares with the ids of a stream, in its order.

    Lost: told DELIVERED or QUEUED and absent. Duplicate: stored more than once. Reordered: behind a
    later one of its key, both of them accepted. Phantom: told that it was not accepted, and stored.
    Foreign: nobody's. Misplaced: told another sequence than it has (checked where the stream is
    `contiguous`, from 1). Unanswered: told nothing, and stored; that is fine unless every call had
    to be answered.
    """
    findings = Findings()
    clients = {}
    for history in histories:
        clients[history.name] = (history.told, bytearray(len(history)), history.sequences,
                                 history.keys, [-1] * history.keys)
    for position, message_id in enumerate(stored, 1):
        name, _, digits = message_id.partition("-")
        client = clients.get(name)
        number = int(digits) if digits.isdigit() else -1
        if client is None or not 0 <= number < len(client[0]):
            findings.add("foreign", message_id)
            continue
        told, seen, sequences, keys, last = client
        if seen[number]:
            if seen[number] == 1:
                findings.add("duplicates", message_id)
            seen[number] = 2
            continue
        seen[number] = 1
        code = told[number]
        if code in (DROPPED, REJECTED):
            findings.add("phantom", message_id)
        elif code == UNKNOWN:
            findings.add("unanswered", message_id)
        else:
            key = number % keys
            if number < last[key]:
                findings.add("reordered", message_id)
            else:
                last[key] = number
            if contiguous and sequences[number] and sequences[number] != position:
                findings.add("misplaced", message_id)
    for name, (told, seen, _, _, _) in clients.items():
        for number, code in enumerate(told):
            if code in (DELIVERED, QUEUED) and not seen[number]:
                findings.add("lost", f"{name}-{number}")
    return findings


def counts(histories):
    """How many messages were told what, by name."""
    total = collections.Counter()
    for history in histories:
        for code, name in NAMES.items():
            total[name] += history.told.count(code)
    return total
