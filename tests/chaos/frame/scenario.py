"""What a scenario is, and what it is given to run with."""

import collections
import dataclasses
import os
import random
import threading
import time

from harness import jetstream
from harness.nats_server import NatsServer
from harness.proxy import TcpProxy
from harness.router import Router
from harness.waiting import wait_until

from frame import history
from frame.load import ID_HEADER, Load
from frame.monitor import Monitor

STREAM = "CHAOS"
SUBJECTS = ["chaos.>"]
# Of a scenario's time, so much is for healing, draining and comparing.
_FOR_THE_END = 0.2


class Skipped(Exception):
    """This machine or this build cannot run the scenario, for the reason in the text."""


@dataclasses.dataclass(frozen=True)
class Planted:
    """A bug that a scenario has to find when it is there: the test of the test.

    name: what is wrong, in words. expected: a text that one of the violations has to hold.
    settings: of every router of the run, such as `failpoints`. lie: what the scenario itself does
    wrong, as `run.lie`, where the bug is outside of the router.
    """
    name: str
    expected: str
    settings: dict = dataclasses.field(default_factory=dict)
    lie: str = ""

    @classmethod
    def failpoint(cls, name, rule, expected):
        return cls(name, expected, {"enable_fault_injection": True, "failpoints": rule})


class Scenario:
    """One fault. Subclasses are found by being in a module of `scenarios`."""

    name = ""           # As in --only; lower_snake.
    sentence = ""       # What it does and what must hold, in one sentence.
    weight = 1.0        # Its share of the time.
    short_s = 6.0       # Seconds of the short version in ./test.
    planted = ()        # Bugs that it has to find, each a Planted.

    def run(self, run):
        """Does it, until `run.going()` is false; leaves `run.figures` and `run.violation(…)`."""
        raise NotImplementedError


