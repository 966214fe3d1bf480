"""Runbooks: one for each alert, with nothing in them that there is not."""

import json
import re
import shlex
import subprocess
import unittest

from google.protobuf import json_format
from router.v1 import fault_injection_pb2

from harness import router
from monitoring import promql, shipped
from monitoring.runbook import SECTIONS, runbooks
from monitoring.scenarios import SCENARIOS

# Words of expressions that are no metric of the router's.
_OTHERS = ("up", "ALERTS", "prometheus_notifications_errors_total")
_OF_EVERY_EVENT = ("timestamp", "level", "message", "error_code", "error_tag")
_GROUPS = ("pending", "dlq", "failopen", "delivery", "audit", "config", "spool")

# What begins a fault in a rehearsal, what ends it, and what has to stand between.
_FAULTS = (("/SetFault", "/ClearFaults"), ("kill -STOP", "kill -CONT"),
           ("delivery pause", "delivery resume"), ("failopen enable", "failopen disable"))
_WAITED = re.compile(r"^# \d+ minutes later, when the alert has come:$", re.MULTILINE)


def help_of(command):
    done = subprocess.run([shipped.routerctl(), *command, "--help"], capture_output=True, text=True,
                          check=False)
    return done.stdout if done.returncode == 0 else ""


def is_logged(code):
    """Whether routerd has this code, or name of a field, in it."""
    with open(router.binary_path(), "rb") as f:
        return code.encode() + b"\0" in f.read()


