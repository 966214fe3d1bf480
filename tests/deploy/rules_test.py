"""Alerts and recording rules: the names and expressions that operators rely on, and the minute at which
each alert fires."""

import re
import subprocess
import unittest

from monitoring import shipped

TESTS = shipped.ROOT / "tests/deploy/prometheus"

# Alert → expression, for, severity. Scripts and runbooks elsewhere rely on these.
AGREED = {
    "RouterNATSConnectionDown": ("router_nats_connection_status == 0", "1m", "critical"),
    "RouterNATSReconnectionExhausted": (
        "rate(router_nats_reconnection_exhausted_total[5m]) > 0", "1m", "critical"),
    "RouterNATSPublishFailureRate": (
        "sum(rate(router_nats_publish_failures_total[5m]))"
        " / sum(rate(router_nats_publish_total[5m])) > 0.1", "5m", "warning"),
    "RouterNATSPendingQueueFull": (
        "router_nats_pending_operations_count >= router_nats_pending_operations_limit", "2m",
        "warning"),
    "RouterNATSReconnectFailureRate": (
        "sum(rate(router_nats_reconnect_failures_total[5m]))"
        " / sum(rate(router_nats_reconnect_attempts_total[5m])) > 0.5", "5m", "warning"),
}
RECORDED_NAME = re.compile(r"[a-z_]+:[a-z0-9_]+:[a-z0-9_]+")


def promtool(*arguments):
    done = subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True,
                          check=False)
    return done.returncode, done.stdout + done.stderr


class RulesTest(unittest.TestCase):

    def test_promtool_accepts_configuration_and_rules(self):
        for command, path in [("config", shipped.PROMETHEUS / "prometheus.yml")] + [
                ("rules", path) for path in shipped.rule_files()]:
            status, output = promtool("check", command, "--lint-fatal", path)
            self.assertEqual(status, 0, output)

    def test_agreed_alerts_are_exactly_these(self):
        alerts = shipped.alerts()
        for name, (expression, wait, severity) in AGREED.items():
            alert = alerts[name]
            self.assertEqual((alert["expr"], alert["for"], alert["labels"]["severity"]),
                             (expression, wait, severity), name)

    def test_every_alert_has_labels_and_annotations(self):
        for name, alert in shipped.alerts().items():
            self.assertEqual(set(alert["labels"]), {"severity", "component", "team"}, name)
            self.assertIn(alert["labels"]["severity"], ("critical", "warning", "info", "none"))
            self.assertEqual(alert["labels"]["component"], "router", name)
            self.assertEqual(alert["labels"]["team"], "platform", name)
            self.assertEqual(set(alert["annotations"]), {"summary", "description", "runbook_url"})
            self.assertTrue(all(text.strip() for text in alert["annotations"].values()), name)
            self.assertIn("for", alert)

    def test_every_runbook_url_is_a_file(self):
        for name, alert in shipped.alerts().items():
            self.assertEqual(alert["annotations"]["runbook_url"],
                             f"{shipped.RUNBOOK_BASE}{name}.md")
            self.assertTrue((shipped.RUNBOOKS / f"{name}.md").is_file(), f"no runbook for {name}")

    def test_names_are_not_used_twice(self):
        names = [rule.get("alert") or rule["record"] for rule in shipped.rules()]
        self.assertEqual(len(names), len(set(names)))

    def test_recorded_names_say_level_metric_and_operations(self):
        for name in shipped.recorded():
            self.assertRegex(name, RECORDED_NAME)

    def test_recorded_names_are_documented(self):
        text = (shipped.ROOT / "docs/metrics.md").read_text(encoding="utf-8")
        for name in shipped.recorded():
            *level_and_metric, operations = name.split(":")
            self.assertIn(":".join(level_and_metric) + ":", text)
            self.assertIn(re.sub("^ratio_", "", operations), text)


class FiringTest(unittest.TestCase):
    """promtool test rules."""

    def test_alerts_fire_when_they_must_and_only_then(self):
        for path in sorted(TESTS.glob("*.yml")):
            with self.subTest(path.stem):
                status, output = promtool("test", "rules", path)
                self.assertEqual(status, 0, output)

    def test_every_alert_has_a_case_that_fires_and_one_that_does_not(self):
        for alert in shipped.alerts():
            cases = [case for path in TESTS.glob(f"{alert}*.yml")
                     if path.stem in (alert, alert + "_long")
                     for case in shipped.load_yaml(path)["tests"]]
            fires, stays_away = 0, 0
            for case in cases:
                checks = case["alert_rule_test"]
                self.assertTrue(all(check["alertname"] == alert for check in checks))
                if checks[-1]["exp_alerts"]:
                    fires += 1
                else:
                    stays_away += 1
            # One fires always: its absence is the alarm.
            always = alert == "RouterMonitoringAlive"
            self.assertTrue(fires and (stays_away or always),
                            f"{alert}: {fires} fire, {stays_away} do not")

    def test_cases_that_fire_also_look_just_before(self):
        for path in TESTS.glob("*.yml"):
            for case in shipped.load_yaml(path)["tests"]:
                checks = case["alert_rule_test"]
                if checks[-1]["exp_alerts"] and checks[0]["eval_time"] != "0s":
                    self.assertEqual(len(checks), 2, f"{path.name}: {case['name']}")
                    self.assertEqual(checks[0]["exp_alerts"], [])


if __name__ == "__main__":
    unittest.main()
