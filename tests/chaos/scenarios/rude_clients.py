"""Scenario 13."""

import itertools
import threading

import grpc
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import sanitizers
from harness.api import Api
from harness.proxy import TcpProxy

from frame.scenario import Scenario

_STREAM = "BESIDE"
_WINDOW_MESSAGES = 4000
_WINDOW_BYTES = 4 << 20
_FRAME = 50
_PAYLOAD = b"x" * 1000
_AT_ONCE = 12
# What all of them together may take: their windows, and twice as much for gRPC.
_GROWTH_BYTES = 3 * _AT_ONCE * _WINDOW_BYTES * sanitizers.MEMORY


class RudeClients(Scenario):
    name = "rude_clients"
    sentence = ("clients cancel, stop reading, vanish or break off in the middle of a stream: bounded "
                "memory, nothing half accepted, others are served")

    def run(self, run):
        run.start_broker()
        run.broker.create_stream(_STREAM, ["beside.>"])
        # Memory for other ends, such as ids that are remembered, is small; and the broker has time.
        run.start_router(stream_window_messages=_WINDOW_MESSAGES, stream_window_bytes=_WINDOW_BYTES,
                         message_id_window_count=10000, nats_max_in_flight_bytes=16 << 20,
                         nats_ack_timeout_ms=10000, nats_ping_interval_ms=2000)
        load = run.start_load(rate=1500)
        link = TcpProxy(run.router.grpc_port)
        run.defer(link.close)
        clients, order = [], []
        rudenesses = ("cancel", "do_not_read", "break_off", "vanish", "close")
        run.figures.update(dict.fromkeys(rudenesses, 0))
        before = run.router.resident_bytes()
        largest = before
        while sum(run.figures[r] for r in rudenesses) < len(rudenesses) or run.going():
            if len(clients) >= _AT_ONCE:
                clients.pop(0).end()
            order = order or run.random.sample(rudenesses, len(rudenesses))
            rudeness = order.pop()
            clients.append(_Client(run, link))
            run.pause(run.random.uniform(0.02, 0.2))
            getattr(self, "_" + rudeness)(run, clients[-1], link)
            run.figures[rudeness] += 1
            if run.random.random() < 0.1:
                self._let_things_pile_up(run)
            largest = max(largest, run.router.resident_bytes())
            run.progress(f"clients {len(clients)}, accepted {load.meter.accepted:,}, "
                         f"{largest >> 20} MiB")
        for rudeness in rudenesses:
            run.at_least(rudeness, 1)
        link.heal()
        for client in clients:
            client.end()
        run.finish(load)
        self._check_books(run)
        run.figures.update(rss_before_mib=before >> 20, rss_largest_mib=largest >> 20)
        run.check(largest - before < _GROWTH_BYTES,
                  f"memory grows from {before >> 20} to {largest >> 20} MiB")

    # What they do. Each of them is in the middle of sending.

    @staticmethod
    def _cancel(run, client, link):
        del run, link
        client.call.cancel()

    @staticmethod
    def _do_not_read(run, client, link):
        """None of them reads; this one goes on sending too."""
        del run, client, link

    @staticmethod
    def _break_off(run, client, link):
        """The connections of all of them end."""
        del run, client
        link.break_connections()

    @staticmethod
    def _vanish(run, client, link):
        """Not a byte comes from them any more, nor a word of farewell."""
        del client
        link.set(to_server="drop", to_client="stall")
        run.pause(0.2)
        link.break_connections()
        link.heal()

    @staticmethod
    def _close(run, client, link):
        """Half closed, without reading what was answered."""
        del run, link
        client.half_close()

    @staticmethod
    def _let_things_pile_up(run):
        """The broker is silent for a moment: answers wait, and windows fill."""
        run.broker.stop_running()
        run.pause(0.4)
        run.broker.go_on()

    @staticmethod
    def _check_books(run):
        """What was accepted is what the broker has, to the message."""
        def status():
            return run.router.api.GetStatus(admin_pb2.GetStatusRequest()).status
        run.wait_until(lambda: status().in_flight == 0, "nothing is in flight any more")
        run.wait_until(lambda: run.router.metric("router_nats_pending_operations_count") == 0,
                       "drains")
        accepted = int(run.router.metric("router_messages_accepted_total"))
        stored = sum(run.broker.message_count(s) for s in ("CHAOS", _STREAM))
        run.figures.update(accepted_by_router=accepted, stored=stored,
                           from_rude_clients=run.broker.message_count(_STREAM))
        run.at_least("from_rude_clients", 1)
        run.check(accepted == stored, f"{accepted} were accepted and {stored} are in the streams")


class _Client:
    """Sends as fast as it can over one stream, and reads no answer."""

    _numbers = itertools.count()

    def __init__(self, run, link):
        self._name = f"rude{next(self._numbers)}"
        self._over = threading.Event()
        self._api = Api(f"127.0.0.1:{link.port}")
        self.call = self._api.publish_stream(self._frames(), None)
        run.defer(self.end)

    def half_close(self):
        self._over.set()

    def end(self):
        self._over.set()
        try:
            self.call.cancel()
        except grpc.RpcError:
            pass
        self._api.close()

    def _frames(self):
        for first in itertools.count(0, _FRAME):
            if self._over.is_set():
                return
            request = publisher_pb2.PublishStreamRequest()
            for number in range(first, first + _FRAME):
                request.messages.add(
                    subject=f"beside.{self._name}", payload=_PAYLOAD,
                    message_id=f"{self._name}-{number}", guarantee=message_pb2.GUARANTEE_STORED)
            yield request
