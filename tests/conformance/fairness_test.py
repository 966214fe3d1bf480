"""A greedy client does not starve the others."""

import threading
import time
import unittest

import grpc
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.waiting import wait_until
from limited_router import CALL_S, PATIENT, LimitsTestCase, message


class GreedyClient:
    """Streams that publish as fast as they are read, until the end of the block."""

    STREAMS = 4
    FRAME = publisher_pb2.PublishStreamRequest(
        messages=[message("test.greedy", b"x" * 100)] * 100).SerializeToString()

    def __init__(self, api):
        self._stop = threading.Event()
        self._call = api.channel.stream_stream("/router.v1.PublisherService/PublishStream")
        self._threads = [threading.Thread(target=self._run, daemon=True)
                         for _ in range(self.STREAMS)]
        self.errors = []

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(60)

    def _run(self):
        try:
            for _ in self._call(iter(lambda: None if self._stop.is_set() else self.FRAME, None),
                                timeout=10 * CALL_S):
                pass
        except grpc.RpcError as e:
            self.errors.append(e)


class FairnessTest(LimitsTestCase):

    def latencies(self, count, backlog_bytes, **settings):
        """In seconds, the smallest first: of the good client's publishes, one after the other,
        beside a greedy client that has so much in hand when they begin."""
        router = self.start_router(name=f"router{count}", **dict(
            self.settings, client_max_in_flight_messages=65536, **PATIENT, **settings))
        good = self.authority.credentials(self.authority.issue("b", "DNS:publisher.test"))
        api = router.connect(good)
        self.addCleanup(api.close)
        seconds = []
        with GreedyClient(router.api) as greedy:
            wait_until(
                lambda: router.metric("router_publish_in_flight_bytes") >= backlog_bytes,
                "there is a backlog", 30)
            # The first ones find as much on its way as one may have that is alone.
            for _ in range(20 if count > 20 else 1):
                api.Publish(publisher_pb2.PublishRequest(message=message()), CALL_S)
            for _ in range(count):
                begun = time.monotonic()
                answer = api.Publish(publisher_pb2.PublishRequest(message=message()), CALL_S)
                seconds.append(time.monotonic() - begun)
                self.assertEqual(answer.result.outcome,
                                 message_pb2.PUBLISH_OUTCOME_DELIVERED)
        self.assertEqual(greedy.errors, [])
        router.close()
        return sorted(seconds)

    def test_a_good_client_does_not_wait_behind_a_greedy_one(self):
        self.start_broker()
        fair = self.latencies(100, 500000)
        # All that one client may have in hand is on its way, and the other one's is behind it.
        unfair = self.latencies(5, 7000000, client_shared_in_flight_messages=4000000,
                                client_shared_in_flight_bytes=68719476736)
        print(f"median {fair[50] * 1000:.0f} ms, p99 {fair[98] * 1000:.0f} ms; behind the "
              f"backlog: median {unfair[2] * 1000:.0f} ms")
        self.assertLess(fair[98], unfair[2] / 2)
        self.assertLess(fair[50], unfair[2] / 5)


if __name__ == "__main__":
    unittest.main()
