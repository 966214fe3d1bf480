"""What operators change is in the audit log before it is changed, or is not changed."""

import unittest

from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2

from harness import oracle as outcomes
from harness.api import RouterError
from harness.audit_file import fill_audit_log
from harness.fixture import RouterTestCase


class AuditTest(RouterTestCase):

    def audit(self):
        return [e for e in self.router.api.ListAuditEvents(
            admin_pb2.ListAuditEventsRequest(page_size=100)).events if e.actor != "filler"]

    def start_with_a_full_log(self, free_bytes):
        """Two dead letters, two queued messages, a log with so much room, no broker."""
        self.start(enable_fault_injection=True, pending_attempts_max=1)
        api = self.router.api
        api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="test"))
        answers = self.caller.publish_many("nobody.takes.this", 2)
        self.assert_outcomes(answers, outcomes.QUEUED)
        api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="test"))
        self.router.wait_for_metric("router_nats_dead_letters_count", 2)
        self.assertEqual(self.router.terminate(), 0)
        fill_audit_log(self.router.settings["pending_dir"], free_bytes)
        self.restart_router()

    def queue_two(self):
        self.lose_broker()
        self.assert_outcomes(self.caller.publish_many("test.a", 2), outcomes.QUEUED)

    def error_of(self, call, request):
        with self.assertRaises(RouterError) as caught:
            call(request)
        return caught.exception

    def assert_not_written(self, call, request):
        with self.subTest(request=type(request).__name__):
            error = self.error_of(call, request)
            self.assertEqual((error.code.name, error.reason), ("UNAVAILABLE", "STATE_IO_ERROR"))

    def test_nothing_changes_that_cannot_be_written_down(self):
        self.start_with_a_full_log(free_bytes=300)
        api = self.router.api
        self.set_fault("CONNECT", "ERROR", probability=0.5)  # Takes the room that there is.
        self.assert_not_written(api.ClearFaults, fault_injection_pb2.ClearFaultsRequest())
        self.assertEqual(len(api.ListFaults(fault_injection_pb2.ListFaultsRequest()).faults), 1)
        self.assert_not_written(api.Reconnect, admin_pb2.ReconnectRequest(reason="test"))
        self.assert_not_written(api.RetryPendingOperations,
                                admin_pb2.RetryPendingOperationsRequest(filter="*", reason="test"))
        self.assert_not_written(api.PauseDelivery, admin_pb2.PauseDeliveryRequest(reason="test"))
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.DELIVERED)
        self.assertEqual(self.status().connection.epoch, 1)
        self.queue_two()
        self.assert_not_written(api.SetFailOpenMode, admin_pb2.SetFailOpenModeRequest(
            enabled=True, reason="test"))
        self.assertFalse(self.status().fail_open.enabled)
        self.assert_not_written(api.PurgePendingOperations, admin_pb2.PurgePendingOperationsRequest(
            filter="*", reason="test", force=True))
        self.assertEqual(len(self.pending()), 2)
        self.assert_not_written(api.RedriveDeadLetters, admin_pb2.RedriveDeadLettersRequest(
            filter="*", reason="test"))
        self.assert_not_written(api.PurgeDeadLetters, admin_pb2.PurgeDeadLettersRequest(
            filter="*", reason="test", force=True))
        self.assertEqual(self.status().queue.dead_letters, 2)
        event = self.router.log.wait_for_event("AUDIT_LOG_ERROR")
        self.assertEqual((event["method"], event["outcome"]), ("ClearFaults", "OK"))
        self.assertIn("Is a directory", event["reason"])

    def check_incomplete(self, call, request, result):
        """Only the beginning fits: the caller, the audit log and the log say what is true."""
        request.reason = "r" * 1000
        error = self.error_of(call, request)
        self.assertEqual((error.code.name, error.reason), ("DATA_LOSS", "AUDIT_INCOMPLETE"))
        self.assertIn(result, error.metadata["result"])
        begun = self.audit()[0]
        self.assertEqual((begun.id, begun.outcome, begun.reason),
                         (error.metadata["begin_event_id"], "BEGUN", request.reason))
        event = self.router.log.wait_for_event("AUDIT_LOG_ERROR")
        self.assertEqual((event["method"], event["outcome"], event["detail"]),
                         (begun.method, "OK", error.metadata["result"]))

    def test_purge_whose_result_cannot_be_written(self):
        self.start_with_a_full_log(free_bytes=2000)
        self.queue_two()
        self.check_incomplete(
            self.router.api.PurgePendingOperations,
            admin_pb2.PurgePendingOperationsRequest(filter="*", force=True),
            "2 operations purged; 2 → 0 queued")
        self.assertEqual(self.pending(), [])

    def test_purge_of_dead_letters_whose_result_cannot_be_written(self):
        self.start_with_a_full_log(free_bytes=2000)
        self.check_incomplete(
            self.router.api.PurgeDeadLetters,
            admin_pb2.PurgeDeadLettersRequest(filter="*", force=True), "2 → 0 dead letters")
        self.assertEqual(self.status().queue.dead_letters, 0)

    def test_redrive_whose_result_cannot_be_written(self):
        self.start_with_a_full_log(free_bytes=2000)
        self.lose_broker()
        self.check_incomplete(
            self.router.api.RedriveDeadLetters,
            admin_pb2.RedriveDeadLettersRequest(filter="*"), "2 → 0 dead letters")
        self.assertEqual(len(self.pending()), 2)

    def test_mode_whose_result_cannot_be_written(self):
        self.start_with_a_full_log(free_bytes=2000)
        self.check_incomplete(self.router.api.SetFailOpenMode,
                              admin_pb2.SetFailOpenModeRequest(enabled=True), "off → on")
        self.assertTrue(self.status().fail_open.enabled)

    def test_what_can_fail_is_two_events(self):
        self.start()
        self.queue_two()
        api = self.router.api
        purged = api.PurgePendingOperations(admin_pb2.PurgePendingOperationsRequest(
            filter="subject = test.a", reason="why", request_id="r", force=True))
        result, begun = self.audit()
        self.assertEqual(purged.audit_event_id, result.id)
        for event in result, begun:
            self.assertEqual((event.method, event.reason, event.request_id),
                             ("PurgePendingOperations", "why", "r"))
            self.assertTrue(event.actor.startswith("ipv4:127.0.0.1:"))
        self.assertEqual((begun.outcome, begun.detail), ("BEGUN", "filter subject = test.a: of 2 queued"))
        self.assertEqual((result.outcome, result.detail),
                         ("OK", "filter subject = test.a: 2 operations purged; 2 → 0 queued"))
        api.RedriveDeadLetters(admin_pb2.RedriveDeadLettersRequest(filter="*", reason="nothing"))
        self.assertEqual(len(self.audit()), 2, "nothing was to be moved")


if __name__ == "__main__":
    unittest.main()
