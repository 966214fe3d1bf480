"""How many calls there may be, and how long they may last. Most of it over HTTP/2 by hand, as gRPC's
client would keep to limits and deadlines by itself."""

import contextlib
import select
import socket
import struct
import threading
import time
import unittest

import grpc
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

import http2
from harness import oracle as outcomes
from harness.api import error_of_call
from harness.waiting import stays_true, wait_until
from secure_router import VIEWER_TOKEN, SecureRouterTestCase

_GET_STATUS = "/router.v1.AdminService/GetStatus"
_PUBLISHER = "/router.v1.PublisherService/"
_MAX_CONCURRENT_STREAMS = 3  # Of SETTINGS.


class RawClient:
    """One connection, read by a thread of its own. The router may send `window` bytes of answers on
    each stream."""

    def __init__(self, connection, window=65535):
        self._connection = connection
        connection.settimeout(0.05)
        self._io = threading.Lock()  # TLS is for one thread at a time.
        self._lock = threading.Lock()
        self._next_stream = 1
        self._ended = set()
        self.settings = {}
        self.is_closed = False
        self._send(http2.PREFACE + http2.settings((http2.INITIAL_WINDOW_SIZE, window)))
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def close(self):
        with contextlib.suppress(OSError):
            self._connection.shutdown(socket.SHUT_RDWR)
        self._reader.join(10)
        self._connection.close()

    def call(self, path, request=b"", *headers):
        """Begins a call of one message; its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        block = http2.call_headers(path) + b"".join(http2.literal(*h) for h in headers)
        message = b"\0" + len(request).to_bytes(4, "big") + request
        self._send(http2.frame(http2.HEADERS, http2.END_HEADERS, stream, block)
                   + http2.frame(http2.DATA, http2.END_STREAM, stream, message))
        return stream

    def begin(self, path):
        """Begins a call, and sends no message."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        self._send(http2.call(path, stream))

    def ended(self):
        """The streams that the router has ended."""
        with self._lock:
            return set(self._ended)

    def _send(self, data):
        with self._io:
            self._connection.sendall(data)

    def _read(self):
        reader = http2.FrameReader(self._connection)
        pending = getattr(self._connection, "pending", lambda: 0)  # Decrypted already.
        with contextlib.suppress(OSError, ValueError):
            while True:
                if not pending():
                    select.select([self._connection], [], [])
                with self._io, contextlib.suppress(TimeoutError):
                    self._take(reader.read())
        self.is_closed = True

    def _take(self, frames):
        for kind, flags, stream, payload in frames:
            if kind == http2.SETTINGS and not flags & http2.ACK:
                self.settings.update(struct.unpack(">HI", payload[at:at + 6])
                                     for at in range(0, len(payload), 6))
                self._connection.sendall(http2.frame(http2.SETTINGS, http2.ACK, 0))
            ends = kind in (http2.HEADERS, http2.DATA) and flags & http2.END_STREAM
            if ends or kind == http2.RST_STREAM:
                with self._lock:
                    self._ended.add(stream)


class CallsTestCase(SecureRouterTestCase):

    def connect_raw(self, source="127.0.0.1", context=None, window=65535):
        connection = socket.create_connection(("127.0.0.1", self.router.grpc_port), 10, (source, 0))
        if context:
            context.set_alpn_protocols(["h2"])
            connection = context.wrap_socket(connection, server_hostname="localhost")
        client = RawClient(connection, window)
        self.addCleanup(client.close)
        return client

    def exceeded(self):
        return self.router.metric("router_limit_exceeded_total", limit="client_max_admin_calls")


