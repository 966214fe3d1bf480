"""What rows measure on: a broker, routers and bare servers, each started when it is first used."""

import contextlib
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
# Batches and frames are no larger than this, whatever the payload: those in flight have to stay below
# what a router keeps in memory of messages that wait.
_REQUEST_BYTES_MAX = 4 << 20

# Where no broker listens.
_NOBODY = "nats://127.0.0.1:1"

# gRPC's APIs that bare servers are written with; the first one is usually the fastest.
_BARE_APIS = ("queue", "callback", "sync")

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
            router = Router(self.folder, [self.broker.url], **SETTINGS)
            self._router = router.start()
            router.wait_connected()
        return self._router

    @contextlib.contextmanager
    def temporary_router(self, connected=True):
        """Another one, with a queue of its own, until the end of the block."""
        self._routers += 1
        url = self.broker.url if connected else _NOBODY
        router = Router(self.folder, [url], f"router.{self._routers}", **SETTINGS)
        try:
            yield router.start()
        finally:
            router.close()
            folders.remove(router.folder)

    def bare(self, api, answers="outcomes"):
        """A bare server, which keeps running."""
        key = (api, answers)
        if key not in self._bare:
            self._bare[key] = BareServer(self.folder, free_port(), api, answers)
        return self._bare[key]

    # Measurements.

    def _measure(self, program, **flags):
        os.sync()  # What earlier measurements have written is not to be written during this one.
        common = {"payload": self.options.payload, "keys": self.options.keys,
                  "seconds": self.options.seconds, "warm_up": self.options.warm_up}
        return Sample.of(measure(program, **{**common, **flags}))

    def watch(self, **pids):
        if self._broker is not None:
            pids["broker"] = self._broker.process.pid
        return ",".join(f"{name}={pid}" for name, pid in pids.items())

    def messages_per_request(self, wanted):
        return max(1, min(wanted, _REQUEST_BYTES_MAX // self.options.payload))

    def load_router(self, router=None, **load):
        """Load on a router, by default the connected one."""
        if router is None:
            router = self.router
            if not load.get("received"):
                self.fresh_stream()
        if load.get("received"):
            load = dict(load, subject=CORE_SUBJECT)
        return self._measure("load_client", address=f"127.0.0.1:{router.grpc_port}",
                             watch=self.watch(router=router.process.pid), **load)

    def load_bare(self, **load):
        """The same on the bare server; with `all_servers` on each, and the best counts."""
        apis = _BARE_APIS if self.options.all_servers else _BARE_APIS[:1]
        samples = {api: self._load_bare(self.bare(api), "DELIVERED", **load) for api in apis}
        best = max(samples.values(), key=lambda sample: sample.per_second)
        if len(samples) > 1:
            best.others = {api: sample.per_second for api, sample in samples.items()}
            if load.get("mode") != "stream":  # There answers say what they answer.
                nothing = self._load_bare(self.bare(apis[0], "nothing"), "UNSPECIFIED", **load)
                best.others["queue, empty answers"] = nothing.per_second
        return best

    def _load_bare(self, bare, outcome, **load):
        return self._measure("load_client", address=bare.address, outcome=outcome,
                             watch=self.watch(router=bare.pid), **load)

    def raw(self, mode, **load):
        """nats.c without a router, to the same stream."""
        if mode == "core":
            load = dict(load, subject=CORE_SUBJECT)
        else:
            self.fresh_stream()
        return self._measure("raw_nats", url=self.broker.url, mode=mode, watch=self.watch(), **load)

    def disk(self, mode, **load):
        """Writing to disk without a router."""
        folder = os.path.join(self.folder, "bare_disk")
        folders.make_empty(folder)
        try:
            return self._measure("bare_disk", mode=mode, folder=folder, **load)
        finally:
            folders.remove(folder)
