"""Clients that publish all the time, through whatever happens to the router, and note every answer.

A key has one client, which sends its messages on one stream, or batch after batch.
"""

import collections
import threading
import time

import grpc
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.api import Api, RouterError, error_of_status
from frame import history as told
from frame.history import ClientHistory

_CODES = {
    message_pb2.PUBLISH_OUTCOME_DELIVERED: told.DELIVERED,
    message_pb2.PUBLISH_OUTCOME_QUEUED: told.QUEUED,
    message_pb2.PUBLISH_OUTCOME_DROPPED: told.DROPPED,
    message_pb2.PUBLISH_OUTCOME_REJECTED: told.REJECTED,
}
_ACCEPTED = (told.DELIVERED, told.QUEUED)
# The client's own name for a message. The oracle goes by this one and not by the broker's message
# id, which is the router's to keep.
ID_HEADER = "Chaos-Id"


class Meter:
    """What all clients of a load were told, and the longest time without an accepted message."""

    def __init__(self):
        self._lock = threading.Lock()
        self._last = None
        self._reasons = collections.Counter()
        self.accepted = 0
        self.longest_stall_s = 0.0

    @property
    def reasons(self):
        """How many messages or calls were refused or ended for what reason, up to now: a copy."""
        with self._lock:
            return self._reasons.copy()

    def note(self, code, count, reason=""):
        with self._lock:
            if reason:
                self._reasons[reason] += count
            if code not in _ACCEPTED:
                return
            now = time.monotonic()
            if self._last is not None:
                self.longest_stall_s = max(self.longest_stall_s, now - self._last)
            self._last = now
            self.accepted += count

    def end(self):
        """No more is asked for: the silence after this is no stall."""
        with self._lock:
            if self._last is not None:
                self.longest_stall_s = max(self.longest_stall_s, time.monotonic() - self._last)
            self._last = None


class _Client:
    """A thread, its connection and its history."""

    def __init__(self, address, history, meter, rate, frame, payload=b"x" * 64, retry=False,
                 subject="chaos"):
        """`rate` in messages per second; `frame`: messages sent at a time. With `retry`, messages
        without an answer are sent again, before anything newer."""
        self.history = history
        self._address = address
        self._meter = meter
        self._rate = rate
        self._frame = frame
        self._payload = payload
        self._retry = retry
        self._subject = subject
        self._stopping = threading.Event()
        self._next = time.monotonic()
        self._again = []
        self._api = Api(address)
        self.problem = ""    # What this client has seen that must not be.
        self._thread = threading.Thread(target=self._run_guarded, daemon=True)

    def start(self):
        self._thread.start()

    def stop(self):
        """Nothing new from now on; what is under way is waited for."""
        self._stopping.set()

    def join(self, deadline_s):
        """Whether it came to its end by itself."""
        self._thread.join(deadline_s)
        ended = not self._thread.is_alive()
        if not ended:
            self._abandon()
            self._thread.join(5)
        self._api.close()
        self.history.close()
        return ended

    def _abandon(self):
        pass

    def _run_guarded(self):
        try:
            self._run()
        except Exception as e:  # pylint: disable=broad-except
            self._fail(f"broke off: {e!r}")

    def _fail(self, text):
        """Ends the client. The first problem is the cause of the others."""
        self.problem = self.problem or text
        self.stop()
        self._abandon()

    def _run(self):
        raise NotImplementedError

    def _numbers(self):
        """The next messages to send."""
        if self._again:
            numbers, self._again = self._again[:self._frame], self._again[self._frame:]
            self.history.send_again(numbers)
            return numbers
        return self.history.invoke(self._frame)

    def _fill(self, messages, numbers):
        history = self.history
        base = f"{self._subject}.{history.name}"
        for number in numbers:
            messages.add(subject=f"{base}.{number % history.keys}", payload=self._payload,
                         message_id=f"{history.name}-{number}",
                         headers={ID_HEADER: f"{history.name}-{number}"},
                         guarantee=message_pb2.GUARANTEE_STORED)

    def _due_in(self):
        """Seconds until the next frame is due. Time lost in a stall is not made up for."""
        now = time.monotonic()
        self._next = max(self._next, now - 0.1)
        return self._next - now

    def _note_result(self, number, result):
        """An answer for one message alone."""
        code = _CODES[result.outcome]
        reason = ""
        if code == told.REJECTED:
            error = error_of_status(result.error)
            reason = error.reason or error.code.name
            if error.code == grpc.StatusCode.DEADLINE_EXCEEDED:
                code = told.UNKNOWN  # It may have reached the broker all the same.
        self.history.result([number], code, result.sequence)
        self._meter.note(code, 1, reason)


