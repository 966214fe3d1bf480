"""What rows measure on: a broker, routers and bare servers, each started when it is first used."""

import os

from harness import jetstream
from harness.nats_server import NatsServer
from harness.ports import free_port, give_back
from harness.router import FAST_SETTINGS, Router
from suite import folders
from suite.programs import BareServer, measure
from suite.sample import Sample

STREAM = "BENCH"
SUBJECTS = ["bench.>"]
# First token of subjects that no stream takes: a core message to a stream's subject is stored too.
CORE_SUBJECT = "core"
# More than any measurement stores; a bound for when one goes wrong.
_STREAM_BYTES_MAX = 8 << 30
# Batches and frames are no larger than this, whatever the payload.
_REQUEST_BYTES_MAX = 8 << 20

# As an operator would run it: nothing but addresses, and room for what is queued here.
SETTINGS = dict({name: None for name in FAST_SETTINGS}, nats_max_pending_operations=100_000_000)


class Stand:
    """Ends everything that it has started when it is closed. `options`: see bench.py."""

    def __init__(self, folder, options):
        self.folder = folder
        self.options = options
        self._broker = None
        self._router = None
        self._bare = {}
        self._routers = 0

    def close(self):
        for started in (self._router, *self._bare.values()):
            if started is not None:
                started.close() if isinstance(started, Router) else started.kill()
        if self._broker is not None:
            self._broker.kill()

    # Servers.

    @property
    def broker(self):
        if self._broker is None:
            self._broker = NatsServer(self.folder)
            self._broker.start()
        return self._broker

    def fresh_stream(self):
        """An empty stream without a memory of message ids: file, one replica."""
        with self.broker.client(timeout_s=60) as client:
            try:
                jetstream.delete_stream(client, STREAM)
            except jetstream.JetStreamError as e:
                if e.code != 404:
                    raise
            jetstream.create_stream(client, STREAM, SUBJECTS, max_bytes=_STREAM_BYTES_MAX)

    @property
    def router(self):
        """The one router that is connected and whose queue is empty."""
        if self._router is None:
            self.fresh_stream()
            router = self.new_router()
            router.start()
            router.wait_connected()
            self._router = router
        return self._router

    def new_router(self, connected=True, **settings):
        """Another one, not started. Whoever calls closes it, and then calls `forget`."""
        self._routers += 1
        url = self.broker.url if connected else "nats://127.0.0.1:1"
        return Router(self.folder, [url], f"router.{self._routers}", **dict(SETTINGS, **settings))

    def forget(self, router):
        """Ends it and removes its files."""
        router.close()
        folders.remove(router.folder)

    def bare(self, api, answers="outcomes"):
        """A bare server, which keeps running."""
        key = (api, answers)
        if key not in self._bare:
            self._bare[key] = BareServer(self.folder, free_port(), api, answers)
        return self._bare[key]

    # Measurements.

    def watch(self, **pids):
        if self._broker is not None:
            pids["broker"] = self._broker.process.pid
        return ",".join(f"{name}={pid}" for name, pid in pids.items())

    def messages_per_request(self, wanted):
        return max(1, min(wanted, _REQUEST_BYTES_MAX // self.options.payload))

    def _load(self, address, watch, **load):
        common = {"payload": self.options.payload, "keys": self.options.keys,
                  "seconds": self.options.seconds, "warm_up": self.options.warm_up}
        return Sample.of(measure("load_client", address=address, watch=watch, **{**common, **load}))

    def load_router(self, router=None, **load):
        """Load on a router, by default the connected one."""
        if router is None:
            router = self.router
            if not load.get("received"):
                self.fresh_stream()
        if load.get("received"):
            load = dict(load, subject=CORE_SUBJECT)
        return self._load(f"127.0.0.1:{router.grpc_port}", self.watch(router=router.process.pid),
                          **load)

    def load_bare(self, bare=None, **load):
        """The same on the bare server; with `all_servers` on each, and the best counts."""
        apis = [("queue", "outcomes")]
        if self.options.all_servers:
            apis += [(api, "outcomes") for api in ("callback", "sync")]
            apis += [("queue", "nothing")] if load.get("mode") != "stream" else []
        samples = {}
        for key in apis:
            bare = self.bare(*key)
            # A bare server answers at once, so that STORED and RECEIVED are the same to it.
            answers = dict(load, outcome="DELIVERED")
            if key[1] == "nothing":
                answers["outcome"] = "UNSPECIFIED"
            samples[key] = self._load(bare.address, self.watch(router=bare.pid), **answers)
        best = max((s for k, s in samples.items() if k[1] == "outcomes"), key=lambda s: s.per_second)
        if len(samples) > 1:
            best.others = {"/".join(k): s.per_second for k, s in samples.items()}
        return best

    def raw(self, mode, **load):
        """nats.c without a router, to the same stream."""
        if mode == "core":
            load = dict(load, subject=CORE_SUBJECT)
        else:
            self.fresh_stream()
        common = {"payload": self.options.payload, "keys": self.options.keys,
                  "seconds": self.options.seconds, "warm_up": self.options.warm_up}
        return Sample.of(measure("raw_nats", url=self.broker.url, mode=mode, watch=self.watch(),
                                 **{**common, **load}))

    def disk(self, mode, **load):
        """Writing to disk without a router."""
        folder = os.path.join(self.folder, "bare_disk")
        folders.make_empty(folder)
        try:
            return Sample.of(measure("bare_disk", mode=mode, folder=folder,
                                     payload=self.options.payload, keys=self.options.keys,
                                     seconds=self.options.seconds, warm_up=self.options.warm_up,
                                     **load))
        finally:
            folders.remove(folder)
