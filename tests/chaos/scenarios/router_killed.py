"""Scenario 1."""

import itertools
import signal

from harness.waiting import wait_until

from frame.scenario import Scenario

# The first need messages that are being queued, which the broker's absence brings about.
_WHILE_QUEUEING = ("before_fsync", "after_fsync")
# This one needs messages that were queued.
_WHILE_DRAINING = ("before_delete",)
# Places where the router dies, and at which passing at the latest.
_PLACES = {"before_fsync": 25, "after_publish": 25, "after_fsync": 25, "before_settle": 25,
           "before_delete": 2}
_DEATH_S = 5.0
_ROUNDS_AT_LEAST = 2


class RouterKilled(Scenario):
    name = "router_killed"
    sentence = ("kill -9 of the router under load, at random moments, while it starts and at "
                "failpoints, with the broker there or away: nothing accepted is lost, doubled or "
                "out of order")
    weight = 9.0

    def run(self, run):
        run.start_broker()
        run.start_router()
        run.router.settings.setdefault("enable_fault_injection", True)
        load = run.start_load(retry=True)
        run.figures.update(router_kills=0, broker_kills=0, kills_at_random=0, kills_in_start=0,
                           **{f"kills_{place}": 0 for place in _PLACES})
        places = itertools.cycle(_PLACES)
        rounds = 0
        while rounds < _ROUNDS_AT_LEAST or run.going():
            _round(run, next(places))
            rounds += 1
            run.progress(f"kills {run.figures['router_kills']}, accepted {load.meter.accepted:,}")
        run.finish(load)
        run.at_least("router_kills", 2 * _ROUNDS_AT_LEAST, per_minute=40)
        if rounds >= 2 * len(_PLACES):
            for place in _PLACES:
                run.at_least(f"kills_{place}", 1)


def _round(run, place):
    """A kill under load at a random moment, now and then one in the start after it, and one at a
    failpoint of the life after that."""
    away = place in _WHILE_QUEUEING + _WHILE_DRAINING
    run.pause(run.random.expovariate(1 / 0.15))
    if away:
        run.broker.kill()
        run.figures["broker_kills"] += 1
        run.pause(run.random.uniform(0.05, 0.3))
    _kill(run, "at_random")
    if place in _WHILE_DRAINING:
        run.broker.start()
        away = False
    elif run.random.random() < 0.3:
        run.router.spawn()
        run.pause(run.random.uniform(0, 0.15))
        _kill(run, "in_start")
    _die_at(run, place)
    if away:
        run.broker.start()
    run.router.start()


def _die_at(run, place):
    """The router's next life ends by itself; where it does not in time, from outside."""
    time_of_death = f"{place}=kill#{run.random.randint(1, _PLACES[place])}"
    planted = run.planted.get("failpoints")
    run.router.settings["failpoints"] = ",".join(filter(None, [planted, time_of_death]))
    run.router.spawn()
    run.router.settings["failpoints"] = planted
    try:
        wait_until(lambda: not run.router.process.running, time_of_death, _DEATH_S)
    except AssertionError:
        _kill(run, "at_random")
        return
    status = run.router.process.wait(0)
    if run.check(status == -signal.SIGKILL, f"exit status {status} at {time_of_death}"):
        _count(run, place)


def _kill(run, when):
    run.router.kill()
    _count(run, when)


def _count(run, when):
    run.figures["router_kills"] += 1
    run.figures[f"kills_{when}"] += 1
