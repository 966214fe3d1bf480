"""An outage with everything that can go wrong in it: the router under test logs every event that it has."""

import contextlib
import os
import socket
import sqlite3
import subprocess

from google.protobuf import duration_pb2
from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from attackers import attack
from harness.api import RECEIVED, RouterError
from harness.audit_file import fill_audit_log, let_audit_log_rotate
from harness.certificates import LOOPBACK, Authority, Certificate
from harness.listening import take_port
from harness.router import Router, binary_path
from harness.waiting import wait_until

TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"
TRACEPARENT = f"00-{TRACE_ID}-00f067aa0ba902b7-01"
QUEUE_MAX = 40
_FDS = 200


class Story:
    """Drives a RouterTestCase through the outage. The log of all lives of the router is `text()`."""

    def __init__(self, test):
        self.test = test
        self._sockets = []

    def text(self):
        router = self.test.router
        found = []
        for life in range(1, router.lives + 1):
            with open(os.path.join(router.folder, f"log.{life}"), encoding="utf-8") as f:
                found.append(f.read())
        return "".join(found)

    def tell(self):
        test = self.test
        test.start(nats_max_pending_operations=QUEUE_MAX, enable_fault_injection=True,
                   otlp_endpoint="http://127.0.0.1:1", nats_ack_timeout_ms=300,
                   wrapper=["prlimit", f"--nofile={_FDS}:{_FDS}"])
        self._faults()
        self._doubt()
        self._outage()
        test.bring_broker_back()
        test.router.wait_drained()
        test.router.log.wait_for_event("NATS_RETRY_COMPLETE")
        test.router.log.wait_for_event("OTLP_EXPORT_FAILED", deadline_s=30)
        self._crowd()
        self._hostile()
        self._second_router()
        self._strangers()
        self._damage()

    def publish(self, subject, traced=True, **fields):
        """A publish whose answer does not matter."""
        test = self.test
        message, _ = test.caller.message(subject, **fields)
        metadata = (("traceparent", TRACEPARENT),) if traced else ()
        return test.router.api.PublishFuture(
            publisher_pb2.PublishRequest(message=message), timeout=10, metadata=metadata)

    def _faults(self):
        self.publish("test.orders").result()
        self.test.set_fault("PUBLISH_WITH_ACK", "ERROR", count=1)
        self.publish("test.orders").result()  # Queued, and delivered.
        self.test.clear_faults()
        self.test.router.wait_drained()

    def _doubt(self):
        """A core message that was sent and never confirmed."""
        test = self.test
        test.broker.stop_running()
        call = self.publish("test.core", guarantee=RECEIVED)
        wait_until(lambda: test.status().in_flight > 0 or call.done(), "it is on its way")
        test.router.wait_not_connected()
        call.result()
        test.broker.go_on()
        test.router.wait_connected()
        test.router.wait_drained()

    def _outage(self):
        test = self.test
        test.lose_broker()
        self.publish("test.orders").result()
        self.publish("test.core", guarantee=RECEIVED).result()
        self.publish("test.stale", ttl_s=0.2).result()
        test.router.log.wait_for_event("NATS_DEAD_LETTER")
        for _ in range(QUEUE_MAX + 2):
            self.publish("test.orders").exception()
        self.publish("test.core", guarantee=RECEIVED).exception()
        test.router.log.wait_for_event("NATS_RECONNECTION_EXHAUSTED")
        self._fail_open(True)
        self.publish("test.orders").result()
        self._fail_open(False)

    def _fail_open(self, enabled):
        request = admin_pb2.SetFailOpenModeRequest(enabled=enabled, reason="shed load")
        if enabled:
            request.ttl.CopyFrom(duration_pb2.Duration(seconds=900))
        self.test.router.api.SetFailOpenMode(request)

    def _crowd(self):
        """More clients than there are file descriptors."""
        router = self.test.router
        try:
            for _ in range(_FDS):
                self._sockets.append(
                    socket.create_connection(("127.0.0.1", router.grpc_port), timeout=5))
            router.log.wait_for_event("GRPC_CONNECTION_REFUSED")
        finally:
            for s in self._sockets:
                s.close()

    def _hostile(self):
        """A router in small, with a client that floods it, one that wants too much, and a port that is
        taken away. Its log goes into the first one's."""
        router = Router(self.test.folder, name="hostile", transport="inproc",
                        client_max_messages_per_second=1, grpc_flood_ban_ms=60000)
        self.test.addCleanup(router.close)
        router.start()
        message = message_pb2.Message(subject="test.much", payload=b"x")
        for _ in range(3):
            with contextlib.suppress(RouterError):
                router.api.Publish(publisher_pb2.PublishRequest(message=message))
        router.log.wait_for_event("CLIENT_LIMITED")
        with attack("reset_unary", router.grpc_port):
            router.log.wait_for_event("GRPC_FLOOD_ENDED", deadline_s=30)
        with take_port(router.process.pid, router.grpc_port):
            router.log.wait_for_event("GRPC_LISTENER_DEAD")
        router.log.wait_for_event("GRPC_LISTENER_REBUILT")
        self._keep_log(router)
        router.close()

    def _keep_log(self, router):
        with open(os.path.join(self.test.router.folder, f"log.{self.test.router.lives}"),
                  "ab") as log:
            log.write(router.log.text().encode())

    def _second_router(self):
        """On the same folder: it refuses to start. Its one line goes into the first one's log."""
        router = self.test.router
        with open(os.path.join(router.folder, f"log.{router.lives}"), "ab") as log:
            subprocess.run([binary_path(), "--transport=inproc", "--grpc_listen=127.0.0.1:0",
                            "--http_listen=127.0.0.1:0",
                            f"--pending_dir={router.settings['pending_dir']}"],
                           stderr=log, check=False, timeout=20)
        router.log.wait_for_event("ROUTER_START_FAILED")

    def _strangers(self):
        """A router with TLS and access control. Its log goes into the first one's."""
        test = self.test
        authority = Authority(test.folder)
        server = authority.issue("router", LOOPBACK)
        access_file = os.path.join(test.folder, "access.yaml")

        def write_access(role):
            with open(access_file + ".new", "w", encoding="utf-8") as f:
                f.write(f"identities: [{{name: cert:client, roles: [{role}]}}]")
            os.rename(access_file + ".new", access_file)

        write_access("viewer")
        router = Router(
            test.folder, name="guarded", transport="inproc", access_file=access_file,
            tls_cert_file=server.cert_file, tls_key_file=server.key_file,
            tls_client_ca_file=authority.ca_file, tls_client_auth="optional",
            credentials=authority.credentials())
        test.addCleanup(router.close)
        pending_dir = router.settings["pending_dir"]
        os.mkdir(pending_dir)
        fill_audit_log(pending_dir, free_bytes=0)
        router.start()
        with contextlib.suppress(RouterError):
            router.api.GetStatus(admin_pb2.GetStatusRequest())
        router.log.wait_for_event("ACCESS_DENIED")
        write_access("bosss")
        router.log.wait_for_event("AUDIT_LOG_ERROR")
        let_audit_log_rotate(pending_dir)
        key = authority.issue("another")
        for certificate, role, outcome in ((Certificate(server.cert_file, key.key_file), "boss",
                                            "RELOAD_FAILED"),
                                           (authority.issue("router", LOOPBACK), "operator",
                                            "RELOADED")):
            server.replace(certificate)
            write_access(role)
            for what in ("TLS", "ACCESS"):
                router.log.wait_for_event(f"{what}_{outcome}")
            router.hang_up()
            router.log.wait_for_event(f"CONFIG_{outcome}")
        self._keep_log(router)
        router.close()

    def _damage(self):
        """Everything that is kept on disk, damaged between two lives."""
        test = self.test
        test.lose_broker()
        self.publish("test.orders").result()
        test.assertEqual(test.router.terminate(), 0)
        test.router.log.wait_for_event("ROUTER_STOPPED")
        folder = test.router.settings["pending_dir"]
        with sqlite3.connect(os.path.join(folder, "pending.db")) as db:
            db.execute("update pending set payload = 'another'")
        db.close()
        with open(os.path.join(folder, "fail_open.json"), "w", encoding="utf-8") as f:
            f.write("{")
        with open(os.path.join(folder, "audit.log"), "r+b") as f:
            f.seek(5)
            f.write(b"????")
        test.restart_router(connected=False)
        for code in ("SPOOL_ERROR", "FAIL_OPEN_STATE_ERROR", "AUDIT_LOG_DAMAGED"):
            test.router.log.wait_for_event(code)
        test.bring_broker_back()
