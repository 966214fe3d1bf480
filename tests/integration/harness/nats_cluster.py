"""Three nats-servers on loopback that are one JetStream cluster."""

from harness import jetstream
from harness.nats_server import NatsServer
from harness.ports import free_port
from harness.waiting import wait_until


class NatsCluster:
    """Nodes are NatsServers and may be killed, stopped and started one by one."""

    def __init__(self, folder, size=3):
        self.nodes = [NatsServer(folder, f"node{i}") for i in range(size)]
        ports = [free_port() for _ in self.nodes]
        routes = ", ".join(f"nats://127.0.0.1:{port}" for port in ports)
        for node, port in zip(self.nodes, ports):
            node.config["cluster"] = (
                f"{{name: chaos, listen: \"127.0.0.1:{port}\", routes: [{routes}]}}")

    @property
    def urls(self):
        return [node.url for node in self.nodes]

    def start(self, deadline_s=30.0):
        """Returns when there is a leader that takes requests."""
        for node in self.nodes:
            node.spawn()
        wait_until(self._takes_requests, "the cluster has a leader", deadline_s)
        return self

    def _takes_requests(self):
        with self.nodes[0].client() as client:
            jetstream.call(client, "INFO")
        return True

    def create_stream(self, name, subjects, **config):
        """With a replica on each node."""
        def create():
            with self.nodes[0].client() as client:
                return jetstream.create_stream(client, name, subjects,
                                               num_replicas=len(self.nodes), **config)
        wait_until(create, f"stream {name} is created", 30, poll_s=0.2)

    def stream_info(self, name):
        """As a node tells it that answers."""
        error = None
        for node in self.nodes:
            try:
                with node.client(timeout_s=1.0) as client:
                    return jetstream.stream_info(client, name)
            except Exception as e:  # pylint: disable=broad-except
                error = e
        raise error

    def leader(self, name):
        """The node that leads the stream; None while there is none."""
        found = self.stream_info(name).get("cluster", {}).get("leader")
        return next((node for node in self.nodes if node.name == found), None)

    def wait_current(self, name, deadline_s=30.0):
        """Until the stream has a leader, and replicas that have all it has."""
        def current():
            cluster = self.stream_info(name)["cluster"]
            replicas = cluster.get("replicas", [])
            return (cluster.get("leader") and len(replicas) == len(self.nodes) - 1
                    and all(r["current"] and not r.get("offline") for r in replicas))
        wait_until(current, f"all replicas of {name} are current", deadline_s, poll_s=0.1)

    def kill(self):
        for node in self.nodes:
            node.kill()
