"""Hostile clients against a real router: their connections are ended, and a good client goes on."""

import time
import unittest
from statistics import median

from attackers import FLOODS, HOSTILE_ADDRESS, attack
from harness import oracle as outcomes
from harness import sanitizers
from harness.api import STORED
from harness.caller import Caller
from harness.fixture import RouterTestCase
from harness.waiting import wait_until
from secure_router import SecureRouterTestCase

# The most that one flood makes the router grow to; what it takes is measured by ./bench.
RESIDENT_BYTES_MAX = (512 << 20) * sanitizers.MEMORY
INCOMPLETE_BYTES_MAX = (200 << 20) * sanitizers.MEMORY
PAUSE_MAX_S = 4 * sanitizers.TIME
MEASURED_S = 1.5
# Attackers have what CPU time is left, which may be little for a while.
ATTACK_S = 120


class FloodMeasures:
    """For a test case of a router."""

    def floods_ended(self):
        return self.router.metric("router_grpc_floods_ended_total")

    def banned(self):
        return self.router.metric("router_grpc_connections_refused_total", reason="banned")

    def publish(self):
        answer = self.caller.publish("test.good", timeout_s=PAUSE_MAX_S * 5, guarantee=STORED)
        self.assertEqual(answer.outcome, outcomes.DELIVERED, answer)
        return answer

    def check_flood(self, kind, router, **options):
        """That it is ended and kept out, and how long a good client waits for answers meanwhile."""
        with attack(kind, router.grpc_port, **options) as flood:
            seconds = self.publish_until(lambda: self.floods_ended() >= 1 and self.banned() > 0,
                                         "it is ended, comes again, and is refused")
        print(f"{kind}: {len(seconds)} answers, median {median(seconds) * 1000:.1f} ms, "
              f"longest {max(seconds) * 1000:.0f} ms; {router.resident_bytes() / 1e6:.0f} MB")
        self.assertLess(max(seconds), PAUSE_MAX_S)
        self.assertGreater(flood.report["closed"], 0)
        self.check_said(router)
        self.assertLess(router.resident_bytes(), RESIDENT_BYTES_MAX)

    def publish_until(self, condition, what):
        """How long each answer took, of a good client that does not stop meanwhile."""
        begun = time.monotonic()
        seconds = []
        while time.monotonic() - begun < MEASURED_S or not condition():
            self.assertLess(time.monotonic() - begun, ATTACK_S, what)
            for _ in range(20):
                sent = time.monotonic()
                self.publish()
                seconds.append(time.monotonic() - sent)
        return seconds

    def check_said(self, router):
        ended = router.log.events("GRPC_FLOOD_ENDED")
        self.assertEqual([e["address"] for e in ended], [HOSTILE_ADDRESS] * len(ended))
        refused = router.log.events("GRPC_CONNECTION_REFUSED")
        self.assertEqual({e["reason"] for e in refused}, {"banned"})


