"""Draws a dashboard as one SVG, from what Prometheus answers to its panels' queries.

It shows what Grafana would show, in a plainer way: time series, statistics and gauges with their
thresholds, units and legends, where the dashboard places them.
"""

import html
import math

from monitoring import promql, shipped, timescale, units

_UNIT_X, _UNIT_Y, _GAP = 50, 26, 4
_LEFT, _RIGHT, _TOP, _BOTTOM = 62, 10, 30, 40
_POINTS = 150
_PALETTE = ["#3a76af", "#d1892b", "#4f9d5d", "#b5474a", "#7d62a8", "#5aa6b3", "#8a8a35", "#a05a7d"]
_COLORS = {"green": "#3f9950", "yellow": "#d9a514", "red": "#c4323a", "blue": "#3a76af",
           "dark-orange": "#cf6a1c"}
_STYLE = """
text{font:11px sans-serif;fill:#333}.t{font-weight:bold;font-size:12px}.r{font-size:13px;font-weight:bold;fill:#555}
.l{font-size:10px;fill:#555}.v{font-size:30px;font-weight:bold;text-anchor:middle}.m{text-anchor:middle}.e{text-anchor:end}
.g{stroke:#e4e4e4}polyline{fill:none;stroke-width:1.4;stroke-linejoin:round;stroke-linecap:round}.d{stroke-dasharray:6 5}
"""


class _Series:
    """A line: legend, and points as (seconds since the beginning, value), without those that are not
    finite."""

    def __init__(self, name, points):
        self.name = name
        self.points = points


class Picture:
    """A run from `begin` to `end` (Unix time), in which time ran `factor` times faster."""

    def __init__(self, prometheus, begin, end, factor, names=None):
        """`names`: replacements in legends, such as an address by a host name."""
        self._prometheus = prometheus
        self._begin = begin
        self._end = end
        self._factor = factor
        self._names = names or {}

    def draw(self, dashboard):
        """The SVG."""
        height = max(p["gridPos"]["y"] + p["gridPos"]["h"] for p in dashboard["panels"])
        size = (24 * _UNIT_X, height * _UNIT_Y)
        parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
                 f'viewBox="0 0 {size[0]} {size[1]}"><style>{_STYLE}</style>'
                 f'<rect width="{size[0]}" height="{size[1]}" fill="#f4f5f5"/>']
        for panel in dashboard["panels"]:
            place = panel["gridPos"]
            parts.append(f'<g transform="translate({place["x"] * _UNIT_X} {place["y"] * _UNIT_Y})">')
            parts += self._panel(panel, place["w"] * _UNIT_X, place["h"] * _UNIT_Y)
            parts.append("</g>")
        return "\n".join(parts) + "\n</svg>\n"

    def _panel(self, panel, width, height):
        if panel["type"] == "row":
            return [f'<text class="r" x="8" y="19">{html.escape(panel["title"])}</text>']
        frame = (f'<rect x="{_GAP}" y="{_GAP}" width="{width - 2 * _GAP}" height="{height - 2 * _GAP}" '
                 f'fill="#fff" stroke="#ddd" rx="3"/>'
                 f'<text class="t" x="12" y="21">{html.escape(panel["title"])}</text>')
        draw = {"timeseries": self._time_series, "stat": self._stat, "gauge": self._gauge}
        return [frame] + draw[panel["type"]](panel, self._ask(panel), width, height)

    def _ask(self, panel):
        step = (self._end - self._begin) / _POINTS
        # What Grafana would choose: four scrapes, and never less than a step.
        window = max(4 * self._prometheus.scrape_interval_s, step + self._prometheus.scrape_interval_s)
        found = []
        for target in panel["targets"]:
            expression = promql.with_variables(target["expr"], "@")
            expression = timescale.scaled_expression(expression, self._factor) if (
                "[@]" not in expression) else expression.replace("@", f"{round(window * 1000)}ms")
            for one in self._prometheus.query_range(expression, self._begin, self._end, step):
                points = [(time - self._begin, float(value)) for time, value in one["values"]]
                found.append(_Series(self._legend(target, one["metric"]),
                                     [p for p in points if math.isfinite(p[1])]))
        return [series for series in found if series.points]

    def _legend(self, target, labels):
        text = target["legendFormat"]
        for name, value in labels.items():
            text = text.replace("{{%s}}" % name, value)
        for old, new in self._names.items():
            text = text.replace(old, new)
        return text

    def _time_series(self, panel, series, width, height):
        defaults = panel["fieldConfig"]["defaults"]
        stacked = defaults["custom"].get("stacking")
        if stacked:
            series = _stacked(series)
        top, parts_count = units.axis(
            defaults.get("max") or max((v for s in series for _, v in s.points), default=0),
            defaults["unit"])
        bottom = height - _BOTTOM
        span = self._end - self._begin

        def at(point):
            return (f"{_LEFT + point[0] / span * (width - _LEFT - _RIGHT):.0f},"
                    f"{bottom - max(0, point[1]) / top * (bottom - _TOP):.0f}")

        parts = []
        for i in range(parts_count + 1):
            value = top * i / parts_count
            y = bottom - i / parts_count * (bottom - _TOP)
            parts.append(f'<path class="g" d="M{_LEFT} {y:.0f}H{width - _RIGHT}"/>'
                         f'<text class="l e" x="{_LEFT - 5}" y="{y + 4:.0f}">'
                         f'{units.formatted(value, defaults["unit"])}</text>')
        minutes = span * self._factor / 60
        step = max(1, units.axis(minutes / 6, "none")[0])
        for i in range(int(minutes / step) + 1):
            x = _LEFT + i * step / minutes * (width - _LEFT - _RIGHT)
            parts.append(f'<text class="l m" x="{x:.0f}" y="{bottom + 13}">{i * step:g} min</text>')
        x = 12
        for index, one in reversed(list(enumerate(series))):
            color, dashed = _look(panel, one.name, index)
            kind = ' class="d"' if dashed else ""
            for run in _runs(one.points, 1.5 * span / _POINTS):
                points = " ".join(_without_flats([at(p) for p in (run if len(run) > 1 else run * 2)]))
                if stacked:
                    area = f"{at((run[0][0], 0))} {points} {at((run[-1][0], 0))}"
                    parts.append(f'<polygon fill="#fff" points="{area}"/>'
                                 f'<polygon fill="{color}" opacity=".4" points="{area}"/>')
                parts.append(f'<polyline{kind} stroke="{color}" points="{points}"/>')
        for index, one in enumerate(series):
            color, _ = _look(panel, one.name, index)
            if x + 20 + 6 * len(one.name) > width - _RIGHT:
                break
            parts.append(f'<rect x="{x}" y="{height - 19}" width="10" height="4" fill="{color}"/>'
                         f'<text class="l" x="{x + 14}" y="{height - 13}">{html.escape(one.name)}</text>')
            x += 26 + 6 * len(one.name)
        return parts

    def _stat(self, panel, series, width, height):
        defaults = panel["fieldConfig"]["defaults"]
        if not series:
            return []
        if panel["options"].get("textMode") == "name":
            return [f'<text class="m" x="{width / 2}" y="{height / 2 + 8}">'
                    f'{html.escape(series[0].name)}</text>']
        value = series[0].points[-1][1]
        top = max(v for _, v in series[0].points) or 1
        span = self._end - self._begin
        points = [f"{12 + t / span * (width - 24):.0f},{height - 12 - max(0, v) / top * 34:.0f}"
                  for t, v in series[0].points]
        color = _threshold(defaults, value)
        return [f'<polyline stroke="{color}" opacity=".5" points="{" ".join(_without_flats(points))}"/>'
                f'<text class="v" style="fill:{color}" x="{width / 2}" y="{height / 2 + 8}">'
                f'{html.escape(_mapped(defaults, value))}</text>']

    def _gauge(self, panel, series, width, height):
        defaults = panel["fieldConfig"]["defaults"]
        if not series:
            return []
        value = series[0].points[-1][1]
        x, y, radius = width / 2, height - 36, min(width / 2 - 40, height - 80)

        def arc(share, color, stroke):
            angle = math.pi * (1 - share)
            return (f'<path d="M{x - radius:.0f} {y}A{radius:.0f} {radius:.0f} 0 0 1 '
                    f'{x + radius * math.cos(angle):.1f} {y - radius * math.sin(angle):.1f}" '
                    f'fill="none" stroke="{color}" stroke-width="{stroke}"/>')

        share = (value - defaults["min"]) / (defaults["max"] - defaults["min"])
        color = _threshold(defaults, value)
        return [arc(1, "#e8e8e8", 20), arc(share, color, 20) if share else "",
                f'<text class="v" style="fill:{color}" x="{x}" y="{y}">{value:.1f}</text>'
                f'<text class="l m" x="{x}" y="{y + 18}">{html.escape(series[0].name)}</text>']


