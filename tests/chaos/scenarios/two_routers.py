"""Scenario 9."""

import os

from frame import history
from frame.load import ID_HEADER, Load
from frame.monitor import Monitor
from frame.scenario import Planted, Scenario


class TwoRouters(Scenario):
    name = "two_routers"
    sentence = ("every message goes through two routers at the same time, with the same id, while "
                "broker, links and routers fail: the stream has it once")
    planted = (Planted.failpoint("a message is sent again with another id", "redeliver=new_id@0.2",
                                 "duplicates"),)

    def run(self, run):
        run.start_broker()
        routers, proxies, loads = [], [], []
        for name in ("left", "right"):
            proxies.append(run.start_proxy())
            routers.append(run.start_router([proxies[-1].url], name))
            load = Load(f"127.0.0.1:{routers[-1].grpc_port}", os.path.join(run.folder, name),
                        rate=2000, streams=2, unary=1, retry=True)
            loads.append(load)
        run.follow_load(*loads)
        other = Monitor(routers[1], run.violation)
        run.defer(other.stop)
        other.start()
        faults = {"broker_kills": lambda: _restart(run, run.broker),
                  "router_kills": lambda: _restart(run, run.random.choice(routers)),
                  "broken_links": lambda: run.random.choice(proxies).break_connections(),
                  "lost_acks": lambda: _lose_acks(run, run.random.choice(proxies))}
        run.figures.update(dict.fromkeys(faults, 0))
        order = []
        while sum(run.figures[fault] for fault in faults) < len(faults) or run.going():
            run.pause(run.random.uniform(0.1, 0.6))
            order = order or run.random.sample(list(faults), len(faults))
            fault = order.pop()
            faults[fault]()
            run.figures[fault] += 1
            run.progress(f"accepted {[load.meter.accepted for load in loads]}")
        for fault in faults:
            run.at_least(fault, 1)
        run.end_load(*loads)
        for router in routers:
            router.wait_connected(30)
            router.wait_drained(60)
        self._compare(run, loads, other)

    @staticmethod
    def _compare(run, loads, other):
        merged = [_merge(*pair) for pair in zip(loads[0].histories, loads[1].histories)]
        # Order is one router's: the other may have accepted what the first refused.
        findings = run.compare(merged, ignore=("unanswered", "reordered"), id_header=ID_HEADER)
        told = history.counts(merged)
        twice = sum(1 for a, b in zip(loads[0].histories, loads[1].histories)
                    for x, y in zip(a.told, b.told) if x in _PROMISED and y in _PROMISED)
        for monitor in (run.monitor, other):
            monitor.sample()
        run.figures.update(
            accepted=told["DELIVERED"] + told["QUEUED"], accepted_by_both=twice,
            lost=findings.counts["lost"], duplicates=findings.counts["duplicates"],
            unaccounted=run.monitor.unaccounted + other.unaccounted, **run.monitor.figures())
        run.at_least("accepted_by_both", 1)


_PROMISED = (history.DELIVERED, history.QUEUED)


class _Merged:
    """What one client was told by two routers about the same messages."""

    def __init__(self, name, keys, told, sequences):
        self.name = name
        self.keys = keys
        self.told = told
        self.sequences = sequences

    def __len__(self):
        return len(self.told)


def _merge(left, right):
    """What one of them promised is promised; nothing is refused unless both refused it. A sequence
    that the two do not agree on is one that no message has."""
    count = max(len(left), len(right))
    told, sequences = bytearray(count), [0] * count
    for number in range(count):
        answers = {h.told[number] for h in (left, right) if number < len(h)}
        places = {h.sequences[number] for h in (left, right) if number < len(h)} - {0}
        promised = answers & set(_PROMISED)
        if promised:
            told[number] = min(promised)
        elif answers == {history.REJECTED} and number < min(len(left), len(right)):
            told[number] = history.REJECTED
        sequences[number] = places.pop() if len(places) == 1 else -1 if places else 0
    return _Merged(left.name, left.keys, told, sequences)


def _restart(run, process):
    process.kill()
    run.pause(run.random.uniform(0, 0.3))
    process.start()


def _lose_acks(run, proxy):
    proxy.set(to_client="drop")
    run.pause(run.random.uniform(0.1, 0.8))
    proxy.heal()
    proxy.break_connections()
