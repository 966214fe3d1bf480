"""docs/metrics.md and a running router name the same metrics."""

import os
import tempfile
import unittest

from harness.router import Router
from monitoring import shipped

_OF_HISTOGRAMS = ("_bucket", "_sum", "_count")


def family(name, types):
    """The metric that a series belongs to."""
    for suffix in _OF_HISTOGRAMS:
        base = name.removesuffix(suffix)
        if base != name and types.get(base) == "histogram":
            return base
    return name


class MetricsDocumentedTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        with tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")) as folder:
            router = Router(folder, transport="inproc")
            try:
                cls.metrics = router.start().metrics()
            finally:
                router.close()
        cls.documented = {name: entry for name, entry in shipped.documented_metrics().items()
                          if name.startswith(("router_", "process_"))}

    def test_the_same_names_with_the_same_types(self):
        self.assertEqual({name: kind for name, (kind, _) in self.documented.items()},
                         self.metrics.types)

    def test_the_same_labels(self):
        exported = {name: set() for name in self.metrics.types}
        for name, labels in self.metrics.samples:
            exported[family(name, self.metrics.types)] |= {key for key, _ in labels} - {"le"}
        self.assertEqual({name: set(labels) for name, (_, labels) in self.documented.items()},
                         exported)


if __name__ == "__main__":
    unittest.main()
