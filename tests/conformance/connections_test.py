"""How many connections there may be, and for how long."""

import socket
import time
import unittest

import grpc

from harness import oracle as outcomes
from harness.fixture import RouterTestCase
from harness.waiting import wait_until

_HTTP2_HELLO = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\0\0\0\x04\0\0\0\0\0"


class ConnectionsTest(RouterTestCase):

    def connect(self, source="127.0.0.1"):
        """A connection that the router has taken, or None where it has closed it."""
        connection = socket.create_connection(("127.0.0.1", self.router.grpc_port), 10, (source, 0))
        self.addCleanup(connection.close)
        try:
            connection.sendall(_HTTP2_HELLO)
            return connection if connection.recv(1 << 16) else None
        except ConnectionError:
            return None

    def open_count(self):
        return self.router.metric("router_grpc_connections")

    def refused(self, reason):
        return self.router.metric("router_grpc_connections_refused_total", reason=reason)

    def start_with_one_client(self, **settings):
        """The one has a connection."""
        self.start(**settings)
        self.caller.publish("test.a")
        wait_until(lambda: self.open_count() == 1, "the probe's connection is forgotten")

    def assert_others_go_on(self):
        answers = self.caller.publish_many("test.a", 20)
        self.assert_outcomes(answers, outcomes.DELIVERED)

    def test_one_connection_more_than_there_may_be(self):
        self.start_with_one_client(grpc_max_connections=3)
        first, second = self.connect(), self.connect("127.0.0.2")
        self.assertIsNotNone(first)
        self.assertIsNotNone(second)
        for source in ("127.0.0.1", "127.0.0.3"):
            self.assertIsNone(self.connect(source))
        self.assertEqual(self.refused("connections"), 2)
        event = self.router.log.events("GRPC_CONNECTION_REFUSED")[0]
        self.assertEqual((event["reason"], event["address"], event["limit"]),
                         ("connections", "127.0.0.1", 3))
        self.assert_others_go_on()
        self.assertEqual(self.open_count(), 3)
        second.close()
        wait_until(self.connect, "there is room for another one")
        self.assertIsNone(self.connect())
        self.assertEqual(self.open_count(), 3)
        self.assert_others_go_on()

    def test_one_connection_more_than_an_address_may_have(self):
        self.start_with_one_client(grpc_max_connections_per_address=2)
        hostile = [self.connect("127.0.0.2") for _ in range(2)]
        self.assertNotIn(None, hostile)
        for _ in range(3):
            self.assertIsNone(self.connect("127.0.0.2"))
        self.assertEqual(self.refused("address_connections"), 3)
        self.assertIsNotNone(self.connect("127.0.0.1"), "another address has room")
        self.assert_others_go_on()
        hostile.pop().close()
        wait_until(lambda: self.connect("127.0.0.2"), "there is room for another one")
        self.assertEqual(self.refused("connections"), 0)

    def test_a_client_is_moved_to_a_new_connection_without_an_error(self):
        self.start(grpc_max_connection_age_ms=300)
        connected = []
        self.router.api.channel.subscribe(
            lambda state: state == grpc.ChannelConnectivity.READY and connected.append(state))
        answers = []
        end = time.monotonic() + 30
        while len(connected) < 4 and time.monotonic() < end:
            answers += self.caller.publish_many("test.a", 10)
        self.assertGreaterEqual(len(connected), 4)
        self.assertEqual([a.error for a in answers if a.error], [])
        self.assert_outcomes(answers, outcomes.DELIVERED)
        self.assert_messages()


if __name__ == "__main__":
    unittest.main()