class Run:
    """One run of a scenario: its time, seed, folder, processes, figures and violations."""

    def __init__(self, name, duration_s, seed, folder, progress=lambda text: None):
        self.name = name
        self.duration_s = duration_s
        self.random = random.Random(f"{seed} {name}")
        self.folder = folder
        self.figures = {}      # In the order in which they are printed.
        self.violations = []
        self.skipped = ""      # Why it could not be run here.
        self.router = None     # The first one started.
        self.broker = None     # The first one started.
        self.monitor = None    # Of the first router.
        self.planted = {}      # Settings of every router: a bug that has to be found.
        self.lie = ""          # As in Planted.
        self.patience_s = 30.0  # How long clients are waited for at the end.
        self._progress = progress
        self._born = time.monotonic()
        self._begin = None     # When the time for faults began.
        self._needed = {}      # Figure → the least that it has to be at the end.
        self._cleanups = []
        self._lock = threading.Lock()
        self._wake = threading.Event()
        os.makedirs(folder, exist_ok=True)

    # Time.

    def begin_faults(self):
        """The time for faults begins now, however long it took to set things up; `start_load` sees
        to it. In a scenario without a load it begins with the first question about it. Only the
        first call counts."""
        if self._begin is None:
            self._begin = time.monotonic()

    @property
    def elapsed_s(self):
        """Since the time for faults began."""
        self.begin_faults()
        return time.monotonic() - self._begin

    @property
    def lasted_s(self):
        """Since the scenario began, set-up included."""
        return time.monotonic() - self._born

    @property
    def remaining_s(self):
        """Seconds in which there may be faults."""
        return self.duration_s * (1 - _FOR_THE_END) - self.elapsed_s

    def going(self):
        """Whether there is time for another fault. On a busy machine one may take all of it, so a
        loop names what it has to do at least: `while kills < 3 or run.going()`."""
        return self.remaining_s > 0

    def pause(self, seconds):
        """Lets the load go on for so long."""
        self._wake.wait(max(0.0, seconds))

    # Results.

    def result(self):
        """What is left of it when it is over."""
        return {"figures": self.figures, "violations": self.violations, "skipped": self.skipped,
                "seconds": self.lasted_s}

    def progress(self, text):
        elapsed_s = 0.0 if self._begin is None else self.elapsed_s
        self._progress(f"{elapsed_s:.0f}/{self.duration_s:.0f} s  {text}")

    def violation(self, text):
        """Something that must hold does not."""
        with self._lock:
            if len(self.violations) < 50:
                self.violations.append(text)

    def check(self, holds, text):
        if not holds:
            self.violation(text)
        return holds

    def at_least(self, figure, count, per_minute=0.0):
        """At the end `figures[figure]` has to be so large, or nothing was tested; in a longer run,
        as large as `per_minute` makes it. May be said at any time; the largest counts."""
        needed = max(count, int(per_minute * self.duration_s / 60), self._needed.get(figure, 0))
        self._needed[figure] = needed

    def check_figures(self):
        """When the scenario is over: whether they are as large as they have to be."""
        for figure, needed in self._needed.items():
            found = self.figures.get(figure, 0)
            self.check(found >= needed, f"too little was tested: {figure} {found}, not {needed}")

    # Processes and threads.

    def defer(self, function, *args):
        """Called at the end, the last one first."""
        self._cleanups.append((function, args))

    def start_broker(self, name="broker", stream=STREAM, stream_config=None, **options):
        """A nats-server with a stream for `chaos.>`."""
        broker = NatsServer(self.folder, name, **options)
        self.defer(broker.kill)
        broker.start()
        if stream:
            broker.create_stream(stream, SUBJECTS, **(stream_config or {}))
        self.broker = self.broker or broker
        return broker

    def start_proxy(self, broker=None):
        """Between routers and a broker."""
        proxy = TcpProxy((broker or self.broker).port)
        self.defer(proxy.close)
        return proxy

    def start_router(self, urls=None, name="router", connected=True, **settings):
        """A router with settings as the integration tests have them, or as given; `env` and
        `wrapper` as those of Router. The first one is watched."""
        router = Router(self.folder, [self.broker.url] if urls is None else urls, name,
                        **dict(settings, **self.planted))
        self.defer(router.close)
        router.start()
        if connected:
            router.wait_connected()
        if self.router is None:
            self.router = router
            self.monitor = Monitor(router, self.violation)
            self.defer(self.monitor.stop)
            self.monitor.start()
        return router

    def start_load(self, router=None, **options):
        """Clients that publish until `finish` or `load.stop()`. Options as those of Load."""
        router = router or self.router
        load = Load(f"127.0.0.1:{router.grpc_port}", os.path.join(self.folder, "history"),
                    **options)
        return self.follow_load(load)

    def follow_load(self, *loads):
        """Starts loads that the scenario has made, and sees to their end. Returns the first one. When
        each has its first message accepted, the time for faults begins."""
        for load in loads:
            self.defer(load.stop, 0.1)
            load.start()
        self.wait_until(lambda: all(load.meter.accepted for load in loads),
                        "the first messages are accepted", self.patience_s)
        self.begin_faults()
        return loads[0]

    def end_load(self, *loads):
        """Nothing new from now on. A client that is not answered in time, or that has failed, is a
        violation."""
        for load in loads:
            load.stop(self.patience_s)
            for text in load.problems:
                self.violation(text)

    def start_thread(self, function, *args):
        """A thread of the scenario's own, to be joined by it. An error in it is a violation."""
        def guarded():
            try:
                function(*args)
            except Exception as e:  # pylint: disable=broad-except
                self.violation(f"{function.__name__} broke off: {e!r}")
        thread = threading.Thread(target=guarded, daemon=True)
        thread.start()
        return thread

    # The end of a scenario.

    def finish(self, *loads, broker=None, stream=STREAM, ignore=("unanswered",)):
        """With everything healed: ends the load, drains, and holds what clients were told against
        the stream. `broker`: the server to ask then, or a function that finds it. `ignore`: kinds of
        findings that are only reported. Returns the findings."""
        self.end_load(*loads)
        self.progress("draining")
        begin = time.monotonic()
        try:
            self.router.wait_connected(2 * self.patience_s)
            self._wait_drained()
        except (AssertionError, OSError) as e:
            self.violation(f"does not drain: {e}")
        drain_s = time.monotonic() - begin
        self.monitor.sample()
        self.progress("comparing with the stream")
        histories = [h for load in loads for h in load.histories]
        findings = self.compare(histories, broker() if callable(broker) else broker, stream, ignore,
                                ID_HEADER)
        self._add_figures(loads, histories, findings, drain_s)
        return findings

    def _wait_drained(self):
        """However long it takes on a busy machine, as long as the queue becomes shorter."""
        def count():
            return self.router.metric("router_nats_pending_operations_count")
        left = count()
        while left > 0:
            wait_until(lambda shorter_than=left: count() < shorter_than,
                       f"fewer than {left:.0f} messages are queued", 2 * self.patience_s)
            left = count()

    def compare(self, histories, broker=None, stream=STREAM, ignore=("unanswered",),
                id_header="Nats-Msg-Id"):
        """What clients were told against the stream."""
        broker = broker or self.broker
        with broker.client(timeout_s=20.0) as client:
            state = jetstream.stream_info(client, stream)["state"]
            stored = jetstream.dump_ids(client, stream, id_header)
        contiguous = (not stored or state["first_seq"] == 1) and state["last_seq"] == len(stored)
        findings = history.check(histories, stored, contiguous)
        for text in findings.violations(ignore):
            self.violation(text)
        return findings

    def _add_figures(self, loads, histories, findings, drain_s):
        told = history.counts(histories)
        accepted = told["DELIVERED"] + told["QUEUED"]
        reasons = collections.Counter()
        for load in loads:
            reasons += load.meter.reasons
        with open(os.path.join(self.folder, "reasons"), "w", encoding="utf-8") as f:
            f.writelines(f"{count} {reason}\n" for reason, count in reasons.most_common())
        self.figures.update(
            accepted=accepted, queued=told["QUEUED"], unknown=told["UNKNOWN"],
            rejected=told["REJECTED"], lost=findings.counts["lost"],
            duplicates=findings.counts["duplicates"], reordered=findings.counts["reordered"],
            unaccounted=self.monitor.unaccounted,
            longest_stall_s=round(max(load.meter.longest_stall_s for load in loads), 2),
            last_drain_s=round(drain_s, 2), **self.monitor.figures())
        self.at_least("accepted", 1)

    def wait_until(self, predicate, what, deadline_s=10.0):
        """Whether it became true; a violation where it did not."""
        try:
            wait_until(predicate, what, deadline_s)
        except AssertionError as e:
            self.violation(str(e))
            return False
        return True

    def close(self):
        """Ends every process and thread."""
        self._wake.set()
        for function, args in reversed(self._cleanups):
            try:
                function(*args)
            except Exception as e:  # pylint: disable=broad-except
                self.violation(f"could not be ended: {e!r}")
        self._cleanups = []
