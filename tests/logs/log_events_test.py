"""Every event that the router can log, provoked on a real one: each is as docs/logs.md has it, and the
queries of that page find in this log what they say they find."""

import json
import os
import subprocess
import unittest

import events
from harness.fixture import RouterTestCase
from scenario import TRACE_ID, Story


class LogEventsTest(RouterTestCase):

    def test_every_event_and_every_query(self):
        story = Story(self)
        story.tell()
        lines = [json.loads(line) for line in story.text().splitlines()]
        self.assertEqual(self.router.log.malformed, [])
        path = os.path.join(os.environ.get("TEST_UNDECLARED_OUTPUTS_DIR", self.folder), "router.log")
        with open(path, "w", encoding="utf-8") as f:
            f.write(story.text())
        self._check_events(lines)
        self._check_queries(path)

    def _check_events(self, lines):
        documented = events.documented()
        found = set()
        for line in lines:
            code = line["error_code"]
            found.add(code)
            event = documented[code]
            self.assertEqual(line["level"], event.level, line)
            fields = set(line) - set(events.COMMON) - set(events.SOMETIMES)
            self.assertLessEqual(event.always, fields, line)
            self.assertLessEqual(fields, event.always | event.sometimes, line)
        self.assertEqual(sorted(set(documented) - found), [], "documented, and never logged here")

    def _check_queries(self, path):
        queries = [q for block in events.blocks("sh") for q in commands(block) if "jq " in q]
        self.assertGreater(len(queries), 10)
        for query in queries:
            result = subprocess.run(
                ["bash", "-o", "pipefail", "-c",
                 query.replace("TRACE_ID", TRACE_ID)],
                cwd=os.path.dirname(path), capture_output=True, text=True, timeout=30, check=False)
            self.assertEqual((result.returncode, result.stderr), (0, ""), query)
            self.assertTrue(result.stdout.strip(), f"finds nothing: {query}")


def commands(block):
    """The commands of a block; one ends where the next line is not indented."""
    found = []
    for line in block.splitlines():
        if line.startswith("#") or not line.strip():
            continue
        if line.startswith(" ") and found:
            found[-1] += "\n" + line
        else:
            found.append(line)
    return found


if __name__ == "__main__":
    unittest.main()
