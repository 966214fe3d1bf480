"""Watches a router while a scenario runs: its books, its memory, file descriptors and threads."""

import http.client
import threading
import time

from harness.metrics import scrape


class Sample:
    """The resources of a router's process at one moment."""

    __slots__ = ("time_s", "rss_kib", "fds", "threads")

    def __init__(self, time_s, rss_kib, fds, threads):
        self.time_s = time_s
        self.rss_kib = rss_kib
        self.fds = fds
        self.threads = threads


# So many scrapes a second have to succeed, on the average, or the router was not watched.
_LEAST_PER_S = 0.5


class Monitor:
    """Scrapes a router that comes and goes. Use as a context manager, or start() and stop()."""

    def __init__(self, router, on_violation, every_s=0.5):
        self.samples = []
        self.unaccounted = 0
        self.largest_backlog = 0
        self._router = router
        self._on_violation = on_violation
        self._every_s = every_s
        self._problems = set()   # Kinds of errors that have been reported.
        self._begin = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self):
        self._begin = time.monotonic()
        self._thread.start()
        return self

    def stop(self):
        """Ends it. Too few scrapes for the time are a violation."""
        self._stop.set()
        self._thread.join()
        watched_s = time.monotonic() - self._begin
        if len(self.samples) < int(_LEAST_PER_S * watched_s):
            self._on_violation(f"the router was not watched: {len(self.samples)} scrapes in "
                               f"{watched_s:.0f} s")

    def __enter__(self):
        return self.start()

    def __exit__(self, *_):
        self.stop()

    def sample(self):
        """One look at the router; whether it was there."""
        try:
            self._note(scrape(self._router.http_port, 2.0))
            return True
        except (OSError, http.client.HTTPException):
            return False  # It may end at any moment, in the middle of an answer too.
        except Exception as e:  # pylint: disable=broad-except
            if type(e) not in self._problems:
                self._problems.add(type(e))
                self._on_violation(f"a scrape cannot be read: {e!r}")
            return False

    def _note(self, metrics):
        unaccounted = int(metrics.value("router_messages_unaccounted"))
        if unaccounted:
            if not self.unaccounted:
                self._on_violation(f"router_messages_unaccounted is {unaccounted}")
            self.unaccounted = max(self.unaccounted, abs(unaccounted))
        self.largest_backlog = max(
            self.largest_backlog, int(metrics.value("router_nats_pending_operations_count")))
        self.samples.append(Sample(
            time.monotonic(),
            int(metrics.value("process_resident_memory_bytes")) // 1024,
            int(metrics.value("process_open_fds")), _threads(self._router)))

    def _run(self):
        wait_s = self._every_s
        while not self._stop.wait(wait_s):
            # A short life is to be seen too.
            wait_s = self._every_s if self.sample() else self._every_s / 5

    def figures(self):
        """Resources as `first→last`, from the second quarter on: the first is for warming up."""
        samples = self.samples[len(self.samples) // 4:]
        if not samples:
            return {}
        return {"rss_mib": f"{samples[0].rss_kib / 1024:.0f}→{samples[-1].rss_kib / 1024:.0f}",
                "fds": f"{samples[0].fds}→{samples[-1].fds}",
                "threads": f"{samples[0].threads}→{samples[-1].threads}"}


def slope_per_minute(samples, value):
    """The least-squares slope of a resource over these samples, per minute."""
    if len(samples) < 2:
        return 0.0
    middle = sum(s.time_s for s in samples) / len(samples)
    mean = sum(value(s) for s in samples) / len(samples)
    spread = sum((s.time_s - middle) ** 2 for s in samples)
    if spread == 0:
        return 0.0
    return 60 * sum((s.time_s - middle) * (value(s) - mean) for s in samples) / spread


def _threads(router):
    try:
        with open(f"/proc/{router.process.pid}/status", encoding="ascii") as f:
            for line in f:
                if line.startswith("Threads:"):
                    return int(line.split()[1])
    except (OSError, AttributeError):
        pass
    return 0
