"""Scenario 14."""

import itertools
import time

from frame.scenario import Scenario

_TIMEOUT_S = 5.0
# For what comes after: the last answers, the end of the process.
_GRACE_S = 3.0
# Where the broker is when the router is told to end.
_SITUATIONS = ("there", "away", "there", "stopped")


class Sigterm(Scenario):
    name = "sigterm"
    sentence = ("SIGTERM under load, with the broker there, stopped or away: the router ends in "
                "time, and every message that it took was answered")

    def run(self, run):
        run.start_broker()
        run.start_router(shutdown_timeout_ms=int(1000 * _TIMEOUT_S))
        load = run.start_load(unary=4, batches=2)
        longest_s = 0.0
        run.figures.update(stops=0, broker_kills=0)
        situations = itertools.cycle(run.random.sample(_SITUATIONS, len(_SITUATIONS)))
        while run.figures["stops"] < len(_SITUATIONS) or run.going():
            run.pause(run.random.uniform(0.1, 0.8))
            broker = next(situations)
            if broker == "stopped":
                run.broker.stop_running()
            if broker == "away":
                run.broker.kill()
                run.figures["broker_kills"] += 1
            begin = time.monotonic()
            status = run.router.terminate(_TIMEOUT_S + 20)
            elapsed_s = time.monotonic() - begin
            longest_s = max(longest_s, elapsed_s)
            run.figures["stops"] += 1
            run.check(status == 0, f"exit status {status} with the broker {broker}")
            run.check(elapsed_s <= _TIMEOUT_S + _GRACE_S,
                      f"took {elapsed_s:.1f} s to end with the broker {broker}")
            if broker == "stopped":
                run.broker.go_on()
            if broker == "away":
                run.broker.start()
            run.router.start()
            run.progress(f"stops {run.figures['stops']}, accepted {load.meter.accepted:,}")
        run.figures.update(longest_stop_s=round(longest_s, 2))
        findings = run.finish(load, ignore=())
        run.at_least("stops", len(_SITUATIONS), per_minute=10)
        run.figures.update(unanswered=findings.counts["unanswered"])