class FloodTest(FloodMeasures, RouterTestCase):

    def test_floods_are_ended_and_the_good_client_goes_on(self):
        self.start_broker()
        for kind in FLOODS:
            with self.subTest(kind):
                # A new one for each: what comes from a banned address is no flood.
                router = self.start_router(name=kind, grpc_flood_ban_ms=60000)
                self.router, self.caller = router, Caller(router, self.oracle)
                self.check_flood(kind, router)
                router.close()

    def test_a_ban_is_over_after_its_time(self):
        self.start(grpc_flood_ban_ms=300)
        with attack("reset_unary", self.router.grpc_port):
            wait_until(lambda: self.floods_ended() >= 3, "a flood comes, and comes again", ATTACK_S)
        self.publish()

    def test_idle_connections_a_reset_flood_and_a_stalled_reader_at_once(self):
        self.start()
        port = self.router.grpc_port
        with attack("idle", port, source="127.0.0.1"), attack(
                "stalled_reader", port), attack("reset_stream", port):
            wait_until(lambda: self.floods_ended() >= 1, "the flood is ended", ATTACK_S)
            for _ in range(200):
                self.publish()
            self.assertGreaterEqual(self.router.metric("router_grpc_connections"), 1000)
            self.assertLess(self.router.resident_bytes(), RESIDENT_BYTES_MAX)
        wait_until(lambda: self.router.metric("router_grpc_connections") < 10,
                   "closed connections are noticed")

    def test_messages_that_are_never_complete_do_not_take_the_memory_of_others(self):
        self.start(grpc_max_memory_bytes=128 << 20, grpc_flood_ban_ms=0)
        before = self.router.resident_bytes()

        def grown():
            self.publish()
            grown = self.router.resident_bytes() - before
            self.assertLess(grown, INCOMPLETE_BYTES_MAX)
            return grown
        for _ in range(3):
            ended = self.floods_ended()
            with attack("incomplete_messages", self.router.grpc_port):
                wait_until(lambda: grown() > 0 and self.floods_ended() > ended, "it is ended",
                           ATTACK_S)

    def check_memory_of(self, kind, method, refusal, calls, bytes_max, **settings):
        """Of so many calls the answer is a refusal, and meanwhile the router grows by no more than
        that."""
        self.start(**settings)
        before = self.router.resident_bytes()
        with attack(kind, self.router.grpc_port):
            def are_refused():
                self.assertLess(self.router.resident_bytes() - before,
                                bytes_max * sanitizers.MEMORY)
                return self.router.metric("router_grpc_server_handled_total",
                                          grpc_service="router.v1.PublisherService",
                                          grpc_method=method, grpc_code=refusal) >= calls
            wait_until(are_refused, f"{calls} calls are refused", ATTACK_S)
            for _ in range(20):
                self.publish()
        self.assertEqual(self.floods_ended(), 0)

    def test_messages_without_anything_in_them_take_no_memory(self):
        # 80 MB come; each of them takes 0.7 GB once it is parsed.
        self.check_memory_of("empty_messages", "PublishBatch", "InvalidArgument", 10, 200 << 20)

    def test_answers_that_are_not_taken_are_in_hand(self):
        # Each of these takes 20 MB.
        self.check_memory_of("unread_answers", "PublishBatch", "ResourceExhausted", 190, 150 << 20)

    def test_frames_that_wait_take_no_more_memory_than_they_may(self):
        # 120 MB come; each frame takes ten times as much once it is parsed.
        self.check_memory_of("held_frames", "PublishStream", "ResourceExhausted", 90, 250 << 20,
                             client_max_in_flight_messages=1000, client_max_in_flight_bytes=4 << 20)

    def test_a_stop_in_the_middle_of_a_flood_ends(self):
        # Without a ban the next connection is there at once.
        self.start(grpc_flood_ban_ms=0)
        with attack("reset_stream", self.router.grpc_port), attack(
                "continuation", self.router.grpc_port, source="127.0.0.3"):
            wait_until(lambda: self.floods_ended() >= 2, "floods are under way", ATTACK_S)
            self.assertEqual(self.router.terminate(), 0)

    def test_many_good_calls_are_no_flood(self):
        self.start()
        with attack("stalled_reader", self.router.grpc_port):
            for _ in range(500):
                self.publish()
        self.assertEqual(self.floods_ended(), 0)
        self.router.wait_for_metric("router_clients", 0)  # Nobody publishes any more.


class TlsFloodTest(FloodMeasures, SecureRouterTestCase):
    """Of a stranger, who gets no call in."""

    def test_floods_over_tls_are_ended_and_the_good_client_goes_on(self):
        self.start_broker()
        for kind in ("reset_unary", "continuation", "hpack", "ping"):
            with self.subTest(kind):
                router = self.start_router(name=kind, **self.settings, grpc_flood_ban_ms=60000)
                self.router, self.caller = router, Caller(router, self.oracle)
                self.check_flood(kind, router, tls=True)
                router.close()


if __name__ == "__main__":
    unittest.main()
