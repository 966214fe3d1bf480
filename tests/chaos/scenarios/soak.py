"""Scenario 15."""

import collections

from frame.monitor import slope_per_minute
from frame.scenario import Scenario

# Of the router's last life. Before that it is never warm.
_WARM_S = 20
# What a process may grow by while faults go on, once it is warm: from one half of the time to the
# other, and, going by the slope, in the time that was watched or a minute, whichever is shorter.
_FDS = 12
_THREADS = 4
_RSS_MIB = 48
_FAULTS_AT_LEAST = 3


class Soak(Scenario):
    name = "soak"
    sentence = ("router and broker killed and stopped, connections broken and silenced, all mixed "
                "under load: nothing lost, doubled or out of order, and memory, file descriptors "
                "and threads stay flat")
    weight = 4.0

    def run(self, run):
        run.start_broker()
        proxy = run.start_proxy()
        # Remembered message ids would make the memory grow for the first minutes.
        run.start_router([proxy.url], message_id_window_ms=2000)
        load = run.start_load()
        faults = collections.Counter()
        waiting = []  # So that each has its turn.
        while sum(faults.values()) < _FAULTS_AT_LEAST or run.going():
            run.pause(run.random.expovariate(1 / 0.8))
            # The router's last life is long enough to see what grows.
            young = (run.elapsed_s < 0.35 * run.duration_s
                     or sum(faults.values()) < _FAULTS_AT_LEAST)
            possible = _FAULTS if young else _FAULTS_AROUND_THE_ROUTER
            waiting = [f for f in waiting if f in possible] or run.random.sample(
                possible, len(possible))
            fault = waiting.pop()
            fault(run, proxy)
            faults[fault.__name__.strip("_")] += 1
            run.progress(f"faults {sum(faults.values())}, accepted {load.meter.accepted:,}")
        run.figures.update(router_kills=faults["kill_router"], broker_kills=faults["kill_broker"],
                           faults=sum(faults.values()))
        run.at_least("faults", _FAULTS_AT_LEAST, per_minute=15)
        if run.duration_s >= 60:
            run.at_least("router_kills", 1)
            run.at_least("broker_kills", 1)
        run.finish(load)
        _check_flat(run)


def _kill_router(run, proxy):
    del proxy
    run.router.kill()
    run.router.start()


def _kill_broker(run, proxy):
    del proxy
    run.broker.kill()
    run.pause(run.random.uniform(0, 0.5))
    run.broker.start()


def _stop_broker(run, proxy):
    del proxy
    run.broker.stop_running()
    run.pause(run.random.uniform(0.2, 1.5))
    run.broker.go_on()


def _stop_router(run, proxy):
    del proxy
    run.router.process.stop_running()
    run.pause(run.random.uniform(0.2, 1.0))
    run.router.process.go_on()


def _break_connections(run, proxy):
    del run
    proxy.break_connections()


def _lose_answers(run, proxy):
    proxy.set(to_client="drop")
    run.pause(run.random.uniform(0.2, 1.0))
    proxy.heal()
    proxy.break_connections()


def _stall_link(run, proxy):
    proxy.set(to_client="stall", to_server="stall")
    run.pause(run.random.uniform(0.2, 1.0))
    proxy.heal()


_FAULTS_AROUND_THE_ROUTER = (_kill_broker, _stop_broker, _stop_router, _break_connections,
                             _lose_answers, _stall_link)
_FAULTS = _FAULTS_AROUND_THE_ROUTER + (_kill_router,) * 3


def _check_flat(run):
    """The router's last life, its second half against its first."""
    end = run.monitor.samples[-1].time_s
    samples = [s for s in run.monitor.samples if s.time_s > end - 0.5 * run.duration_s]
    watched_s = end - samples[0].time_s
    if watched_s < _WARM_S:
        run.figures["flat"] = "not checked"
        return
    run.figures["flat_for_s"] = round(watched_s)
    half = len(samples) // 2
    def median(part, value):
        return sorted(value(s) for s in part)[len(part) // 2]
    for name, value, allowed in (("rss_mib", lambda s: s.rss_kib / 1024, _RSS_MIB),
                                 ("fds", lambda s: s.fds, _FDS),
                                 ("threads", lambda s: s.threads, _THREADS)):
        growth = median(samples[half:], value) - median(samples[:half], value)
        slope = slope_per_minute(samples[half // 2:], value)
        run.figures[f"{name}_per_minute"] = round(slope, 1)
        run.check(growth <= allowed, f"{name} grew by {growth:.0f}")
        run.check(slope * min(1.0, watched_s / 60) <= allowed,
                  f"{name} grows by {slope:.0f} per minute")