def _stacked(series):
    """Each on top of those before it."""
    total = {}
    result = []
    for one in series:
        points = []
        for time, value in one.points:
            total[time] = total.get(time, 0) + value
            points.append((time, total[time]))
        result.append(_Series(one.name, points))
    return result


def _runs(points, gap_s):
    """The points in pieces, between which more than `gap_s` is missing."""
    runs = [points[:1]]
    for before, point in zip(points, points[1:]):
        if point[0] - before[0] > gap_s:
            runs.append([])
        runs[-1].append(point)
    return runs


def _without_flats(points):
    """Without points that lie between two at the same height."""
    height = [p.split(",")[1] for p in points]
    return [p for i, p in enumerate(points)
            if not 0 < i < len(points) - 1 or not height[i - 1] == height[i] == height[i + 1]]


def _look(panel, name, index):
    for override in panel["fieldConfig"]["overrides"]:
        if override["matcher"]["options"] == name:
            properties = {p["id"]: p["value"] for p in override["properties"]}
            return _COLORS[properties["color"]["fixedColor"]], "custom.lineStyle" in properties
    return _PALETTE[index % len(_PALETTE)], False


def _threshold(defaults, value):
    color = defaults["thresholds"]["steps"][0]["color"]
    for step in defaults["thresholds"]["steps"][1:]:
        if value >= step["value"]:
            color = step["color"]
    return _COLORS[color]


def _mapped(defaults, value):
    for mapping in defaults.get("mappings", ()):
        text = mapping["options"].get(f"{value:g}")
        if text:
            return text["text"]
    return units.formatted(value, defaults["unit"])


def write(path, picture, dashboard="router-overview"):
    with open(path, "w", encoding="utf-8") as f:
        f.write(picture.draw(shipped.dashboards()[dashboard]))
