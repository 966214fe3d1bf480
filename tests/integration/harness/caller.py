"""Callers that publish and write down in the oracle what they were told."""

import itertools
import queue
import threading
import time

import grpc
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import oracle as outcomes
from harness.api import RECEIVED, STORED, RouterError, error_of_status
from harness.waiting import wait_until

PAYLOAD_MARK = b"payload-that-no-log-may-show"

_OUTCOMES = {
    message_pb2.PUBLISH_OUTCOME_DELIVERED: outcomes.DELIVERED,
    message_pb2.PUBLISH_OUTCOME_QUEUED: outcomes.QUEUED,
    message_pb2.PUBLISH_OUTCOME_DROPPED: outcomes.DROPPED,
    message_pb2.PUBLISH_OUTCOME_REJECTED: outcomes.REJECTED,
}
_AT_THE_EDGE = (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.PERMISSION_DENIED)
_ids = itertools.count(1)


class Answer:
    """What one caller was told about one message."""

    def __init__(self, record, elapsed_s, error=None):
        self.record = record
        self.elapsed_s = elapsed_s
        self.error = error

    @property
    def outcome(self):
        return self.record.outcome

    def __repr__(self):
        return f"Answer({self.outcome}, {self.elapsed_s * 1000:.1f} ms, {self.error})"


class Caller:
    """Publishes through one router. Thread-safe, as the oracle is."""

    def __init__(self, router, oracle):
        self._router = router
        self._oracle = oracle

    def message(self, subject, key="", guarantee=STORED, message_id=None, payload=None,
                headers=None, ttl_s=None):
        """A message with an id of its own, and its record in the oracle."""
        message_id = message_id or f"id-{next(_ids)}"
        if payload is None:
            payload = PAYLOAD_MARK + b" " + message_id.encode()
        message = message_pb2.Message(
            subject=subject, payload=payload, headers=headers or {}, message_id=message_id,
            ordering_key=key, guarantee=guarantee)
        if ttl_s is not None:
            message.ttl.FromMilliseconds(int(ttl_s * 1000))
        record = self._oracle.invoke(message_id, key or subject, guarantee != RECEIVED)
        return message, record

    def publish(self, subject, timeout_s=10.0, **fields):
        """One unary publish. Errors of the router are returned, not raised."""
        message, record = self.message(subject, **fields)
        begin = time.monotonic()
        try:
            answer = self._router.api.Publish(publisher_pb2.PublishRequest(message=message),
                                              timeout_s)
        except RouterError as e:
            note_error(record, e)
            return Answer(record, time.monotonic() - begin, e)
        elapsed = time.monotonic() - begin
        note(record, answer.result)
        return Answer(record, elapsed)

    def publish_many(self, subject, count, **fields):
        """So many unary publishes, one after the other."""
        return [self.publish(subject, **fields) for _ in range(count)]

    def publish_batch(self, subjects, timeout_s=30.0, **fields):
        """One batch with a message for each subject."""
        pairs = [self.message(subject, **fields) for subject in subjects]
        begin = time.monotonic()
        response = self._router.api.PublishBatch(
            publisher_pb2.PublishBatchRequest(messages=[m for m, _ in pairs]), timeout_s)
        elapsed = time.monotonic() - begin
        assert len(response.results) == len(pairs), "one result for each message"
        return [Answer(record, elapsed, note(record, result))
                for (_, record), result in zip(pairs, response.results)]

    def open_stream(self, timeout_s=120.0):
        return StreamCaller(self, self._router.api, timeout_s)


class StreamCaller:
    """One PublishStream that stays open."""

    def __init__(self, caller, api, timeout_s):
        self._caller = caller
        self._frames = queue.Queue()
        self._lock = threading.Lock()
        self._records = []
        self._answered = 0
        self.problems = []
        self.errors = []
        self.call_error = None
        self._call = api.publish_stream(iter(self._frames.get, None), timeout_s)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def send(self, subject, count=1, **fields):
        """One frame."""
        pairs = [self._caller.message(subject, **fields) for _ in range(count)]
        with self._lock:
            self._records += [[record, False] for _, record in pairs]
        self._frames.put(publisher_pb2.PublishStreamRequest(messages=[m for m, _ in pairs]))
        return [record for _, record in pairs]

    @property
    def sent(self):
        with self._lock:
            return len(self._records)

    @property
    def answered(self):
        with self._lock:
            return self._answered

    def wait_answered(self, deadline_s=30.0, at_least=None):
        """Waits until all, or the first so many, messages have their answers."""
        wanted = self.sent if at_least is None else at_least
        wait_until(lambda: self.answered >= wanted or self.call_error,
                   f"{wanted} messages of the stream are answered", deadline_s)

    def finish(self, deadline_s=30.0):
        """Half-closes and reads to the end. Raises if the call failed or an answer is wrong."""
        self._frames.put(None)
        self._reader.join(deadline_s)
        assert not self._reader.is_alive(), "the stream does not end after half-close"
        if self.call_error:
            raise self.call_error
        assert not self.problems, self.problems[:5]
        assert self.answered == self.sent, f"{self.answered} of {self.sent} answered"

    def cancel(self):
        self._frames.put(None)
        self._call.cancel()
        self._reader.join(10)

    def _read(self):
        try:
            for response in self._call:
                self._on_response(response)
        except grpc.RpcError as e:
            self.call_error = e
        finally:
            self._frames.put(None)

    def _on_response(self, response):
        with self._lock:
            for r in response.ranges:
                if not 1 <= r.first <= r.last <= len(self._records):
                    self.problems.append(f"range {r.first}-{r.last} of {len(self._records)}")
                    continue
                for number in range(r.first, r.last + 1):
                    record = self._take(number)
                    record.outcome = _OUTCOMES[r.outcome]
                    if r.outcome == message_pb2.PUBLISH_OUTCOME_DELIVERED and r.first_sequence:
                        record.stream = r.stream
                        record.sequence = r.first_sequence + number - r.first
                    if r.outcome == message_pb2.PUBLISH_OUTCOME_QUEUED:
                        record.operation_id = r.first_operation_id + number - r.first
            for r in response.results:
                if not 1 <= r.number <= len(self._records):
                    self.problems.append(f"result {r.number} of {len(self._records)}")
                    continue
                record = self._take(r.number)
                if r.result.message_id != record.message_id:
                    self.problems.append(f"{record.message_id} answered as {r.result.message_id}")
                error = note(record, r.result)
                if error:
                    self.errors.append(error)

    def _take(self, number):
        entry = self._records[number - 1]
        if entry[1]:
            self.problems.append(f"message {number} is answered twice")
        else:
            entry[1] = True
            self._answered += 1
        return entry[0]


def note(record, result):
    """Writes a PublishResult into the record; returns its error, if any."""
    assert result.outcome in _OUTCOMES, f"no outcome: {result}"
    assert result.message_id == record.message_id, "the answer carries the caller's own id"
    record.outcome = _OUTCOMES[result.outcome]
    record.stream = result.stream
    record.sequence = result.sequence
    record.operation_id = result.operation_id
    record.duplicate = result.duplicate
    if record.outcome != outcomes.REJECTED:
        return None
    error = error_of_status(result.error)
    note_error(record, error)
    return error


def note_error(record, error):
    """What an error says about the message: refused at the edge, refused later, or unknown."""
    if error.code in _AT_THE_EDGE:
        record.outcome = outcomes.INVALID
    elif error.code == grpc.StatusCode.DEADLINE_EXCEEDED or not error.reason:
        record.outcome = outcomes.UNKNOWN
    else:
        record.outcome = outcomes.REJECTED
