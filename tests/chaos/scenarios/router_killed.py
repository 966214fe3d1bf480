"""Scenario 1."""

from frame.scenario import Scenario


class RouterKilled(Scenario):
    name = "router_killed"
    sentence = ("kill -9 of the router at random moments under load, now and then while the broker "
                "is away: nothing accepted is lost, doubled or out of order")
    weight = 3.0

    def run(self, run):
        run.start_broker()
        run.start_router()
        load = run.start_load(retry=True)
        kills = 0
        while run.going():
            run.pause(run.random.expovariate(1 / 0.35))
            broker_away = run.random.random() < 0.15
            if broker_away:
                run.broker.kill()
                run.pause(run.random.uniform(0, 0.3))
            run.router.kill()
            kills += 1
            if broker_away:
                run.broker.start()
            run.router.start()
            run.progress(f"kills {kills}, accepted {load.meter.accepted:,}")
        run.figures.update(router_kills=kills)
        run.finish(load)
