"""The files that are shipped: rules, dashboards, runbooks."""

import json
import os
import pathlib
import re

import yaml

# The part of the source tree that Bazel gives to a test; all of it for deploy/rehearse.
ROOT = (pathlib.Path(os.environ["TEST_SRCDIR"], "router") if "TEST_SRCDIR" in os.environ
        else pathlib.Path(__file__).absolute().parents[3])
PROMETHEUS = ROOT / "deploy/prometheus"
ALERTMANAGER = ROOT / "deploy/alertmanager"
GRAFANA = ROOT / "deploy/grafana"
RUNBOOKS = ROOT / "docs/runbooks"
RUNBOOK_BASE = "https://example.com/router/docs/runbooks/"


def routerctl():
    """The program: from the environment, or where Bazel puts it beside the test."""
    return os.environ.get("ROUTERCTL") or str(ROOT / "clients/cli/routerctl")


def load_yaml(path):
    with open(path, encoding="utf-8") as f:
        return yaml.safe_load(f)


def rule_files():
    return sorted((PROMETHEUS / "rules").glob("*.yml"))


def rules():
    """All rules, each as the dict of its file."""
    return [rule for path in rule_files() for group in load_yaml(path)["groups"]
            for rule in group["rules"]]


def alerts():
    """Alerting rules by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def recorded():
    """Recording rules by name."""
    return {rule["record"]: rule for rule in rules() if "record" in rule}


def dashboards():
    """The dashboards by file name, without `.json`."""
    return {path.stem: json.loads(path.read_text(encoding="utf-8"))
            for path in sorted((GRAFANA / "dashboards").glob("*.json"))}


def panels(dashboard):
    """Those that show something."""
    return [panel for panel in dashboard["panels"] if panel["type"] != "row"]


def documented_metrics():
    """The tables of docs/metrics.md: name → (type, labels), of the router and of the NATS exporter."""
    found = {}
    for line in (ROOT / "docs/metrics.md").read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in line.strip("| ").split(" | ")]
        name = re.fullmatch(r"`([a-z_]+)`", cells[0])
        if name and len(cells) == 4:
            assert name[1] not in found, f"{name[1]} is documented twice"
            found[name[1]] = (cells[1], tuple(re.findall(r"`(\w+)`", cells[2])))
    return found
