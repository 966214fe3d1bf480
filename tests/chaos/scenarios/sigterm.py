"""Scenario 14."""

import time

from frame.scenario import Scenario

_TIMEOUT_S = 5.0
# For what comes after: the last answers, the end of the process.
_GRACE_S = 3.0


class Sigterm(Scenario):
    name = "sigterm"
    sentence = ("SIGTERM under load, with the broker there, stopped or away: the router ends in "
                "time, and every message that it took was answered")

    def run(self, run):
        run.start_broker()
        run.start_router(shutdown_timeout_ms=int(1000 * _TIMEOUT_S))
        load = run.start_load(unary=4, batches=2)
        stops = 0
        longest_s = 0.0
        while run.going():
            run.pause(run.random.uniform(0.1, 0.8))
            broker = run.random.choice(("there", "there", "stopped", "away"))
            if broker == "stopped":
                run.broker.stop_running()
            if broker == "away":
                run.broker.kill()
            begin = time.monotonic()
            status = run.router.terminate(_TIMEOUT_S + 20)
            elapsed_s = time.monotonic() - begin
            longest_s = max(longest_s, elapsed_s)
            stops += 1
            run.check(status == 0, f"exit status {status} with the broker {broker}")
            run.check(elapsed_s <= _TIMEOUT_S + _GRACE_S,
                      f"took {elapsed_s:.1f} s to end with the broker {broker}")
            if broker == "stopped":
                run.broker.go_on()
            if broker == "away":
                run.broker.start()
            run.router.start()
            run.progress(f"stops {stops}, accepted {load.meter.accepted:,}")
        run.figures.update(stops=stops, longest_stop_s=round(longest_s, 2))
        findings = run.finish(load, ignore=())
        run.figures.update(unanswered=findings.counts["unanswered"])
