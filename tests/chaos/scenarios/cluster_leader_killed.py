"""Scenario 6, three nodes."""

from harness.nats_cluster import NatsCluster
from harness.waiting import wait_until

from frame.scenario import STREAM, SUBJECTS, Scenario


class ClusterLeaderKilled(Scenario):
    name = "cluster_leader_killed"
    sentence = ("three nodes, a stream with three replicas: kill -9 of its leader every few "
                "seconds, now and then SIGSTOP of a node: nothing lost or doubled, and with "
                "nats_strict_order nothing out of order")
    weight = 2.0
    short_s = 12.0

    def run(self, run):
        cluster = NatsCluster(run.folder)
        run.defer(cluster.kill)
        cluster.start()
        cluster.create_stream(STREAM, SUBJECTS)
        # Without strict order, what the servers refuse for a moment may be stored behind what came
        # later.
        run.start_router(cluster.urls, nats_ack_timeout_ms=2000, nats_strict_order=True)
        load = run.start_load(rate=3000)
        kills = stops = 0
        while run.going():
            run.pause(run.random.uniform(0.5, 2))
            # The servers promise nothing without a majority that has everything.
            cluster.wait_current(STREAM)
            leader = wait_until(lambda: cluster.leader(STREAM), "the stream has a leader")
            if (kills + stops) % 3 == 2:
                stopped = run.random.choice(cluster.nodes)  # The leader, or another.
                stopped.stop_running()
                run.pause(run.random.uniform(0.5, 2))
                stopped.go_on()
                stops += 1
            else:
                leader.kill()
                kills += 1
                run.pause(run.random.uniform(0, 1))
                leader.spawn()
            run.progress(f"failovers {kills}, stops {stops}, accepted {load.meter.accepted:,}")
        cluster.wait_current(STREAM, 60)
        run.figures.update(broker_kills=kills, node_stops=stops)
        run.finish(load, broker=cluster.leader(STREAM))
