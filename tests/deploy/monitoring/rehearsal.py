"""Runs faults against a stack, and waits for the alerts to reach their receivers and to go again."""

import dataclasses
import time

from harness.waiting import wait_until
from monitoring import shipped

# Who hears of an alert, by its severity.
RECEIVERS = {"critical": {"pager", "chat"}, "warning": {"chat"}, "info": set()}
_DEADLINE_S = 90


@dataclasses.dataclass
class Row:
    """One line of the result. Times are seconds of the machine's clock; None: not seen."""
    scenario: str
    alert: str
    severity: str
    receivers: str
    fired_s: float = None
    resolved_s: float = None
    note: str = ""


class Rehearsal:
    """`say` takes a line of progress."""

    def __init__(self, stack, say=lambda line: None):
        self._stack = stack
        self._say = say
        self._severities = {name: rule["labels"]["severity"]
                            for name, rule in shipped.alerts().items()}
        self._settings = None
        self.rows = []

    def run(self, scenario):
        """Raises AssertionError where an alert does not come, does not go, or goes to the wrong one."""
        stack = self._stack
        self._say(f"{scenario.name}: {scenario.sentence}")
        if self._settings is not None and scenario.settings != self._settings:
            stack.restart_router(**scenario.settings)
        self._settings = scenario.settings
        self._wait_quiet(scenario)
        rows = [Row(scenario.name, alert, self._severities[alert],
                    " ".join(sorted(RECEIVERS[self._severities[alert]])))
                for alert in scenario.alerts + scenario.lasting]
        self.rows += rows
        begin = time.monotonic()
        scenario.inject(stack)
        for row in rows:
            row.fired_s = self._wait_notified(row, "firing", begin) - begin
            self._say(f"  {row.alert} has reached {row.receivers} after {row.fired_s:.1f} s")
        self._wait_inhibited(scenario, begin)
        healed = time.monotonic()
        scenario.heal(stack)
        for row in rows:
            if row.alert in scenario.lasting:
                row.note = "lasts as long as its windows"
                continue
            row.resolved_s = self._wait_notified(row, "resolved", begin) - healed
            self._say(f"  {row.alert} is resolved after {row.resolved_s:.1f} s")
        stack.router.wait_drained(60)
        self._check_receivers(scenario, begin)

    def _wait_quiet(self, scenario):
        # The counters have to be known before they move.
        wait_until(lambda: self._stack.prometheus.query(
            'min(count_over_time(router_nats_connection_status[1s])) > 1'),
                   "Prometheus knows the router", _DEADLINE_S, poll_s=0.1)
        wanted = scenario.alerts + scenario.inhibited + scenario.quiet
        wait_until(lambda: all(self._stack.prometheus.states()[a] == "inactive" for a in wanted),
                   f"{', '.join(wanted)} are inactive", _DEADLINE_S, poll_s=0.1)

    def _wait_notified(self, row, status, since):
        """When the last of those who have to hear of it has."""
        def times():
            told = self._stack.webhook.notifications(since, name=row.alert, status=status)
            first = {n.receiver: n.time for n in reversed(told)}
            return max(first.values()) if RECEIVERS[row.severity] <= set(first) else None

        return wait_until(times, f"{row.alert} is {status} at {row.receivers}; Prometheus says "
                          f"{self._stack.prometheus.states()[row.alert]}", _DEADLINE_S, poll_s=0.05)

    def _wait_inhibited(self, scenario, since):
        for alert in scenario.inhibited:
            wait_until(lambda alert=alert: alert in self._stack.alertmanager.inhibited(),
                       f"{alert} fires and is inhibited", _DEADLINE_S, poll_s=0.1)
            self.rows.append(Row(scenario.name, alert, self._severities[alert], "",
                                 time.monotonic() - since, note="fires, and is inhibited"))
            self._say(f"  {alert} fires, and is inhibited")

    def _check_receivers(self, scenario, since):
        told = self._stack.webhook.notifications(since)
        for n in told:
            if n.receiver == "deadman":
                assert n.name == "RouterMonitoringAlive", f"{n.name} went to deadman"
                continue
            assert n.name not in scenario.inhibited, f"{n.name} is inhibited and went to {n.receiver}"
            assert n.name not in scenario.quiet, f"{n.name} has nothing to do with {scenario.name}"
            severity = n.labels["severity"]
            assert n.receiver in RECEIVERS[severity], f"{n.name}, {severity}, went to {n.receiver}"
        assert any(n.receiver == "deadman" for n in told), "the dead man's switch is told all the time"


def table(rows, factor):
    """The result, with times also as they would be with the shipped settings."""
    def cell(seconds):
        if seconds is None:
            return ""
        return f"{seconds:.1f} s ({seconds * factor / 60:.1f} min)"

    cells = [("scenario", "alert", "severity", "told", "fired after", "resolved after", "")]
    cells += [(r.scenario, r.alert, r.severity, r.receivers, cell(r.fired_s), cell(r.resolved_s),
               r.note) for r in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join("  ".join(text.ljust(width) for text, width in zip(line, widths)).rstrip()
                     for line in cells)