class RunbooksTest(unittest.TestCase):

    def setUp(self):
        self.books = runbooks()

    def all_commands(self):
        return [(name, command) for name, book in self.books.items() for command in book.commands()]

    def test_one_for_each_alert(self):
        self.assertEqual(set(self.books), set(shipped.alerts()))

    def test_each_has_all_sections_and_says_something_in_them(self):
        for name, book in self.books.items():
            self.assertEqual(book.titles, SECTIONS, name)
            for title, text in book.sections.items():
                self.assertTrue(text.strip(), f"{name}: {title}")
            self.assertTrue(book.blocks("Diagnosis"), name)

    def test_each_begins_with_what_the_alert_says(self):
        for name, alert in shipped.alerts().items():
            self.assertEqual(self.books[name].title, f"# {name}")
            self.assertEqual(
                self.books[name].summary,
                f"Severity {alert['labels']['severity']}. {alert['annotations']['summary']}.")

    def test_the_index_has_them_all(self):
        index = (shipped.RUNBOOKS / "README.md").read_text(encoding="utf-8")
        rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| (\w+) \| (.*) \|$", index, re.MULTILINE)
        self.assertEqual(sorted(rows), sorted(
            (name, name, alert["labels"]["severity"], alert["annotations"]["summary"])
            for name, alert in shipped.alerts().items()))

    def test_the_operators_page_names_alerts_that_there_are(self):
        text = (shipped.ROOT / "docs/monitoring.md").read_text(encoding="utf-8")
        names = set(re.findall(r"`(Router[A-Z]\w+)`", text))
        self.assertGreater(len(names), 10)
        self.assertLessEqual(names, set(shipped.alerts()))

    def test_links_lead_somewhere(self):
        pages = [shipped.ROOT / "docs/monitoring.md", *shipped.RUNBOOKS.glob("*.md")]
        for page in pages:
            for link in re.findall(r"\]\(([^)#]+)", page.read_text(encoding="utf-8")):
                self.assertTrue((page.parent / link).is_file(), f"{page.name}: {link}")

    def test_commands_of_routerctl_and_their_flags_exist(self):
        known = {}
        count = 0
        for name, command in self.all_commands():
            for part in re.findall(r"routerctl [^|;&]*", command):
                words = shlex.split(part)[1:]
                verbs = tuple(words[:2] if words[0] in _GROUPS else words[:1])
                if verbs not in known:
                    known[verbs] = help_of(verbs)
                self.assertTrue(known[verbs], f"{name}: routerctl {' '.join(verbs)}")
                for flag in (word.partition("=")[0] for word in words if word.startswith("--")):
                    self.assertRegex(known[verbs], rf"(?m)^\s.*{flag}\b", f"{name}: {part}")
                count += 1
        self.assertGreater(count, 40)

    def test_metrics_exist(self):
        known = set(shipped.documented_metrics()) | set(shipped.recorded()) | set(_OTHERS)
        for name, command in self.all_commands():
            if command.startswith("promtool query"):
                words = shlex.split(command)
                expression = words[words.index("http://127.0.0.1:9090") + 1]
                self.assertLessEqual(set(promql.metric_names(expression)), known, name)
        for name, book in self.books.items():
            for metric in re.findall(r"`(router_\w+)", book.text):
                self.assertIn(metric, known, name)

    def test_log_events_and_their_fields_exist(self):
        self.assertFalse(is_logged("NATS_CONNECTION_LOS"))
        codes = {(code, name) for name, book in self.books.items()
                 for condition in re.findall(r"\.error_code (?:== |\| IN\()([^)]*)\)", book.text)
                 for code in re.findall(r'"(\w+)"', condition)}
        self.assertGreater(len(codes), 20)
        fields = {(field, name) for name, book in self.books.items()
                  for shown in re.findall(r"select\(\.error_code[^{']*\{([^}]*)\}'", book.text)
                  for field in shown.split(", ") if field not in _OF_EVERY_EVENT}
        self.assertGreater(len(fields), 30)
        for word, name in codes | fields:
            self.assertTrue(is_logged(word), f"{name}: {word}")

    def test_settings_exist(self):
        settings = set(re.findall(r"^\| `(\w+)` \|", (shipped.ROOT / "docs/configuration.md").read_text(
            encoding="utf-8"), re.MULTILINE))
        for name, command in self.all_commands():
            if "routerctl config show" in command:
                self.assertLessEqual(set(command.split()[3:]), settings, name)
        for name, book in self.books.items():
            for setting in re.findall(r"`-{0,2}((?:nats|pending|grpc|http|redrive|stream)_\w+)[`:=]",
                                      book.text):
                self.assertIn(setting, settings, name)

    def test_injected_faults_are_faults(self):
        count = 0
        for name, command in self.all_commands():
            for body in re.findall(r"grpcurl -plaintext -d '([^']*)'", command):
                self.assertIn("router.v1.FaultInjectionService/SetFault", command, name)
                request = json_format.Parse(body, fault_injection_pb2.SetFaultRequest())
                self.assertTrue(request.fault.operation and request.fault.kind, name)
                self.assertEqual(json.loads(body).keys(), {"fault"})
                count += 1
        self.assertGreater(count, 8)

    def test_rehearsals_wait_for_the_alert_before_they_end_the_fault(self):
        count = 0
        for name, book in self.books.items():
            text = "".join(book.blocks("Rehearsal"))
            for begin, end in _FAULTS:
                # A dead letter comes of going on.
                if begin in text and (name, end) != ("RouterNATSDeadLettersGrowing", "delivery resume"):
                    between = text.partition(begin)[2].partition(end)
                    self.assertTrue(between[1], f"{name}: nothing ends {begin}")
                    self.assertRegex(between[0], _WAITED, name)
                    count += 1
        self.assertGreater(count, 12)

    def test_rehearsals_exist(self):
        scenarios = {s.name: set(s.alerts + s.lasting + s.inhibited) for s in SCENARIOS}
        chaos = set(re.findall(r"`(\w+)`", (shipped.ROOT / "docs/reliability.md").read_text(
            encoding="utf-8")))
        for name, book in self.books.items():
            for scenario in re.findall(r"deploy/rehearse --only (\w+)` does it", book.text):
                self.assertIn(name, scenarios[scenario] | {"RouterNATSRecentOutage"}, scenario)
            for scenario in re.findall(r"deploy/rehearse --only (\w+)", book.text):
                self.assertIn(scenario, scenarios, name)
            for scenario in re.findall(r"\./chaos --only (\w+)", book.text):
                self.assertIn(scenario, chaos, name)


if __name__ == "__main__":
    unittest.main()
