"""A router with its broker, watched by Prometheus and Alertmanager, under traffic."""

import os
import threading

import grpc
from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.api import RECEIVED, STORED, RouterError
from harness.nats_server import NatsServer
from harness.router import Router
from harness.waiting import wait_until
from monitoring.nats_exporter import NatsExporter
from monitoring.servers import Alertmanager, Prometheus, WebhookReceiver

SUBJECTS = "rehearsal.>"
_SUBJECT = "rehearsal.a"
_BATCH_SIZE = 10


class Traffic:
    """Publishes all the time, and looks at the router now and then, whatever comes of it."""

    def __init__(self, router):
        self._router = router
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        turn = 0
        while not self._stop.wait(0.03):
            turn += 1
            for call in [self._publish, self._publish_batch] + [self._look] * (turn % 20 == 0):
                try:
                    call(turn)
                except (RouterError, grpc.RpcError, ValueError):
                    pass  # Part of what is to be seen, or the router is being started anew.

    def _publish(self, turn):
        message = message_pb2.Message(subject=_SUBJECT, payload=b"x" * 100, guarantee=STORED)
        self._router.api.Publish(publisher_pb2.PublishRequest(message=message), 10)

    def _publish_batch(self, turn):
        self._router.api.PublishBatch(publisher_pb2.PublishBatchRequest(messages=[
            message_pb2.Message(subject=f"rehearsal.b.{turn % 50}", payload=b"x" * 100,
                                guarantee=RECEIVED if i % 5 == 0 else STORED)
            for i in range(_BATCH_SIZE)]), 10)

    def _look(self, turn):
        self._router.api.GetStatus(admin_pb2.GetStatusRequest(), 2)
        self._router.api.GetPendingOperation(  # NOT_FOUND.
            admin_pb2.GetPendingOperationRequest(operation_id=1 << 60), 2)

    def close(self):
        self._stop.set()
        self._thread.join(10)


class Stack:
    """Use as a context manager, which starts and ends all of it.

    factor: how much faster than shipped everything runs. every: as of Prometheus. settings: of the
    router.
    """

    def __init__(self, folder, factor=1.0, every=None, **settings):
        self._open = []
        try:
            self.broker = self._keep(NatsServer(folder), "kill")
            self.broker.start()
            self.broker.create_stream("REHEARSAL", [SUBJECTS])
            self.router = self._keep(Router(folder, [self.broker.url], enable_fault_injection=True,
                                            **settings))
            self.router.start().wait_connected()
            self.exporter = self._keep(NatsExporter(self.broker))
            self.webhook = self._keep(WebhookReceiver())
            self.alertmanager = self._keep(Alertmanager(folder, self.webhook, factor)).start()
            targets = {"router": f"127.0.0.1:{self.router.http_port}",
                       "nats": f"127.0.0.1:{self.exporter.port}"}
            self.prometheus = self._keep(
                Prometheus(folder, targets, self.alertmanager, factor, every)).start()
            self.traffic = self._keep(Traffic(self.router))
        except BaseException:
            self.__exit__()
            raise

    def _keep(self, part, end="close"):
        self._open.append(getattr(part, end))
        return part

    def __enter__(self):
        return self

    def __exit__(self, *_):
        while self._open:
            self._open.pop()()

    def set_fault(self, operation, kind, count=0, delay_ms=0):
        fault = fault_injection_pb2.Fault(
            operation=fault_injection_pb2.FaultOperation.Value("FAULT_OPERATION_" + operation),
            kind=fault_injection_pb2.FaultKind.Value("FAULT_KIND_" + kind), count=count)
        if delay_ms:
            fault.delay.FromMilliseconds(delay_ms)
        self.router.api.SetFault(fault_injection_pb2.SetFaultRequest(fault=fault))

    def clear_faults(self):
        self.router.api.ClearFaults(fault_injection_pb2.ClearFaultsRequest())

    def reconnect(self):
        self.router.api.Reconnect(admin_pb2.ReconnectRequest(reason="rehearsal"))

    def set_fail_open(self, enabled, ttl_s=None):
        request = admin_pb2.SetFailOpenModeRequest(enabled=enabled, reason="rehearsal")
        if ttl_s:
            request.ttl.FromSeconds(ttl_s)
        self.router.api.SetFailOpenMode(request)

    def publish_to_no_stream(self):
        """A message that will be a dead letter if it has to be queued."""
        message = message_pb2.Message(subject="nowhere.at.all", payload=b"x", guarantee=STORED)
        try:
            self.router.api.Publish(publisher_pb2.PublishRequest(message=message), 2)
        except RouterError:
            pass

    def restart_router(self, **settings):
        """A new life with other settings."""
        self.router.terminate()
        self.router.settings.update(settings)
        self.router.start().wait_connected()
        # The channel of the traffic may have come too early, and waits before it tries again.
        wait_until(lambda: self.router.api.GetStatus(admin_pb2.GetStatusRequest()),
                   "the router answers")

    def log_path(self):
        return os.path.join(self.router.folder, f"log.{self.router.lives}")