class StreamClient(_Client):
    """One PublishStream after the other, each as long as it lasts."""

    def __init__(self, *args, window=20000, **options):
        """`window`: most messages without an answer."""
        super().__init__(*args, **options)
        self._window = window
        self._changed = threading.Condition()
        self._sent = []
        self._answered = 0
        self._over = False
        self._call = None

    def stop(self):
        super().stop()
        with self._changed:
            self._changed.notify_all()

    def _abandon(self):
        call = self._call
        if call is not None:
            call.cancel()

    def _run(self):
        while not self._stopping.is_set():
            self._sent, self._answered, self._over = [], 0, False
            self._call = self._api.publish_stream(self._frames(), None, wait_for_ready=True)
            try:
                for response in self._call:
                    self._on_response(response)
                assert self._answered == len(self._sent), (
                    f"a stream ends well with {self._answered} of {len(self._sent)} answered")
            except grpc.RpcError as e:
                self._meter.note(told.UNKNOWN, 1, f"stream {e.code().name}")
            with self._changed:
                self._over = True
                self._changed.notify_all()
                if self._retry:
                    self._again = self.history.repeatable(self._sent + self._again)

    def _frames(self):
        """Read by a thread of gRPC's, which says nothing about an error."""
        try:
            yield from self._due_frames()
        except Exception as e:  # pylint: disable=broad-except
            self._fail(f"broke off: {e!r}")

    def _due_frames(self):
        sent = self._sent
        while True:
            with self._changed:
                while not self._must_end(sent):
                    due_in = self._due_in()
                    if len(sent) - self._answered < self._window and due_in <= 0:
                        break
                    self._changed.wait(min(max(due_in, 0.001), 0.05))
                if self._must_end(sent):
                    return
                self._next += self._frame / self._rate
                numbers = self._numbers()
                sent.extend(numbers)
            request = publisher_pb2.PublishStreamRequest()
            self._fill(request.messages, numbers)
            yield request

    def _must_end(self, sent):
        return self._over or sent is not self._sent or self._stopping.is_set()

    def _on_response(self, response):
        answered = 0
        for r in response.ranges:
            numbers = self._sent[r.first - 1:r.last]
            assert len(numbers) == r.last - r.first + 1 > 0, f"an answer for what was not sent: {r}"
            code = _CODES[r.outcome]
            self.history.result(numbers, code, r.first_sequence)
            self._meter.note(code, len(numbers))
            answered += len(numbers)
        for r in response.results:
            assert 0 < r.number <= len(self._sent), f"an answer for what was not sent: {r}"
            self._note_result(self._sent[r.number - 1], r.result)
            answered += 1
        with self._changed:
            self._answered += answered
            self._changed.notify_all()


class BatchClient(_Client):
    """One PublishBatch after the other, or, with a `frame` of 1, one Publish after the other."""

    def __init__(self, *args, timeout_s=20.0, **options):
        super().__init__(*args, **options)
        self._timeout_s = timeout_s

    def _run(self):
        while not self._stopping.is_set():
            due_in = self._due_in()
            if due_in > 0:
                self._stopping.wait(due_in)
                continue
            self._next += self._frame / self._rate
            numbers = self._numbers()
            try:
                results = self._publish(numbers)
            except RouterError as e:
                self._note_error(numbers, e)
                self._stopping.wait(0.02)
                continue
            assert len(results) == len(numbers), "one result for each message"
            for number, result in zip(numbers, results):
                self._note_result(number, result)

    def _publish(self, numbers):
        if self._frame == 1:
            request = publisher_pb2.PublishBatchRequest()
            self._fill(request.messages, numbers)
            single = publisher_pb2.PublishRequest(message=request.messages[0])
            return [self._api.Publish(single, self._timeout_s).result]
        request = publisher_pb2.PublishBatchRequest()
        self._fill(request.messages, numbers)
        return self._api.PublishBatch(request, self._timeout_s).results

    def _note_error(self, numbers, error):
        """With a reason of the router's, the call was refused; otherwise nothing is known."""
        self._meter.note(told.UNKNOWN, 1, f"call {error.reason or error.code.name}")
        if error.reason and error.code != grpc.StatusCode.DEADLINE_EXCEEDED:
            self.history.result(numbers, told.REJECTED)
        elif self._retry:
            self._again = list(numbers) + self._again


class Load:
    """Some clients of one router."""

    def __init__(self, address, folder, rate=6000, streams=3, batches=1, unary=1, keys=5,
                 retry=False, prefix="", subject="chaos", payload_bytes=64):
        """`rate`: of all together. `retry`: half of the clients send unanswered messages again."""
        self.meter = Meter()
        self.clients = []
        self.problems = []   # After the end: clients that were not answered, or have failed.
        kinds = [(StreamClient, "s", streams, 1.0), (BatchClient, "b", batches, 0.5),
                 (BatchClient, "u", unary, 0.02)]
        parts = sum(count * share for _, _, count, share in kinds)
        for kind, letter, count, share in kinds:
            for index in range(count):
                client_rate = rate * share / parts
                frame = 1 if letter == "u" else max(1, min(500, int(client_rate / 20)))
                history = ClientHistory(f"{prefix}{letter}{index}", keys, folder)
                self.clients.append(kind(
                    address, history, self.meter, client_rate, frame, b"x" * payload_bytes,
                    retry=retry and len(self.clients) % 2 == 0, subject=subject))

    @property
    def histories(self):
        return [client.history for client in self.clients]

    def start(self):
        for client in self.clients:
            client.start()
        return self

    def stop(self, deadline_s=30.0):
        """Ends it, and fills in `problems`; the names of clients that were not answered in time."""
        self.meter.end()
        for client in self.clients:
            client.stop()
        end = time.monotonic() + deadline_s
        late = [client.history.name for client in self.clients
                if not client.join(max(0.1, end - time.monotonic()))]
        self.problems = [f"client {name} was not answered within {deadline_s:.0f} s" for name in late]
        self.problems += [f"client {client.history.name} {client.problem}"
                          for client in self.clients if client.problem]
        return late
