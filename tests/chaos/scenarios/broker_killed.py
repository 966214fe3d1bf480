"""Scenario 6, one node: the strict gate."""

from frame.scenario import Planted, Scenario


class BrokerKilled(Scenario):
    name = "broker_killed"
    sentence = ("kill -9 and restart of a single nats-server under load: nothing lost, doubled or "
                "out of order")
    weight = 2.5
    planted = (
        Planted.failpoint("QUEUED is told and nothing is written", "append=forget@0.3", "lost"),
        Planted.failpoint("a row is deleted before the ack", "redeliver=delete_first", "lost"),
        Planted.failpoint("what is in doubt is told DELIVERED", "connection_end=confirm", "lost"),
        Planted.failpoint("two messages of a key change places", "publish=swap@0.001", "reordered"),
        Planted.failpoint("a caller is never answered", "settle=forget#500", "not answered"),
    )

    def run(self, run):
        run.start_broker()
        run.start_router()
        load = run.start_load()
        kills = 0
        while kills < 3 or run.going():
            run.pause(run.random.expovariate(1 / 0.25))
            if run.random.random() < 0.4:
                # What is sent from now on dies with it, unread.
                run.broker.stop_running()
                run.pause(run.random.uniform(0.02, 0.2))
            run.broker.kill()
            kills += 1
            # Now and then for so long that everything in flight runs into its deadline.
            run.pause(1.5 if run.random.random() < 0.1 else run.random.uniform(0, 0.3))
            run.broker.start()
            run.progress(f"kills {kills}, accepted {load.meter.accepted:,}")
        run.figures.update(broker_kills=kills)
        run.at_least("broker_kills", 3, per_minute=20)
        run.finish(load)
