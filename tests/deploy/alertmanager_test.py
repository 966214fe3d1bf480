"""Who is told of what, and that no secret stands in the configuration."""

import json
import re
import subprocess
import tempfile
import unittest

from monitoring import shipped
from monitoring.timescale import milliseconds

CONFIG = shipped.ALERTMANAGER / "alertmanager.yml"
ROUTES = {
    "alertname=RouterNATSConnectionDown severity=critical": "pager,chat",
    "alertname=RouterNATSPublishFailureRate severity=warning": "chat",
    "alertname=RouterNATSPossibleDuplicates severity=info": "nobody",
    "alertname=RouterMonitoringAlive severity=none": "deadman",
    "alertname=Mistyped severity=critcal": "mail",
    "alertname=WithoutSeverity": "mail",
}
_SECRET = re.compile(r"(api_url|routing_key|service_key|password|credentials|bearer_token|secret)$")


def amtool(*arguments):
    done = subprocess.run(["amtool", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout, done.stderr


def walk(node, path=()):
    if isinstance(node, dict):
        for key, value in node.items():
            yield from walk(value, path + (key,))
    elif isinstance(node, list):
        for value in node:
            yield from walk(value, path)
    else:
        yield path, node


class AlertmanagerTest(unittest.TestCase):

    def test_amtool_accepts_the_configuration(self):
        status, output, errors = amtool("check-config", CONFIG)
        self.assertEqual(status, 0, output + errors)
        self.assertIn("1 templates", output)

    def test_routes(self):
        for labels, receivers in ROUTES.items():
            status, output, errors = amtool("config", "routes", "test", f"--config.file={CONFIG}",
                                            *labels.split())
            self.assertEqual((status, output.strip()), (0, receivers), f"{labels} {errors}")

    def test_every_alert_goes_where_its_severity_says(self):
        by_severity = {"critical": "pager,chat", "warning": "chat", "info": "nobody",
                       "none": "deadman"}
        for name, alert in shipped.alerts().items():
            severity = alert["labels"]["severity"]
            _, output, _ = amtool("config", "routes", "test", f"--config.file={CONFIG}",
                                  f"alertname={name}", f"severity={severity}")
            self.assertEqual(output.strip(), by_severity[severity], name)

    def test_the_dead_mans_switch_is_told_every_minute(self):
        route, = (r for r in shipped.load_yaml(CONFIG)["route"]["routes"]
                  if r["receiver"] == "deadman")
        self.assertEqual(route["group_interval"], "1m")
        # Looked at once in group_interval, a little early or late: it must be due each time.
        self.assertLess(milliseconds(route["repeat_interval"]),
                        milliseconds(route["group_interval"]))

    def test_the_kinds_of_receivers(self):
        kinds = {key for receiver in shipped.load_yaml(CONFIG)["receivers"] for key in receiver}
        self.assertEqual(kinds, {"name", "pagerduty_configs", "slack_configs", "email_configs",
                                 "webhook_configs"})

    def test_secrets_are_files(self):
        files = set()
        for path, value in walk(shipped.load_yaml(CONFIG)):
            self.assertIsNone(_SECRET.search(path[-1]), f"{'.'.join(path)} is a secret")
            if str(value).startswith("/etc/alertmanager/secrets/"):
                self.assertRegex(path[-1], r"_file$")
                files.add(value.rsplit("/", 1)[1])
        head = CONFIG.read_text(encoding="utf-8").split("global:")[0]
        for name in files:
            self.assertIn(name, head, "the comment at the top names every secret")

    def test_inhibition_names_alerts_that_there_are(self):
        alerts = shipped.alerts()
        for rule in shipped.load_yaml(CONFIG)["inhibit_rules"]:
            for matcher in rule["source_matchers"] + rule["target_matchers"]:
                name, operator, value = matcher.split(" ", 2)
                self.assertEqual(name, "alertname")
                pattern = value.strip('"') if operator == "=~" else re.escape(value)
                matching = {alert for alert in alerts if re.fullmatch(pattern, alert)}
                for alternative in re.findall(r"[A-Z]\w+", pattern.split("(", 1)[-1]):
                    self.assertTrue(any(alternative in alert for alert in matching), alternative)

    def test_templates_render(self):
        alert = {"status": "firing",
                 "labels": {"alertname": "RouterX", "severity": "critical", "instance": "r:9001"},
                 "annotations": {"summary": "It is down", "description": "r:9001 is down.",
                                 "runbook_url": "https://example.com/x.md"}}
        data = {"receiver": "chat", "status": "firing", "alerts": [alert],
                "groupLabels": {}, "commonLabels": alert["labels"], "commonAnnotations": {},
                "externalURL": ""}
        expected = {
            "router.title": "[FIRING 1] RouterX at r:9001",
            "router.runbook": "https://example.com/x.md",
            "router.text": "CRITICAL It is down: r:9001 is down.\nhttps://example.com/x.md",
            "router.pagerduty.severity": "critical",
            "router.slack.color": "danger",
        }
        with tempfile.NamedTemporaryFile("w", suffix=".json") as f:
            json.dump(data, f)
            f.flush()
            for name, text in expected.items():
                status, output, errors = amtool(
                    "template", "render", f"--template.data={f.name}",
                    f"--template.glob={shipped.ALERTMANAGER}/templates/*.tmpl",
                    f'--template.text={{{{ template "{name}" . }}}}')
                self.assertEqual((status, output.strip()), (0, text), f"{name} {errors}")


if __name__ == "__main__":
    unittest.main()
