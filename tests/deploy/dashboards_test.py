"""The dashboards as files: what operators rely on, and what makes them usable as they are."""

import re
import unittest

from monitoring import shipped

# Panel of the overview → type, unit, queries, thresholds as (colour, from).
AGREED = {
    "Connection status": (
        "gauge", "none", ["router_nats_connection_status"],
        [("red", None), ("yellow", 0.5), ("green", 1)]),
    "Connection events": (
        "timeseries", "ops", ["rate(router_nats_connection_established_total[5m])",
                              "rate(router_nats_connection_lost_total[5m])",
                              "rate(router_nats_connection_restored_total[5m])"], None),
    "Operation success rate": (
        "stat", "percentunit", [
            "(sum(rate(router_nats_publish_total[5m])) - sum(rate(router_nats_publish_failures_total[5m])))"
            " / sum(rate(router_nats_publish_total[5m]))"],
        [("red", None), ("yellow", 0.90), ("green", 0.95)]),
    "Queue": (
        "timeseries", "short", ["router_nats_pending_operations_count",
                                "0.5 * max(router_nats_pending_operations_limit)",
                                "max(router_nats_pending_operations_limit)"], None),
    "Retry success rate": (
        "stat", "percentunit", [
            "sum(rate(router_nats_pending_operations_retry_success[5m]))"
            " / sum(rate(router_nats_pending_operations_retry[5m]))"],
        [("red", None), ("yellow", 0.80), ("green", 0.90)]),
}
UIDS = ["router-api", "router-failures", "router-nats", "router-overview"]
DATA_SOURCE = {"type": "prometheus", "uid": "${datasource}"}


def all_panels():
    return [(name, panel) for name, dashboard in shipped.dashboards().items()
            for panel in shipped.panels(dashboard)]


class DashboardsTest(unittest.TestCase):

    def test_agreed_panels_are_exactly_these(self):
        panels = {p["title"]: p for p in shipped.panels(shipped.dashboards()["router-overview"])}
        for title, (kind, unit, queries, thresholds) in AGREED.items():
            panel = panels[title]
            defaults = panel["fieldConfig"]["defaults"]
            self.assertEqual(panel["type"], kind)
            self.assertEqual(defaults["unit"], unit)
            self.assertEqual([t["expr"] for t in panel["targets"]], queries)
            if thresholds:
                self.assertEqual([(s["color"], s["value"]) for s in defaults["thresholds"]["steps"]],
                                 thresholds)
        self.assertEqual([t["legendFormat"] for t in panels["Connection events"]["targets"]],
                         ["Established", "Lost", "Restored"])
        colors = {o["matcher"]["options"]: o["properties"][0]["value"]["fixedColor"]
                  for o in panels["Queue"]["fieldConfig"]["overrides"]}
        self.assertEqual(colors, {"Warning (50 %)": "yellow", "Critical (100 %)": "red"})

    def test_uids_are_fixed(self):
        self.assertEqual(list(shipped.dashboards()), UIDS)
        for name, dashboard in shipped.dashboards().items():
            self.assertEqual(dashboard["uid"], name)
            self.assertNotIn("id", dashboard)

    def test_the_data_source_is_a_variable(self):
        for dashboard in shipped.dashboards().values():
            first = dashboard["templating"]["list"][0]
            self.assertEqual((first["name"], first["type"]), ("datasource", "datasource"))
            for variable in dashboard["templating"]["list"][1:]:
                self.assertEqual(variable["datasource"], DATA_SOURCE)
        for _, panel in all_panels():
            self.assertEqual(panel["datasource"], DATA_SOURCE, panel["title"])

    def test_every_panel_has_a_title_a_description_and_a_unit(self):
        for name, panel in all_panels():
            where = f"{name}: {panel['title']}"
            self.assertTrue(panel["title"], where)
            self.assertRegex(panel["description"], r"\.$", where)
            self.assertTrue(panel["fieldConfig"]["defaults"]["unit"], where)
            self.assertTrue(panel["targets"], where)

    def test_titles_are_not_used_twice(self):
        for dashboard in shipped.dashboards().values():
            titles = [panel["title"] for panel in dashboard["panels"]]
            self.assertEqual(len(titles), len(set(titles)), titles)

    def test_rates_have_the_window_that_fits_the_zoom(self):
        agreed = {query for _, _, queries, _ in AGREED.values() for query in queries}
        for name, panel in all_panels():
            for target in panel["targets"]:
                if target["expr"] in agreed:
                    continue
                for window in re.findall(r"\brate\([^\[]*\[([^\]]*)\]", target["expr"]):
                    self.assertEqual(window, "$__rate_interval", f"{name}: {panel['title']}")

    def test_variables_that_are_used_are_defined(self):
        for name, dashboard in shipped.dashboards().items():
            defined = {v["name"] for v in dashboard["templating"]["list"]}
            for panel in shipped.panels(dashboard):
                for target in panel["targets"]:
                    used = set(re.findall(r"\$\{?(\w+)", target["expr"])) - {"__rate_interval"}
                    self.assertLessEqual(used, defined, f"{name}: {panel['title']}")

    def test_panels_lie_side_by_side(self):
        for name, dashboard in shipped.dashboards().items():
            taken = {}
            ids = [panel["id"] for panel in dashboard["panels"]]
            self.assertEqual(len(ids), len(set(ids)))
            for panel in dashboard["panels"]:
                place = panel["gridPos"]
                self.assertLessEqual(place["x"] + place["w"], 24)
                for x in range(place["x"], place["x"] + place["w"]):
                    for y in range(place["y"], place["y"] + place["h"]):
                        self.assertNotIn((x, y), taken,
                                         f"{name}: {panel['title']} over {taken.get((x, y))}")
                        taken[x, y] = panel["title"]

    def test_links_lead_to_runbooks(self):
        linked = set()
        for name, panel in all_panels():
            for link in panel.get("links", ()):
                self.assertEqual(link["url"], f"{shipped.RUNBOOK_BASE}{link['title']}.md")
                self.assertTrue((shipped.RUNBOOKS / f"{link['title']}.md").is_file(),
                                f"{name}: {link['title']}")
                linked.add(link["title"])
        loud = {alert for alert, rule in shipped.alerts().items()
                if rule["labels"]["severity"] in ("critical", "warning")}
        self.assertEqual(loud - linked, {"RouterTargetDown", "RouterTargetAbsent"},
                         "alerts about which no panel shows anything")

    def test_provisioning_finds_them(self):
        provider = shipped.load_yaml(
            shipped.GRAFANA / "provisioning/dashboards/router.yml")["providers"][0]
        self.assertEqual(provider["options"]["path"], "/etc/grafana/dashboards")
        source = shipped.load_yaml(
            shipped.GRAFANA / "provisioning/datasources/prometheus.yml")["datasources"][0]
        self.assertEqual((source["type"], source["uid"]), ("prometheus", "prometheus"))
        interval = shipped.load_yaml(
            shipped.PROMETHEUS / "prometheus.yml")["global"]["scrape_interval"]
        self.assertEqual(source["jsonData"]["timeInterval"], interval)


if __name__ == "__main__":
    unittest.main()
