#!/usr/bin/env python3
"""Counts the test cases of one run of `bazel test`.

usage: count_results.py BUILD_EVENT_JSON_FILE [FAILED ELSEWHERE]

Each test case of GoogleTest and of Python's unittest counts; a test that is neither counts as one.
The last line is `N passed, N failed`.
"""

import json
import pathlib
import re
import sys
import urllib.parse
import xml.etree.ElementTree as ElementTree


UNITTEST_RAN = re.compile(r"^Ran (\d+) tests? in ", re.MULTILINE)
UNITTEST_SUMMARY = re.compile(r"^(?:OK|FAILED)(?: \((.*)\))?$", re.MULTILINE)


def count_unittest(log):
    """(passed, failed) of the log of a Python test; None where it is none, or did not finish."""
    ran = UNITTEST_RAN.findall(log)
    summary = UNITTEST_SUMMARY.findall(log)
    if not ran or not summary:
        return None
    counts = dict(part.split("=") for part in summary[-1].split(", ") if "=" in part)
    failed = int(counts.get("failures", 0)) + int(counts.get("errors", 0))
    return int(ran[-1]) - failed - int(counts.get("skipped", 0)), failed


def count(report):
    """(passed, failed) of one test.xml."""
    log = report.with_name("test.log")
    if log.exists():
        counted = count_unittest(log.read_text(errors="replace"))
        if counted is not None:
            return counted
    passed = failed = 0
    for case in ElementTree.parse(report).getroot().iter("testcase"):
        if case.get("status") == "notrun" or case.find("skipped") is not None:
            continue
        if case.find("failure") is not None or case.find("error") is not None:
            failed += 1
        else:
            passed += 1
    return passed, failed


def reports(events):
    """(label, test.xml) of each test that the run had."""
    with open(events, encoding="utf-8") as lines:
        for line in lines:
            event = json.loads(line)
            for output in event.get("testResult", {}).get("testActionOutput", []):
                if output["name"] == "test.xml":
                    path = urllib.parse.urlparse(output["uri"]).path
                    yield event["id"]["testResult"]["label"], pathlib.Path(urllib.parse.unquote(path))


def main():
    passed, failed = 0, int(sys.argv[2]) if len(sys.argv) > 2 else 0
    for label, report in sorted(reports(sys.argv[1])):
        try:
            report_passed, report_failed = count(report)
        except (ElementTree.ParseError, FileNotFoundError):
            report_passed, report_failed = 0, 1  # The test was killed while it wrote its report.
        if report_failed:
            print(f"failed: {label} (log: {report.parent}/test.log)")
        passed += report_passed
        failed += report_failed
    print(f"{passed} passed, {failed} failed")


if __name__ == "__main__":
    main()
