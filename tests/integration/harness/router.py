"""The real routerd as a child process."""

import os
import signal
import socket
import urllib.error
import urllib.request

from harness.api import Api
from harness.logs import LogReader
from harness.metrics import scrape
from harness.ports import free_port, give_back
from harness.process import ChildProcess
from harness.waiting import GaveUp, wait_until

# Small delays, so that faults are noticed and healed fast.
FAST_SETTINGS = {
    "nats_reconnect_attempts": 6,
    "nats_reconnect_delay_ms": 20,
    "nats_max_reconnect_delay_ms": 150,
    "nats_connect_timeout_ms": 400,
    "nats_ack_timeout_ms": 600,
    "nats_ping_interval_ms": 250,
    "nats_max_pings_out": 2,
    "nats_stable_after_ms": 150,
}


def binary_path():
    """routerd: from the environment, or where Bazel puts it beside the test."""
    path = os.environ.get("ROUTERD")
    if path:
        return path
    for root in (os.getcwd(), os.path.join(os.environ.get("TEST_SRCDIR", ""), "router")):
        path = os.path.join(root, "server", "routerd")
        if os.access(path, os.X_OK):
            return path
    raise FileNotFoundError("routerd: build //server:routerd and name it in $ROUTERD")


class Router:
    """One routerd with its own ports and pending folder, which it keeps over restarts."""

    def __init__(self, folder, urls=(), name="router", env=None, wrapper=(), credentials=None,
                 token=None, http_tls=None, **settings):
        """`settings` become flags; None leaves one out. `urls`: of the NATS servers. `env`: added
        to the environment. `wrapper`: a command that runs routerd, such as strace. `credentials`
        and `token`: of `self.api`, where the router has TLS. `http_tls`: an SSLContext, where the
        HTTP port has."""
        self._credentials = credentials
        self._token = token
        self._http_tls = http_tls
        self.env = dict(env or {})
        self.wrapper = list(wrapper)
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.grpc_port = free_port()
        self.http_port = free_port()
        self._ports = (self.grpc_port, self.http_port)
        self.settings = {
            "transport": "nats",
            "grpc_listen": f"127.0.0.1:{self.grpc_port}",
            "http_listen": f"127.0.0.1:{self.http_port}",
            "pending_dir": os.path.join(self.folder, "pending"),
            **FAST_SETTINGS,
        }
        if urls:
            self.settings["nats_urls"] = ",".join(urls)
        self.settings.update(settings)
        self.lives = 0
        self.log = None
        self.api = None
        self.process = None

    def command(self):
        flags = []
        for name, value in self.settings.items():
            if value is None:
                continue
            if isinstance(value, bool):
                value = "true" if value else "false"
            flags.append(f"--{name}={value}")
        return self.wrapper + [binary_path()] + flags

    def spawn(self):
        """Starts it and does not wait. Each life has a log of its own."""
        self.lives += 1
        path = os.path.join(self.folder, f"log.{self.lives}")
        self.log = LogReader(path)
        self.process = ChildProcess("routerd", path)
        self.process.spawn(self.command(), self.env)
        if self.api is not None:
            self.api.close()
        self.api = self.connect(self._credentials, self._token)

    def start(self):
        self.spawn()
        wait_until(self._is_up, "/readyz answers 200", 20)
        wait_until(self._takes_calls, "gRPC calls are taken")
        return self

    def connect(self, credentials=None, token=None, **options):
        """Another client."""
        return Api(f"127.0.0.1:{self.grpc_port}", credentials=credentials, token=token, **options)

    def hang_up(self):
        """SIGHUP: reads certificates and rules again."""
        self.process.signal(signal.SIGHUP)

    def _takes_calls(self):
        with socket.create_connection(("127.0.0.1", self.grpc_port), timeout=1):
            return True

    def health(self, service=""):
        """The answer of grpc.health.v1 by name, without its generated messages."""
        name = service.encode()
        check = self.api.channel.unary_unary("/grpc.health.v1.Health/Check")
        answer = check(b"\x0a" + bytes([len(name)]) + name if name else b"", timeout=5)
        return {1: "SERVING", 2: "NOT_SERVING"}.get(answer[1] if answer else 0, "UNKNOWN")

    def _is_up(self):
        if not self.process.running:
            raise GaveUp(f"routerd ended, status {self.process.wait(0)}:\n"
                         + self.log.text()[-3000:])
        return self.get("/readyz") == 200

    def get(self, path):
        """The HTTP status of a page."""
        try:
            with self._open(path) as response:
                return response.status
        except urllib.error.HTTPError as e:
            return e.code

    def page(self, path):
        """The text of a page that is answered with 200."""
        with self._open(path) as response:
            return response.read().decode()

    def _open(self, path):
        scheme = "https" if self._http_tls else "http"
        return urllib.request.urlopen(f"{scheme}://127.0.0.1:{self.http_port}{path}", timeout=5,
                                      context=self._http_tls)

    def metrics(self):
        return scrape(self.http_port, tls=self._http_tls)

    def metric(self, name, **labels):
        return self.metrics().value(name, **labels)

    def wait_for_metric(self, name, value, deadline_s=10.0, **labels):
        wait_until(lambda: self.metric(name, **labels) == value, f"{name}{labels} == {value}",
                   deadline_s)

    def wait_connected(self, deadline_s=10.0):
        self.wait_for_metric("router_nats_connection_status", 1, deadline_s)

    def wait_not_connected(self, deadline_s=10.0):
        wait_until(lambda: self.metric("router_nats_connection_status") < 1,
                   "the loss of the connection is noticed", deadline_s)

    def wait_drained(self, deadline_s=20.0):
        self.wait_for_metric("router_nats_pending_operations_count", 0, deadline_s)

    def kill(self):
        self.process.kill()

    def terminate(self, timeout_s=15.0):
        """SIGTERM; the exit status."""
        self.process.signal(signal.SIGTERM)
        return self.process.wait(timeout_s)

    def close(self):
        """Ends it for good, and gives its ports back. May be called again."""
        if self.process is not None:
            self.process.kill()
        if self.api is not None:
            self.api.close()
        ports, self._ports = self._ports, ()
        give_back(*ports)

    def resident_bytes(self):
        with open(f"/proc/{self.process.pid}/statm", encoding="ascii") as f:
            return int(f.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
