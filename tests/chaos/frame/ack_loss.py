"""Scenario 7: a proxy that passes what the router sends and throws away what the broker answers."""

from frame.scenario import STREAM

_LOSSES_AT_LEAST = 2


def lose_acks(run, duplicate_window_s, loss_s, searches):
    """`loss_s`: the shortest and the longest time for which answers are lost. `searches`: whether
    the router has to look into the stream for what it does not know."""
    run.start_broker(stream_config={"duplicate_window": int(duplicate_window_s * 1e9)})
    proxy = run.start_proxy()
    run.start_router([proxy.url])
    asked = _Searches(run)
    load = run.start_load(rate=4000)
    run.figures.update(losses=0, router_kills=0, lost_acks=0)
    while run.figures["losses"] < _LOSSES_AT_LEAST or run.going():
        run.pause(run.random.uniform(0.2, 0.8))
        _lose(run, proxy, loss_s)
        asked.count()
        run.progress(f"losses {run.figures['losses']}, accepted {load.meter.accepted:,}")
    run.finish(load)
    run.figures.update(
        searches=asked.count(),
        possible_duplicates=int(run.router.metric("router_nats_possible_duplicates_total")))
    run.at_least("lost_acks", 100)
    if searches:
        run.at_least("searches", 1)


def _lose(run, proxy, loss_s):
    """Now and then the router dies meanwhile: what its next life finds in its queue may be in the
    stream already."""
    proxy.set(to_client="drop")
    # The router hears of nothing that is stored between here and the proxy's recovery.
    stored = run.broker.message_count(STREAM)
    run.figures["losses"] += 1
    run.pause(run.random.uniform(*loss_s))
    if run.random.random() < 0.2:
        run.router.kill()
        run.figures["router_kills"] += 1
    run.figures["lost_acks"] += run.broker.message_count(STREAM) - stored
    # A stream of bytes with a hole in it is of no use to anybody.
    proxy.heal()
    proxy.break_connections()
    if not run.router.process.running:
        run.router.start()


class _Searches:
    """How often the router began to read what the stream has."""

    def __init__(self, run):
        self._client = run.broker.client(timeout_s=20.0)
        run.defer(self._client.close)
        self._sid = self._client.subscribe(f"$JS.API.CONSUMER.CREATE.{STREAM}")
        self._count = 0

    def count(self):
        """Up to now, all in all. Call it often: what was not read waits at the broker."""
        self._client.flush()
        while self._take():
            self._count += 1
        return self._count

    def _take(self):
        try:
            return self._client.next_message(self._sid, timeout_s=0)
        except TimeoutError:
            return None
