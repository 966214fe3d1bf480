"""Scenario 6, three nodes."""

from harness.nats_cluster import NatsCluster
from harness.waiting import wait_until

from frame.scenario import STREAM, SUBJECTS, Scenario

# Elections of a node that was away may take many seconds, more so on a busy machine.
_ELECTION_S = 60.0


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
        while kills < 2 or run.going():
            run.pause(run.random.uniform(0.5, 2))
            # The servers promise nothing without a majority that has everything.
            cluster.wait_current(STREAM, _ELECTION_S)
            leader = _leader(cluster)
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
        cluster.wait_current(STREAM, _ELECTION_S)
        run.figures.update(broker_kills=kills, node_stops=stops)
        run.at_least("broker_kills", 2, per_minute=2)
        run.finish(load, broker=lambda: _leader(cluster))


def _leader(cluster):
    """The node that leads the stream now, as a node tells it that answers."""
    return wait_until(lambda: cluster.leader(STREAM), "the stream has a leader", _ELECTION_S)
