#!/usr/bin/python3
"""Makes components/monitoring/prometheus_rule.yaml of the rules in ../prometheus/rules, for the Prometheus
operator. Run it after a change of those; a test compares them.

  deploy/kubernetes/generate_rules.py          writes the file
  deploy/kubernetes/generate_rules.py --check  ends with 1 where it is not in step
"""

import argparse
import pathlib
import sys

import yaml

HERE = pathlib.Path(__file__).resolve().parent
RULES = HERE.parent / "prometheus" / "rules"
TARGET = HERE / "components" / "monitoring" / "prometheus_rule.yaml"
HEADER = "# Made by ../../generate_rules.py of ../../../prometheus/rules: change those, and run it.\n"


def prometheus_rule():
    groups = []
    for path in sorted(RULES.glob("*.yml")):
        groups += yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    resource = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "router", "labels": {"app.kubernetes.io/name": "router"}},
        "spec": {"groups": groups},
    }
    return HEADER + yaml.safe_dump(resource, sort_keys=False, width=100, allow_unicode=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n\n")[0])
    parser.add_argument("--check", action="store_true")
    text = prometheus_rule()
    if not parser.parse_args().check:
        TARGET.write_text(text, encoding="utf-8")
        return 0
    if TARGET.exists() and TARGET.read_text(encoding="utf-8") == text:
        return 0
    print(f"{TARGET} is not in step with {RULES}: run {pathlib.Path(__file__).name}",
          file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
