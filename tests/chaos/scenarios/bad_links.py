"""Scenario 10."""

import datetime
import os
import time

from harness import sanitizers
from harness.fake_servers import InfoThenSilence, SilentServer
from harness.waiting import wait_until

from frame.scenario import Planted, Scenario

# As FAST_SETTINGS has them: pings every 250 ms, lost when the second one is not answered and the
# third is due.
_PING_BUDGET_S = 3 * 0.25
# Beyond that, and for coming back: in ./chaos, and in the short version, which runs beside other
# tests.
_SLACK_S, _SLACK_BUSY_S = 0.75, 4.0
_RECONNECT_S, _RECONNECT_BUSY_S = 5.0, 20.0
# With sanitizers, reconnecting alone may take a core.
_CPU_SHARE = 0.6 if sanitizers.TIME == 1 else 1.5
_GROWTH_BYTES = (128 << 20) * sanitizers.MEMORY


class BadLinks(Scenario):
    name = "bad_links"
    sentence = ("broker or router stopped, links half open, silent, slow, flaky or byte by byte: "
                "noticed within the ping budget, bounded memory, nothing lost")
    planted = (Planted("a dead connection is noticed late", "noticed",
                       {"nats_ping_interval_ms": 60000, "nats_write_deadline_ms": 60000}),)
    weight = 1.5
    short_s = 16.0

    def run(self, run):
        run.start_broker()
        self._run = run
        self._proxy = run.start_proxy()
        run.start_router([self._proxy.url])
        load = run.start_load(rate=2000)
        self._load = load
        strict = run.duration_s > self.short_s
        self._noticed_max_s = _PING_BUDGET_S + (_SLACK_S if strict else _SLACK_BUSY_S)
        self._reconnect_max_s = _RECONNECT_S if strict else _RECONNECT_BUSY_S
        run.figures.update(noticed_s=0.0, reconnected_s=0.0, cpu_share=0.0)
        situations = [self._broker_stopped, self._router_stopped, self._half_open,
                      self._silent_server, self._info_then_silence, self._slow, self._byte_by_byte,
                      self._flaky]
        before = largest = run.router.resident_bytes()
        done = 0
        while done < len(situations) or run.going():
            if done % len(situations) == 0:
                run.random.shuffle(situations)
            situation = situations[done % len(situations)]
            run.progress(situation.__name__.strip("_"))
            situation()
            largest = max(largest, run.router.resident_bytes())
            self._check_reconnected(situation.__name__)
            done += 1
        run.figures.update(situations=done, rss_before_mib=before >> 20,
                           rss_largest_mib=largest >> 20)
        run.check(largest - before < _GROWTH_BYTES,
                  f"memory grows from {before >> 20} to {largest >> 20} MiB")
        run.finish(load)

    def _check_reconnected(self, what):
        begin = time.monotonic()
        self._run.wait_until(
            lambda: self._run.router.metric("router_nats_connection_status") == 1,
            f"connected again after {what}", self._reconnect_max_s)
        self._note("reconnected_s", time.monotonic() - begin)
        # So that the next one meets messages on the direct path too.
        self._run.wait_until(
            lambda: self._run.router.metric("router_nats_pending_operations_count") < 50,
            f"drains after {what}", 20)

    def _note(self, figure, seconds):
        self._run.figures[figure] = max(self._run.figures[figure], round(seconds, 2))

    def _check_noticed(self, what, kill_link):
        """The connection that is dead is given up in time, which is when the router says so in its
        log, not when it is asked."""
        log = self._run.router.log
        mark = log.mark()
        begin = time.time()
        kill_link()
        found = []
        def is_noticed():
            found[:] = log.events("NATS_CONNECTION_LOST", after=mark)
            return found
        if self._run.wait_until(is_noticed, f"noticed: {what}", self._noticed_max_s + 2):
            noticed = datetime.datetime.fromisoformat(found[0]["timestamp"].replace("Z", "+00:00"))
            after_s = noticed.timestamp() - begin
            self._note("noticed_s", after_s)
            self._run.check(after_s <= self._noticed_max_s,
                            f"noticed after {after_s:.2f} s: {what}")

    def _check_accepting(self, what):
        accepted = self._load.meter.accepted
        self._run.wait_until(lambda: self._load.meter.accepted > accepted + 100,
                             f"messages are accepted: {what}", 5)

    # Situations. Each leaves links and processes as they were.

    def _broker_stopped(self):
        self._check_noticed("a stopped broker", self._run.broker.stop_running)
        self._check_accepting("a stopped broker")
        self._run.broker.go_on()

    def _router_stopped(self):
        """For longer than the broker's patience or not."""
        self._run.router.process.stop_running()
        _pass_time(self._run.random.uniform(0.3, 1.5))
        self._run.router.process.go_on()
        self._check_accepting("a router that was stopped")

    def _half_open(self):
        self._check_noticed("a half-open link",
                            lambda: self._proxy.set(to_server="drop", to_client="drop"))
        self._check_accepting("a half-open link")
        self._heal()

    def _heal(self):
        # A stream of bytes with a hole in it is of no use to anybody.
        self._proxy.heal()
        self._proxy.break_connections()

    def _silent_server(self):
        self._talk_to(SilentServer)

    def _info_then_silence(self):
        self._talk_to(InfoThenSilence)

    def _talk_to(self, fake_server):
        """Attempts to connect come to an end, one after the other, and burn no CPU."""
        fake = fake_server()
        real_port, self._proxy.target_port = self._proxy.target_port, fake.port
        self._proxy.break_connections()
        cpu, begin = _cpu_s(self._run.router.process.pid), time.monotonic()
        try:
            self._run.wait_until(lambda: fake.connections >= 3,
                                 f"attempts to connect to a {fake_server.__name__} end", 5)
            self._check_accepting(fake_server.__name__)
        finally:
            self._proxy.target_port = real_port
            share = ((_cpu_s(self._run.router.process.pid) - cpu) / (time.monotonic() - begin))
            self._note("cpu_share", share)
            self._run.check(share < _CPU_SHARE, f"{share:.0%} of a processor with {fake_server.__name__}")
            fake.close()
        self._proxy.break_connections()

    def _slow(self):
        self._proxy.set(to_server="slow", to_client="slow")
        self._check_accepting("a slow link")
        _pass_time(0.5)
        self._proxy.heal()

    def _byte_by_byte(self):
        self._proxy.set(to_server="bytes", to_client="bytes")
        self._check_accepting("a link that brings one byte at a time")
        _pass_time(0.5)
        self._proxy.heal()

    def _flaky(self):
        for _ in range(6):
            mode = self._run.random.choice(("stall", "slow", "bytes", "pass"))
            self._proxy.set(**{self._run.random.choice(("to_server", "to_client")): mode})
            _pass_time(self._run.random.uniform(0.05, 0.3))
            if self._run.random.random() < 0.5:
                self._proxy.break_connections()
        self._proxy.heal()


def _pass_time(seconds):
    """The fault lasts so long; nobody can be asked whether it is over."""
    end = time.monotonic() + seconds
    wait_until(lambda: time.monotonic() >= end, "time passes", seconds + 5)


def _cpu_s(pid):
    with open(f"/proc/{pid}/stat", encoding="ascii") as f:
        fields = f.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
