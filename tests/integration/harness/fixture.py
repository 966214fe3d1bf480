"""The base class of the integration tests."""

import functools
import os
import shutil
import tempfile
import unittest

from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2

from harness import contract
from harness import oracle as outcomes
from harness.api import STORED
from harness.caller import Caller
from harness.nats_server import NatsServer
from harness.oracle import Oracle
from harness.router import Router
from harness.waiting import wait_until

STREAM = "TEST"
SUBJECTS = ["test.>"]


def both_modes(method):
    """Makes two tests of one, with the argument `fail_open` False and True."""
    method.both_modes = True
    return method


class RouterTestCase(unittest.TestCase):
    """A temporary folder, brokers and routers that end with the test, and an oracle."""

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name, method in list(vars(cls).items()):
            if getattr(method, "both_modes", False):
                delattr(cls, name)
                for suffix, mode in (("off", False), ("on", True)):
                    test = functools.partialmethod(method, fail_open=mode)
                    setattr(cls, f"{name}_with_fail_open_{suffix}", test)

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="router_it_", dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.oracle = Oracle()
        self.broker = None
        self.router = None
        self.caller = None
        self._logs = []

    def run(self, result=None):
        result = result or self.defaultTestResult()
        problems = len(result.failures) + len(result.errors)
        super().run(result)
        if len(result.failures) + len(result.errors) > problems:
            for path, text in self._logs:
                print(f"--- end of {path} ({self.id()})\n{text}")
        return result

    def start_broker(self, name="broker", stream=STREAM, **options):
        broker = NatsServer(self.folder, name, **options)
        self.addCleanup(broker.kill)
        broker.start()
        if stream and broker.jetstream_enabled:
            broker.create_stream(stream, SUBJECTS)
        if self.broker is None:
            self.broker = broker
        return broker

    def make_router(self, urls=None, name="router", **settings):
        """A router that is not started yet."""
        if urls is None:
            urls = [self.broker.url]
        router = Router(self.folder, urls, name, **settings)
        self.addCleanup(self._close_router, router)
        if self.router is None:
            self.router = router
            self.caller = Caller(router, self.oracle)
        return router

    def start_router(self, urls=None, connected=True, **settings):
        router = self.make_router(urls, **settings).start()
        if connected:
            router.wait_connected()
        return router

    def start(self, **settings):
        """A broker with a stream for `test.>`, and a router connected to it."""
        self.start_broker()
        return self.start_router(**settings)

    def restart_router(self, connected=True):
        """After a kill: a new life of the same router."""
        self._keep_log(self.router)
        self.oracle.life += 1
        self.router.start()
        if connected:
            self.router.wait_connected()

    def lose_broker(self):
        """kill -9 of the broker, noticed by the router."""
        self.broker.kill()
        self.router.wait_not_connected()

    def bring_broker_back(self):
        self.broker.start()
        self.router.wait_connected()

    def set_fault(self, operation, kind, **fields):
        """`operation` and `kind` by their names without prefix."""
        fault = fault_injection_pb2.Fault(
            operation=fault_injection_pb2.FaultOperation.Value("FAULT_OPERATION_" + operation),
            kind=fault_injection_pb2.FaultKind.Value("FAULT_KIND_" + kind))
        delay_ms = fields.pop("delay_ms", None)
        if delay_ms is not None:
            fault.delay.FromMilliseconds(delay_ms)
        for name, value in fields.items():
            setattr(fault, name, value)
        return self.router.api.SetFault(fault_injection_pb2.SetFaultRequest(fault=fault)).fault

    def clear_faults(self):
        request = fault_injection_pb2.ClearFaultsRequest()
        return self.router.api.ClearFaults(request).cleared_count

    def reconnect(self, reason="test"):
        return self.router.api.Reconnect(admin_pb2.ReconnectRequest(reason=reason))

    def status(self):
        return self.router.api.GetStatus(admin_pb2.GetStatusRequest()).status

    def pending(self, **fields):
        request = admin_pb2.ListPendingOperationsRequest(**fields)
        return list(self.router.api.ListPendingOperations(request).operations)

    def stored(self, *streams):
        """The broker's messages as (message id, sequence), in order."""
        return [(m.message_id, m.sequence)
                for stream in streams or (STREAM,) for m in self.broker.dump(stream)]

    def assert_outcomes(self, answers, outcome):
        wrong = [a for a in answers if a.outcome != outcome]
        self.assertFalse(wrong, f"{len(wrong)} of {len(answers)} are not {outcome}")

    def assert_messages(self, **options):
        """What was promised has happened: nothing lost, doubled, reordered or made up."""
        findings = self.oracle.check(self.stored(), **options)
        self.assertFalse(findings, str(findings))

    def assert_contract(self, probe="test.probe", events=(), recovered=0, not_retried=0,
                        dropped_may_arrive=False, purged=(), messages=True, drained=True, moves=0):
        """All of `contract`, at the end of a test whose faults are healed.

        Args:
          probe: subject of a last publish that has to be DELIVERED; None for none.
          events: codes that the log has in this order.
          recovered: operations that this life of the router found in its queue.
          not_retried: queued operations that left the queue undelivered.
          dropped_may_arrive: whether what was told DROPPED was sent and may be in the stream.
          purged: ids of queued messages that were removed on purpose.
          messages: whether to compare with the broker's stream.
          drained: whether to wait until the queue is empty first.
          moves: times the router left a connection for a better one without losing it.
        """
        if drained:
            self.router.wait_drained()
        if probe:
            answer = self.caller.publish(probe, key=f"probe {self.id()}", timeout_s=5,
                                         guarantee=STORED)
            self.assertEqual(answer.outcome, outcomes.DELIVERED, answer)
        contract.check_alive(self, self.router)
        if messages:
            self.assert_messages(dropped_may_arrive=dropped_may_arrive, purged=purged)
        life = self.oracle.life
        metrics = self._settled_metrics()
        contract.check_publish_counters(self, metrics, self.oracle, life)
        if drained:
            queued = self.oracle.count(outcomes.QUEUED, life=life)
            unknown = self.oracle.count(outcomes.UNKNOWN)
            contract.check_queue_counters(self, metrics, queued + recovered - not_retried, unknown)
        if self.status().connection.server_url:
            contract.check_connection_counters(self, metrics, self.router, moves)
        contract.check_totals(self, self.router, metrics)
        contract.check_log(self, self.router)
        contract.check_log_order(self, self.router, events)

    def _settled_metrics(self):
        """Metrics with no publish under way any more."""
        wait_until(lambda: self.status().in_flight == 0, "nothing is in flight")
        return self.router.metrics()

    def _keep_log(self, router):
        if router.log is not None:
            text = router.log.text().splitlines()
            self._logs.append((f"{router.folder}, life {router.lives}", "\n".join(text[-40:])))

    def _close_router(self, router):
        router.close()
        self._keep_log(router)