class AdminCallsTest(CallsTestCase):
    """A call of administration holds a thread until its answer is taken, and there are 64."""

    def hold(self, client, *headers):
        """Makes 80 calls, none of whose answers is taken; 64 are refused, and end. Not all at once, as
        gRPC refuses what comes while all threads are at work."""
        for count in (40, 80):
            for _ in range(40):
                client.call(_GET_STATUS, b"", *headers)
            wait_until(lambda n=count: len(client.ended()) == n - 16, "the others are refused")

    def test_an_address_cannot_keep_others_out(self):
        self.start(transport="inproc")
        hostile = self.connect_raw("127.0.0.2", window=0)
        self.hold(hostile)
        for _ in range(20):
            self.assertTrue(self.status().version)
        stays_true(lambda: len(hostile.ended()) == 64, "16 calls wait", 0.2)
        self.assertEqual(self.exceeded(), 64)
        event = self.router.log.events("CLIENT_LIMITED")[0]
        self.assertEqual((event["client"], event["limit"]),
                         ("127.0.0.2", "client_max_admin_calls"))
        # With their client, the calls are gone.
        hostile.close()
        patient = self.connect_raw("127.0.0.2")

        def is_let_in():
            before = self.exceeded()
            stream = patient.call(_GET_STATUS)
            wait_until(lambda: stream in patient.ended(), "it is answered")
            return self.exceeded() == before
        wait_until(is_let_in, "there is room again")

    def test_an_identity_cannot_keep_others_out(self):
        self.start_secure(client_max_admin_calls=16)
        viewer = ("authorization", f"Bearer {VIEWER_TOKEN}")
        hostile = self.connect_raw(context=self.authority.ssl_context(), window=0)
        self.hold(hostile, viewer)
        for _ in range(20):
            self.assertTrue(self.status().version)
        error = self.error_of(self.client(token=VIEWER_TOKEN).GetStatus,
                              admin_pb2.GetStatusRequest())
        self.assert_error(error, "RESOURCE_EXHAUSTED", "CLIENT_ADMIN_CALLS_LIMIT")
        self.assertEqual(error.metadata["calls_max"], "16")
        self.assertGreater(error.retry_delay_s, 0)
        self.assertEqual(self.router.log.events("CLIENT_LIMITED")[0]["client"], "token:viewer")
        hostile.close()
        viewer = self.client(token=VIEWER_TOKEN)
        wait_until(lambda: self.error_of(viewer.GetStatus, admin_pb2.GetStatusRequest()) is None,
                   "there is room again")

    def test_the_limit_is_a_setting_that_changes_at_a_reload(self):
        path = self.write("router.yaml", "client: {max_admin_calls: 2}\n")
        self.start_secure(config=path)
        self.assertEqual(self.router.metric("router_limit", limit="client_max_admin_calls"), 2)
        viewer = self.client(token=VIEWER_TOKEN)
        watches = [viewer.watch_status(admin_pb2.WatchStatusRequest(), 60) for _ in range(2)]
        for watch in watches:
            next(watch)
        self.assert_error(self.error_of(viewer.GetStatus, admin_pb2.GetStatusRequest()),
                          "RESOURCE_EXHAUSTED", "CLIENT_ADMIN_CALLS_LIMIT")
        self.write("router.yaml", "client: {max_admin_calls: 3}\n")
        answer = self.router.api.ReloadConfig(admin_pb2.ReloadConfigRequest(reason="test"))
        self.assertEqual([c.name for c in answer.applied], ["client_max_admin_calls"])
        self.assertIsNone(self.error_of(viewer.GetStatus, admin_pb2.GetStatusRequest()))
        for watch in watches:
            next(watch)  # It is one call, however often it asks.
            watch.cancel()

    def test_nobody_in_particular_takes_no_watch_and_is_not_told_of_them(self):
        self.start_secure(client_max_admin_calls=64)
        watches = [self.router.api.watch_status(admin_pb2.WatchStatusRequest(), 60)
                   for _ in range(16)]
        for watch in watches:
            next(watch)
        for api, code, reason in ((self.router.api, "RESOURCE_EXHAUSTED", "TOO_MANY_WATCHES"),
                                  (self.client(), "UNAUTHENTICATED", "CREDENTIALS_MISSING")):
            with self.assertRaises(grpc.RpcError) as caught:
                next(api.watch_status(admin_pb2.WatchStatusRequest()))
            self.assert_error(error_of_call(caught.exception), code, reason)
        for watch in watches:
            watch.cancel()


