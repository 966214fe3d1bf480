"""Every panel and every rule, asked of a real Prometheus that watches a real router under traffic and
faults: none may fail, name a metric that nobody exports, or stay empty."""

import math
import os
import re
import tempfile
import time
import unittest

from harness.waiting import wait_until
from monitoring import promql, shipped
from monitoring.stack import Stack

# Made by Prometheus itself.
OF_PROMETHEUS = {"up", "ALERTS"}
_RATE_INTERVAL = "10s"
_STEP_S = 1


def has_data(series):
    """Whether there is a number in the answer to a range query."""
    return any(not math.isnan(float(value)) for one in series for _, value in one["values"])


def go_through_faults(stack):
    """What makes panels show something: an outage with a queue, dead letters, drops, a full recovery."""
    router = stack.router
    stack.broker.kill()
    router.wait_not_connected()
    stack.publish_to_no_stream()
    wait_until(lambda: router.metric("router_nats_pending_operations_count") > 20, "it queues")
    wait_until(lambda: router.metric("router_nats_connection_status") == 0, "attempts run out")
    stack.broker.start()
    router.wait_connected()
    wait_until(lambda: router.metric("router_nats_dead_letters_count") > 0, "a dead letter", 60)
    stack.set_fail_open(True, ttl_s=600)
    stack.set_fault("PUBLISH_WITH_ACK", "ERROR")
    wait_until(lambda: router.metric("router_nats_publish_outcomes_total",
                                     outcome="dropped_fail_open") > 0, "drops", 30)
    stack.set_fail_open(False)
    stack.clear_faults()
    router.wait_drained()


class PanelsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        folder = cls.enterClassContext(
            tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")))
        cls.stack = cls.enterClassContext(Stack(folder, every="500ms"))
        cls.prometheus = cls.stack.prometheus
        wait_until(lambda: has_data(cls.ask("router_nats_publish_total")), "the first scrape", 30)
        go_through_faults(cls.stack)
        # All that there is to see has been seen: two scrapes, and two rounds of rules.
        seen = cls.stack.router.metric("router_nats_publish_total")
        wait_until(lambda: cls.newest("router_nats_publish_total") > seen, "the last scrape", 30)
        wait_until(lambda: all(rule["health"] != "unknown"
                               for rule in cls.prometheus.rules().values()), "rules have run", 30)
        wait_until(lambda: has_data(cls.ask("job:router_publish_errors:ratio_rate3d")),
                   "the recorded series are there", 30)
        cls.exported = cls.stack.router.metrics().names() | set(
            re.findall(r"^(\w+)\{", cls.stack.exporter.page(), re.MULTILINE))

    begin = time.time()

    @classmethod
    def ask(cls, expression):
        return cls.prometheus.query_range(expression, cls.begin, time.time(), _STEP_S)

    @classmethod
    def newest(cls, expression):
        return max((float(s["value"][1]) for s in cls.prometheus.query(expression)), default=0)

    def check_names(self, expression, where):
        for name in promql.metric_names(expression):
            self.assertTrue(name in OF_PROMETHEUS or name in self.exported
                            or name in shipped.recorded(), f"{where}: nobody exports {name}")

    def test_every_panel_shows_something(self):
        count = 0
        for name, dashboard in shipped.dashboards().items():
            for panel in shipped.panels(dashboard):
                for target in panel["targets"]:
                    where = f"{name}: {panel['title']} {target['refId']}"
                    with self.subTest(where):
                        expression = promql.with_variables(target["expr"], _RATE_INTERVAL)
                        self.check_names(expression, where)
                        self.assertTrue(has_data(self.ask(expression)), f"{where} is empty")
                    count += 1
        self.assertGreater(count, 80)

    def test_legends_name_labels_that_the_answers_have(self):
        for name, dashboard in shipped.dashboards().items():
            for panel in shipped.panels(dashboard):
                for target in panel["targets"]:
                    series = self.ask(promql.with_variables(target["expr"], _RATE_INTERVAL))
                    for label in re.findall(r"\{\{(\w+)\}\}", target["legendFormat"]):
                        self.assertTrue(all(label in one["metric"] for one in series),
                                        f"{name}: {panel['title']} has no label {label}")

    def test_variables_offer_a_choice(self):
        for name, dashboard in shipped.dashboards().items():
            for variable in dashboard["templating"]["list"][1:]:
                metric, label = re.fullmatch(r"label_values\((\w+), (\w+)\)", variable["query"]).groups()
                self.assertIn(metric, self.exported)
                choice = self.prometheus.get(f"/api/v1/label/{label}/values",
                                             **{"match[]": metric})["data"]
                self.assertTrue(choice, f"{name}: {variable['name']}")

    def test_annotations_are_expressions(self):
        for dashboard in shipped.dashboards().values():
            for annotation in dashboard["annotations"]["list"]:
                self.check_names(annotation["expr"], annotation["name"])
                self.ask(annotation["expr"])

    def test_every_rule_works(self):
        live = self.prometheus.rules()
        for rule in shipped.rules():
            name = rule.get("alert") or rule["record"]
            with self.subTest(name):
                self.assertEqual(live[name]["health"], "ok", live[name].get("lastError"))
                self.check_names(rule["expr"], name)
                for selector in promql.selectors(rule["expr"]):
                    self.assertTrue(has_data(self.ask(selector)), f"{name}: no series {selector}")

    def test_every_recorded_series_is_there(self):
        for name in shipped.recorded():
            self.assertTrue(has_data(self.ask(name)), f"{name} is empty")

    def test_every_job_answers(self):
        wanted = {"router": "1", "nats": "1", "prometheus": "1", "alertmanager": "1"}
        wait_until(lambda: wanted == {one["metric"]["job"]: one["value"][1]
                                      for one in self.prometheus.query("up")},
                   "all jobs are up", 30, poll_s=0.2)

    def test_documented_names_of_the_exporter_are_those_that_are_used(self):
        documented = {name for name in shipped.documented_metrics()
                      if name.startswith(("gnatsd_", "jetstream_"))}
        used = {name for panel in shipped.panels(shipped.dashboards()["router-nats"])
                for target in panel["targets"] for name in promql.metric_names(target["expr"])}
        self.assertEqual(documented, used - {"up"})
        self.assertLessEqual(documented, self.exported)


if __name__ == "__main__":
    unittest.main()
