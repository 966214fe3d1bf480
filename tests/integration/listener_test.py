"""A router whose gRPC port is not listened at any more."""

import socket
import unittest

from harness import oracle as outcomes
from harness.fixture import RouterTestCase
from harness.listening import kill_listener, take_port
from harness.waiting import wait_until


class ListenerTest(RouterTestCase):

    def publish(self):
        answer = self.caller.publish("test.a", timeout_s=10)
        self.assertEqual(answer.outcome, outcomes.DELIVERED, answer)

    def connects(self):
        with socket.create_connection(("127.0.0.1", self.router.grpc_port), timeout=5):
            return True

    def test_a_dead_listener_is_replaced_and_nothing_is_lost(self):
        self.start()
        self.publish()
        for times in (1, 2, 3):
            kill_listener(self.router.process.pid, self.router.grpc_port)
            self.publish()  # Over the connection that is there.
            self.router.wait_for_metric("router_grpc_listener_rebuilt_total", times)
            self.assertTrue(self.connects())
            other = self.router.connect()
            self.addCleanup(other.close)
            self.assertEqual(self.router.health(), "SERVING")
        event = self.router.log.wait_for_event("GRPC_LISTENER_REBUILT")
        self.assertEqual(event["port"], self.router.grpc_port)
        self.assert_contract()

    def test_while_it_cannot_be_replaced_the_router_says_that_it_is_not_ready(self):
        self.start()
        self.publish()
        thief = take_port(self.router.process.pid, self.router.grpc_port)
        try:
            self.router.log.wait_for_event("GRPC_LISTENER_DEAD")
            wait_until(lambda: self.router.get("/readyz") == 503, "/readyz says so")
            self.assertEqual(self.router.get("/livez"), 200)
            wait_until(lambda: self.router.health("readiness") == "NOT_SERVING", "so does health")
            self.publish()
        finally:
            thief.close()
        self.router.log.wait_for_event("GRPC_LISTENER_REBUILT")
        wait_until(lambda: self.router.get("/readyz") == 200, "/readyz is well again")
        self.assertTrue(self.connects())
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
