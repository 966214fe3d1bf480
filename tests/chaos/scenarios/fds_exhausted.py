"""Scenario 11."""

import os
import socket
import time

import grpc
from router.v1 import admin_pb2

from harness.api import Api, RouterError

from frame.scenario import Scenario

_FDS = 96
_CONNECTIONS = 200
_RECOVERED_S = 5.0


class FdsExhausted(Scenario):
    name = "fds_exhausted"
    sentence = ("more clients connect than the router may have file descriptors, and leave: those who "
                "were there before are served, and a new call succeeds within 5 s")

    def run(self, run):
        run.start_broker()
        run.start_router(wrapper=["prlimit", f"--nofile={_FDS}:{_FDS}"])
        load = run.start_load(rate=2000)
        run.wait_until(lambda: load.meter.accepted > 100, "traffic")
        run.figures.update(rounds=0, recovered_s=0.0, most_fds=0)
        while run.figures["rounds"] == 0 or run.going():
            if not self._round(run, load):
                break
            run.figures["rounds"] += 1
        run.finish(load)

    def _round(self, run, load):
        port = run.router.http_port if run.random.random() < 0.2 else run.router.grpc_port
        crowd = _Crowd(port)
        try:
            run.pause(run.random.uniform(0.2, 0.6))
            run.figures["most_fds"] = max(run.figures["most_fds"], _open_fds(run.router))
            accepted = load.meter.accepted
            run.wait_until(lambda: load.meter.accepted > accepted + 50,
                           "those who were there before are served", 5)
            if port == run.router.grpc_port:
                self._check_own_needs(run)
        finally:
            crowd.leave()
        return self._check_recovered(run)

    @staticmethod
    def _check_own_needs(run):
        """The router itself is not short of descriptors: for metrics, and for the broker."""
        run.wait_until(lambda: run.router.get("/readyz") == 200, "ready, with a crowd there", 5)
        if run.random.random() < 0.5:
            run.broker.restart()
            run.wait_until(lambda: run.router.metric("router_nats_connection_status") == 1,
                           "connected to the broker again, with a crowd there", 5)

    @staticmethod
    def _check_recovered(run):
        begin = time.monotonic()

        def call():
            api = Api(f"127.0.0.1:{run.router.grpc_port}", timeout_s=1.0)
            try:
                return api.GetStatus(admin_pb2.GetStatusRequest())
            except (RouterError, grpc.RpcError):
                return None
            finally:
                api.close()
        recovered = run.wait_until(call, "a new call succeeds when the crowd has left",
                                   _RECOVERED_S)
        run.wait_until(lambda: run.router.get("/livez") == 200, "metrics are served",
                       _RECOVERED_S)
        run.figures["recovered_s"] = max(run.figures["recovered_s"],
                                         round(time.monotonic() - begin, 2))
        return recovered


class _Crowd:
    """Connections, as many as can be had."""

    def __init__(self, port):
        self._sockets = []
        for _ in range(_CONNECTIONS):
            one = socket.socket()
            one.settimeout(0.2)
            try:
                one.connect(("127.0.0.1", port))
                one.sendall(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0")
            except OSError:
                one.close()
                continue
            self._sockets.append(one)

    def leave(self):
        for one in self._sockets:
            one.close()


def _open_fds(router):
    return len(os.listdir(f"/proc/{router.process.pid}/fd"))
