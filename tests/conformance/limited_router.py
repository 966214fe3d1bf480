"""What the tests of limits have in common: a router with TLS and two clients."""

import types

from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.api import STORED
from harness.caller import Caller
from harness.waiting import wait_until
from secure_router import SecureRouterTestCase

# The broker may be stopped for as long as a test likes.
PATIENT = {"nats_ping_interval_ms": 3600000, "nats_ack_timeout_ms": 600000}
CALL_S = 60


def message(subject="test.a", payload=b"x", **fields):
    return message_pb2.Message(subject=subject, payload=payload, guarantee=STORED, **fields)


def batch(*messages):
    return publisher_pb2.PublishBatchRequest(messages=messages)


class LimitsTestCase(SecureRouterTestCase):
    """Two clients: `self.a`, who is the operator too, and `self.b`."""

    def start_limited(self, **settings):
        self.start_secure(**settings)
        self.a = self.router.api
        self.b = self.client("b", "DNS:publisher.test")

    def tearDown(self):
        if self.router is not None:
            self.router.log.events()
            self.assertEqual(self.router.log.malformed, [])

    def caller_of(self, api):
        return Caller(types.SimpleNamespace(api=api), self.oracle)

    def ways(self):
        return (("unary", self.publish), ("batch", self.publish_batch),
                ("stream", self.publish_stream))

    def in_flight_bytes(self):
        return self.router.metric("router_publish_in_flight_bytes")

    def exceeded(self, limit):
        return self.router.metric("router_limit_exceeded_total", limit=limit)

    def assert_refused(self, error, reason):
        self.assert_error(error, "RESOURCE_EXHAUSTED", reason)
        self.assertGreater(error.retry_delay_s, 0, "it is said when to try again")

    def assert_takes(self, api):
        for way, publish in self.ways():
            self.assertIsNone(publish(api, message()), way)

    def assert_nothing_left(self):
        wait_until(lambda: self.in_flight_bytes() == 0, "nothing is in flight")
        self.router.wait_drained()
        findings = self.oracle.check([s for s in self.stored() if s[0].startswith("id-")])
        self.assertFalse(findings, str(findings))
