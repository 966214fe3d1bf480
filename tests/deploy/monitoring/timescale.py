"""Copies of the shipped configurations in which time runs faster, all of it by one factor.

Durations are divided: how long an alert waits (`for`), the windows and predictions of expressions,
the intervals of Prometheus and Alertmanager. Thresholds stay, also those in seconds.
"""

import re

_UNITS_MS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_DURATION = re.compile(r"(\d+)(ms|[smhd])")
_TIMES_OF_PROMETHEUS = ("scrape_interval", "evaluation_interval")
_TIMES_OF_ALERTMANAGER = ("group_wait", "group_interval", "repeat_interval", "resolve_timeout")


def milliseconds(duration):
    parts = _DURATION.findall(duration)
    assert "".join(n + unit for n, unit in parts) == duration, f"no duration: {duration}"
    return sum(int(n) * _UNITS_MS[unit] for n, unit in parts)


def scaled(duration, factor):
    """`5m` by 60 is `5000ms`. What is longer than nothing stays so."""
    value = milliseconds(duration)
    return f"{max(1, round(value / factor)) if value else 0}ms"


def scaled_expression(expression, factor):
    expression = re.sub(r"\[(\w+)\]", lambda m: f"[{scaled(m[1], factor)}]", expression)
    return re.sub(r"(predict_linear\(.*,\s*)(\d+)\)", lambda m: f"{m[1]}{int(m[2]) / factor})",
                  expression)


def scaled_rules(document, factor):
    """A rule file."""
    for group in document["groups"]:
        for rule in group["rules"]:
            rule["expr"] = scaled_expression(rule["expr"], factor)
            if "for" in rule:
                rule["for"] = scaled(rule["for"], factor)
    return document


def scaled_prometheus(config, factor):
    for name in _TIMES_OF_PROMETHEUS:
        config["global"][name] = scaled(config["global"][name], factor)
    # A machine does not answer faster because time does: as long as Prometheus allows.
    config["global"]["scrape_timeout"] = config["global"]["scrape_interval"]
    return config


def scaled_alertmanager(config, factor):
    def visit(node):
        for name in _TIMES_OF_ALERTMANAGER:
            if name in node:
                node[name] = scaled(node[name], factor)
        for child in node.get("routes", ()):
            visit(child)

    visit(config["global"])
    visit(config["route"])
    return config
