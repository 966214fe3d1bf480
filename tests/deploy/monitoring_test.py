"""The tools of these tests."""

import json
import math
import unittest
import xml.etree.ElementTree

from monitoring import pictures, promql, shipped, timescale, units


class PromqlTest(unittest.TestCase):

    def test_selectors_are_found(self):
        self.assertEqual(
            promql.selectors('sum by (job, le) (rate(a_total{x="b}c", y!="d"}[5m])) / on(job) b > 0.1'),
            ['a_total{x="b}c", y!="d"}', "b"])
        self.assertEqual(promql.selectors("predict_linear(a:b:c[15m], 3600) > 1 or max(d) and Inf > e"),
                         ["a:b:c", "d", "e"])

    def test_variables_are_replaced(self):
        self.assertEqual(promql.with_variables('a{i=~"$instance"}[$__rate_interval]', "1m"),
                         'a{i=~".*"}[1m]')


class TimescaleTest(unittest.TestCase):

    def test_durations_are_divided(self):
        self.assertEqual([timescale.scaled(d, 60) for d in ("5m", "15s", "3d", "1h30m", "0m")],
                         ["5000ms", "250ms", "4320000ms", "90000ms", "0ms"])

    def test_windows_and_predictions_are_divided_and_thresholds_are_not(self):
        self.assertEqual(timescale.scaled_expression("rate(a[5m]) > 300", 60),
                         "rate(a[5000ms]) > 300")
        self.assertEqual(timescale.scaled_expression("predict_linear(a[15m], 3600) > 1", 60),
                         "predict_linear(a[15000ms], 60.0) > 1")

    def test_every_wait_of_the_shipped_files_is_divided(self):
        for path in shipped.rule_files():
            document = shipped.load_yaml(path)
            for group in timescale.scaled_rules(document, 60)["groups"]:
                for rule in group["rules"]:
                    self.assertNotRegex(rule["expr"], r"\[\d+[smhd]\]")
                    self.assertRegex(rule.get("for", "0ms"), r"^\d+ms$")
        config = timescale.scaled_alertmanager(
            shipped.load_yaml(shipped.ALERTMANAGER / "alertmanager.yml"), 60)
        self.assertEqual(config["route"]["group_wait"], "500ms")
        self.assertEqual(config["route"]["routes"][1]["group_wait"], "167ms")


class UnitsTest(unittest.TestCase):

    def test_numbers_have_their_units(self):
        for value, unit, text in [(0.0125, "s", "12.5 ms"), (90, "s", "1.5 min"),
                                  (0.984, "percentunit", "98.4 %"), (1536, "bytes", "1.5 KiB"),
                                  (1200, "ops", "1.2 K/s"), (math.inf, "s", "∞"), (0, "s", "0 s")]:
            self.assertEqual(units.formatted(value, unit), text)

    def test_axes_end_at_round_numbers(self):
        self.assertEqual(units.axis(330, "ops"), (500, 5))
        self.assertEqual(units.axis(5000, "s"), (7200, 4))
        self.assertEqual(units.axis(0, "none"), (1, 1))


class _Answers:
    """Two lines, one of which has a gap, whatever is asked."""
    scrape_interval_s = 0.25

    def __init__(self):
        self.asked = []

    def query_range(self, expression, begin, end, step_s):
        self.asked.append(expression)
        times = [begin + i * step_s for i in range(151)]
        return [{"metric": {"instance": "a"}, "values": [[t, "1"] for t in times]},
                {"metric": {"instance": "b"},
                 "values": [[t, "NaN" if 50 < i < 90 else str(i % 7)] for i, t in enumerate(times)]}]


class PicturesTest(unittest.TestCase):

    def test_the_picture_in_the_documents_is_of_this_dashboard(self):
        titles = {panel["title"] for panel in shipped.dashboards()["router-overview"]["panels"]}
        self.assertLessEqual(titles, self.texts(
            (shipped.ROOT / "docs/images/router-overview.svg").read_text(encoding="utf-8")))

    def texts(self, svg):
        root = xml.etree.ElementTree.fromstring(svg)
        return {element.text for element in root.iter("{http://www.w3.org/2000/svg}text")}

    def test_every_panel_is_drawn(self):
        dashboard = shipped.dashboards()["router-overview"]
        answers = _Answers()
        svg = pictures.Picture(answers, 1000, 1060, 60, {"a": "router-0"}).draw(dashboard)
        texts = self.texts(svg)
        self.assertLessEqual({panel["title"] for panel in dashboard["panels"]}, texts)
        self.assertIn("router-0", texts)
        self.assertFalse([e for e in answers.asked if "[5m]" in e or "$" in e], "windows are scaled")

    def test_lines_are_broken_where_there_is_no_number(self):
        panel = {"type": "timeseries", "title": "T", "gridPos": {"x": 0, "y": 0, "w": 24, "h": 8},
                 "targets": [{"expr": "a", "legendFormat": "{{instance}}"}],
                 "fieldConfig": {"defaults": {"unit": "none", "custom": {}}, "overrides": []}}
        svg = pictures.Picture(_Answers(), 1000, 1060, 60).draw({"panels": [panel]})
        self.assertEqual(svg.count("<polyline"), 3, json.dumps(panel))


if __name__ == "__main__":
    unittest.main()
