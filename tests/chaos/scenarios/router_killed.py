"""Scenario 1."""

import collections

from harness.waiting import wait_until

from frame.scenario import Scenario

# The first need messages that are being queued, which the broker's absence brings about.
_WHILE_QUEUEING = ("before_fsync", "after_fsync")
_WHILE_CONNECTED = ("after_publish", "before_settle", "before_delete")


class RouterKilled(Scenario):
    name = "router_killed"
    sentence = ("kill -9 of the router under load, at random moments and at failpoints, with the "
                "broker there or away: nothing accepted is lost, doubled or out of order")
    weight = 6.0

    def run(self, run):
        run.start_broker()
        run.start_router()
        run.router.settings.setdefault("enable_fault_injection", True)
        load = run.start_load(retry=True)
        kills = collections.Counter()
        while run.going():
            broker_away = run.random.random() < 0.2
            if run.random.random() < 0.5:
                kills[_kill_at_random(run, broker_away)] += 1
            else:
                kills[_kill_at_failpoint(run, broker_away)] += 1
            run.progress(f"kills {sum(kills.values())}, accepted {load.meter.accepted:,}")
        run.router.settings.update(run.planted)
        run.figures.update(router_kills=sum(kills.values()),
                           **{f"kills_{place}": kills[place] for place in sorted(kills)})
        run.finish(load)


def _kill_at_random(run, broker_away):
    run.pause(run.random.expovariate(1 / 0.15))
    if broker_away:
        run.broker.kill()
        run.pause(run.random.uniform(0, 0.3))
    run.router.kill()
    if broker_away:
        run.broker.start()
    run.router.start()
    return "random"


def _kill_at_failpoint(run, broker_away):
    """The router's next life ends by itself; where it does not in time, from outside."""
    place = run.random.choice(_WHILE_QUEUEING if broker_away else _WHILE_CONNECTED)
    time_of_death = f"{place}=kill#{run.random.randint(1, 25)}"
    planted = run.planted.get("failpoints")
    if broker_away:
        run.broker.kill()
    run.router.kill()
    run.router.settings["failpoints"] = ",".join(filter(None, [planted, time_of_death]))
    run.router.spawn()
    try:
        wait_until(lambda: not run.router.process.running, time_of_death, 0.5)
    except AssertionError:
        place = "random"
    run.router.kill()
    run.router.settings["failpoints"] = planted
    if broker_away:
        run.broker.start()
    run.router.start()
    return place
