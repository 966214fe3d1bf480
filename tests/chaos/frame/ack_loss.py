"""Scenario 7: a proxy that passes what the router sends and throws away what the broker answers."""

_IN_DOUBT = ("timeout", "connection_closed")


def lose_acks(run, duplicate_window_s, loss_s):
    """`loss_s`: the shortest and the longest time for which answers are lost."""
    run.start_broker(stream_config={"duplicate_window": int(duplicate_window_s * 1e9)})
    proxy = run.start_proxy()
    run.start_router([proxy.url])
    load = run.start_load(rate=4000)
    losses = kills = in_doubt = 0
    while run.going():
        run.pause(run.random.uniform(0.2, 0.8))
        proxy.set(to_client="drop")
        losses += 1
        run.pause(run.random.uniform(*loss_s))
        if run.random.random() < 0.2:
            # What the next life finds in its queue may be in the stream already.
            in_doubt += _count_in_doubt(run)
            run.router.kill()
            kills += 1
        # A stream of bytes with a hole in it is of no use to anybody.
        proxy.heal()
        proxy.break_connections()
        if not run.router.process.running:
            run.router.start()
        run.progress(f"losses {losses}, accepted {load.meter.accepted:,}")
    in_doubt += _count_in_doubt(run)
    run.figures.update(losses=losses, router_kills=kills, in_doubt=in_doubt)
    run.finish(load)
    run.figures.update(
        possible_duplicates=int(run.router.metric("router_nats_possible_duplicates_total")))
    run.check(in_doubt > 0, "nothing was in doubt: no ack was lost")


def _count_in_doubt(run):
    """Of this life of the router."""
    reasons = run.router.metrics().series("router_nats_publish_failure_reasons_total")
    return int(sum(value for labels, value in reasons.items()
                   if dict(labels)["reason"] in _IN_DOUBT))
