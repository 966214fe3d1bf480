"""The Prometheus text format, parsed."""

import http.client
import math
import re
import threading
import urllib.request

_SAMPLE = re.compile(r'^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)(?: \d+)?$')
_LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')


class Metrics:
    """One scrape."""

    def __init__(self, text, content_type=""):
        self.text = text
        self.content_type = content_type
        self.types = {}
        self.samples = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ", 3)
                self.types[name] = kind
            elif line and not line.startswith("#"):
                match = _SAMPLE.match(line)
                assert match, f"not a sample: {line!r}"
                labels = frozenset(_LABEL.findall(match.group(2) or ""))
                self.samples[(match.group(1), labels)] = float(match.group(3))

    def value(self, name, **labels):
        """The value of exactly this series. Raises KeyError where there is none."""
        return self.samples[(name, frozenset(labels.items()))]

    def series(self, name):
        return {labels: value for (n, labels), value in self.samples.items() if n == name}

    def names(self):
        return {name for name, _ in self.samples}

    def since(self, earlier):
        """A function from a series to how far it has moved since `earlier`."""
        def moved(name, **labels):
            difference = self.value(name, **labels) - earlier.value(name, **labels)
            return int(difference) if difference == math.floor(difference) else difference
        return moved


def scrape(port, timeout_s=5.0, tls=None):
    """`tls`: an SSLContext, for a port that speaks TLS."""
    url = f"{'https' if tls else 'http'}://127.0.0.1:{port}/metrics"
    with urllib.request.urlopen(url, timeout=timeout_s, context=tls) as r:
        return Metrics(r.read().decode("utf-8"), r.headers.get("Content-Type", ""))


class GaugeTrace:
    """Samples one gauge all the time and keeps the values it went through, repeats left out.

    Use as a context manager. `source` returns a Metrics, and may find nobody while the process is
    down; any other error is raised at the end.
    """

    def __init__(self, source, name, every_s=0.015):
        self.values = []
        self._source = source
        self._name = name
        self._every_s = every_s
        self._error = None
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self):
        self.sample()
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        self._thread.join()
        if self._error is not None:
            raise self._error
        self.sample()

    def sample(self):
        try:
            value = self._source().value(self._name)
        except (OSError, http.client.HTTPException):
            return
        if not self.values or self.values[-1] != value:
            self.values.append(value)

    def _run(self):
        while self._error is None and not self._stop.wait(self._every_s):
            try:
                self.sample()
            except Exception as e:  # pylint: disable=broad-except
                self._error = e