class StreamsTest(CallsTestCase):

    def test_one_call_more_than_a_connection_may_have_waits(self):
        self.start(grpc_max_concurrent_streams=2)
        raw = self.connect_raw()
        wait_until(lambda: raw.settings.get(_MAX_CONCURRENT_STREAMS) == 2, "clients are told")
        streams = [self.caller.open_stream() for _ in range(2)]
        for stream in streams:
            stream.send("test.a")
            stream.wait_answered()
        third = self.router.api.GetStatusFuture(admin_pb2.GetStatusRequest(), timeout=30)
        other = self.router.connect()
        self.addCleanup(other.close)
        self.assertTrue(other.GetStatus(admin_pb2.GetStatusRequest()).status.version)
        stays_true(lambda: not third.done(), "it waits", 0.3)
        streams[0].finish()
        self.assertTrue(third.result().status.version)
        streams[1].finish()

    def test_who_goes_beyond_loses_the_connection_and_nobody_else_does(self):
        self.start(grpc_max_concurrent_streams=2)
        stream = self.caller.open_stream()
        raw = self.connect_raw()
        wait_until(lambda: raw.settings, "it has begun")
        for _ in range(4):
            raw.begin(_PUBLISHER + "PublishStream")
        wait_until(lambda: raw.is_closed, "it is closed")
        stream.send("test.a")
        stream.finish()


class AgeTest(CallsTestCase):

    def open_old_stream(self, **settings):
        """A stream on a connection that the router has asked its client to leave."""
        self.start(grpc_max_connection_age_ms=300, **settings)
        stream = self.caller.open_stream()
        stream.send("test.a")
        stream.wait_answered()
        begun = time.monotonic()
        connected = []
        self.router.api.channel.subscribe(
            lambda state: state == grpc.ChannelConnectivity.READY and connected.append(state))

        def has_moved():
            return self.status() and len(connected) >= 2
        wait_until(has_moved, "other calls go to a new connection")
        return stream, begun

    def test_a_call_goes_on_during_the_grace(self):
        stream, _ = self.open_old_stream(grpc_max_connection_age_grace_ms=60000)
        for _ in range(20):
            stream.send("test.a")
            stream.wait_answered()
        stream.finish()
        self.assert_messages()

    def test_a_call_is_broken_off_after_the_grace(self):
        stream, begun = self.open_old_stream(grpc_max_connection_age_grace_ms=1000)
        wait_until(lambda: stream.call_error, "it is broken off")
        self.assertGreater(time.monotonic() - begun, 0.9)
        self.assertEqual(stream.call_error.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.DELIVERED)


class DeadlineTest(CallsTestCase):

    def test_nothing_is_queued_for_somebody_whose_deadline_has_passed(self):
        self.start(nats_ack_timeout_ms=60000, nats_ping_interval_ms=3600000)
        self.broker.stop_running()
        self.addCleanup(self.broker.go_on)
        raw = self.connect_raw()
        message = message_pb2.Message(subject="test.a", payload=b"x")
        requests = {
            "Publish": publisher_pb2.PublishRequest(message=message),
            "PublishBatch": publisher_pb2.PublishBatchRequest(messages=[message] * 3),
            "PublishStream": publisher_pb2.PublishStreamRequest(messages=[message] * 3)}
        rejected = 0
        for method, request in requests.items():
            with self.subTest(method):
                def is_said(method=method, body=request.SerializeToString(), before=rejected):
                    # gRPC makes a millisecond of it, so most come as far as to be sent to the
                    # broker.
                    streams = {raw.call(_PUBLISHER + method, body, ("grpc-timeout", "1n"))
                               for _ in range(50)}
                    wait_until(lambda: streams <= raw.ended(), "all are answered")
                    return self.outcomes("rejected") > before
                wait_until(is_said, "the router says so itself", 30)
                rejected = self.outcomes("rejected")
                wait_until(lambda: self.status().in_flight == 0, "nothing is in flight")
                self.assertEqual(self.pending(), [])
        self.assertEqual(self.outcomes("queued"), 0)

    def outcomes(self, outcome):
        return self.router.metric("router_nats_publish_outcomes_total", outcome=outcome)


if __name__ == "__main__":
    unittest.main()
