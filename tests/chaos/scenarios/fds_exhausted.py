"""Scenario 11."""

import os
import resource
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
    sentence = ("more clients connect than the router may have file descriptors, or there is not "
                "one left: those who were there before are served, and a new call succeeds within "
                "5 s of the end of it")
    short_s = 8.0

    def run(self, run):
        run.start_broker()
        run.start_router(wrapper=["prlimit", f"--nofile={_FDS}:{_FDS}"])
        load = run.start_load(rate=2000)
        run.figures.update(rounds=0, recovered_s=0.0, most_fds=0, refused=0, none_left=0)
        situations = [self._crowd_of_clients, self._crowd_at_the_metrics, self._none_left]
        while run.figures["rounds"] < len(situations) or run.going():
            situations[run.figures["rounds"] % len(situations)](run, load)
            if not self._check_recovered(run):
                break
            run.figures["rounds"] += 1
        run.at_least("refused", 1)
        run.at_least("none_left", 1)
        run.finish(load)

    # Situations. Each ends as it has begun.

    def _crowd_of_clients(self, run, load):
        """The listener keeps some descriptors for the router's own needs, and says so."""
        mark = run.router.log.mark()
        crowd = _Crowd(run.router.grpc_port)
        try:
            refused = run.wait_until(
                lambda: run.router.log.events("GRPC_CONNECTION_REFUSED", after=mark),
                "some of a crowd are refused", 5)
            run.figures["refused"] += refused
            self._check_served(run, load)
            self._check_own_needs(run)
        finally:
            crowd.leave()

    def _crowd_at_the_metrics(self, run, load):
        """Few of them are let in at a time, so that not even these take all descriptors."""
        crowd = _Crowd(run.router.http_port)
        try:
            self._check_served(run, load)
        finally:
            crowd.leave()
        run.check(run.figures["most_fds"] < _FDS, "a crowd takes all descriptors")

    def _none_left(self, run, load):
        """Not one more may be opened, by whomever for what."""
        pid = run.router.process.pid
        used = {int(name) for name in os.listdir(f"/proc/{pid}/fd")}
        lowest_free = min(set(range(_FDS)) - used)
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (lowest_free, _FDS))
        crowds = []
        try:
            crowds += [_Crowd(run.router.grpc_port, 5), _Crowd(run.router.http_port, 5)]
            if run.random.random() < 0.5:
                run.broker.restart()
            self._check_served(run, load)
            run.figures["none_left"] += 1
        finally:
            resource.prlimit(pid, resource.RLIMIT_NOFILE, (_FDS, _FDS))
            for crowd in crowds:
                crowd.leave()

    @staticmethod
    def _check_served(run, load):
        run.pause(run.random.uniform(0.2, 0.6))
        run.figures["most_fds"] = max(run.figures["most_fds"], _open_fds(run.router))
        accepted = load.meter.accepted
        run.wait_until(lambda: load.meter.accepted > accepted + 50,
                       "those who were there before are served", 5)

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
        run.wait_until(lambda: run.router.metric("router_nats_connection_status") == 1,
                       "metrics are served, and the broker is connected", _RECOVERED_S)
        run.figures["recovered_s"] = max(run.figures["recovered_s"],
                                         round(time.monotonic() - begin, 2))
        return recovered


class _Crowd:
    """Connections, as many as can be had."""

    def __init__(self, port, count=_CONNECTIONS):
        self._sockets = []
        for _ in range(count):
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
