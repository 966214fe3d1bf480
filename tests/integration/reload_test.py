"""The configuration read again while the router runs: by ReloadConfig, and by SIGHUP."""

import os
import unittest

import grpc
from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2

from harness.api import RouterError
from harness.fixture import RouterTestCase
from harness.waiting import wait_until


class ReloadTest(RouterTestCase):

    def start_with(self, **sections):
        self.path = os.path.join(self.folder, "router.yaml")
        self.secret = os.path.join(self.folder, "headers")
        self.write_secret("hunter1")
        self.write(**sections)
        self.start_broker()
        self.start_router(config=self.path, enable_fault_injection=True)

    def write_secret(self, word):
        with open(self.secret, "w", encoding="utf-8") as f:
            f.write(f"Authorization: {word}\n")

    def write(self, **sections):
        """The file as a whole: flow mappings by section."""
        sections.setdefault("otlp", "{endpoint: 'http://127.0.0.1:1', headers_file: %s}"
                            % self.secret)
        with open(self.path + ".new", "w", encoding="utf-8") as f:
            for name, text in sections.items():
                f.write(f"{name}: {text}\n")
        os.rename(self.path + ".new", self.path)

    def reload(self, **fields):
        fields.setdefault("reason", "test")
        return self.router.api.ReloadConfig(admin_pb2.ReloadConfigRequest(**fields))

    def error_of_reload(self, **fields):
        with self.assertRaises(RouterError) as caught:
            self.reload(**fields)
        return caught.exception

    def hang_up(self, event):
        mark = self.router.log.mark()
        self.router.hang_up()
        return self.router.log.wait_for_event(event, after=mark)

    def effective(self):
        response = self.router.api.GetEffectiveConfig(admin_pb2.GetEffectiveConfigRequest())
        return {s.name: (s.value, s.source) for s in response.settings}

    def audited(self):
        request = admin_pb2.ListAuditEventsRequest(filter="method = ReloadConfig")
        return list(self.router.api.ListAuditEvents(request).events)

    def makes_info_event(self):
        """Whether an event of level INFO is logged."""
        before = len(self.router.log.events("FAULTS_CLEARED"))
        self.router.api.ClearFaults(fault_injection_pb2.ClearFaultsRequest())
        return len(self.router.log.events("FAULTS_CLEARED")) > before

    @staticmethod
    def changes(changes):
        return [(c.name, c.old_value, c.new_value) for c in changes]

    def test_what_can_change_changes_and_the_rest_is_named(self):
        self.start_with(log="{level: info}")
        self.assertEqual(self.router.metric("router_config_last_reload_success"), 1)
        started = self.router.metric("router_config_last_reload_timestamp_seconds")
        self.assertGreater(started, 1e9)
        self.assertTrue(self.makes_info_event())
        self.write(log="{level: error, events_per_second: 3}", redrive="{rate_per_second: 7}",
                   pending="{attempts_max: 4}", message_id="{window_count: 5}")
        answer = self.reload(request_id="r1")
        self.assertEqual(self.changes(answer.applied), [
            ("pending_attempts_max", "0", "4"), ("redrive_rate_per_second", "1000", "7"),
            ("log_level", "info", "error"), ("log_events_per_second", "10", "3")])
        self.assertEqual(self.changes(answer.needs_restart),
                         [("message_id_window_count", "1000000", "5")])
        self.assertFalse(self.makes_info_event())
        effective = self.effective()
        self.assertEqual(effective["log_level"], ("error", "file"))
        self.assertEqual(effective["redrive_rate_per_second"], ("7", "file"))
        self.assertEqual(effective["message_id_window_count"], ("1000000", "default"))
        event, = self.audited()
        self.assertEqual((event.id, event.outcome, event.request_id),
                         (answer.audit_event_id, "OK", "r1"))
        self.assertIn("log_level: info → error", event.detail)
        self.assertIn("needs a restart: message_id_window_count", event.detail)
        self.assertEqual(self.router.metric("router_config_reloads_total", result="ok"), 1)
        self.assertGreater(self.router.metric("router_config_last_reload_timestamp_seconds"),
                           started)
        # And back.
        self.write(log="{level: info}")
        self.assertEqual(len(self.reload().applied), 4)
        self.assertTrue(self.makes_info_event())

    def test_attempts_that_are_allowed_change_for_what_is_queued(self):
        self.start_with()
        self.set_fault("PUBLISH_WITH_ACK", "ERROR")
        self.caller.publish("test.a")
        wait_until(lambda: any(o.attempts > 0 for o in self.pending()), "it has failed")
        self.assertEqual(self.status().queue.dead_letters, 0)
        self.write(pending="{attempts_max: 2}")
        self.reload()
        self.router.wait_for_metric("router_nats_dead_letters_count", 1, 20)
        self.clear_faults()

    def test_one_error_and_nothing_changes(self):
        self.start_with(log="{level: info}")
        before = self.effective()
        self.write(log="{level: warn}", redrive="{rate_per_second: many}",
                   nats="{reconect_attempts: 3}")
        error = self.error_of_reload()
        self.assertEqual((error.code, error.reason),
                         (grpc.StatusCode.INVALID_ARGUMENT, "CONFIG_INVALID"))
        for part in ('"many" is not allowed', 'did you mean "reconnect_attempts"?'):
            self.assertIn(part, error.message)
        self.assertEqual(self.effective(), before)
        self.assertTrue(self.makes_info_event())
        event, = self.audited()
        self.assertEqual(event.outcome, "INVALID_ARGUMENT")
        self.assertEqual(self.router.metric("router_config_reloads_total", result="failed"), 1)
        self.assertEqual(self.router.metric("router_config_last_reload_success"), 0)
        os.remove(self.path)
        self.assertIn(self.path, self.error_of_reload().message)
        self.write(log="{level: info}")
        self.reload()
        self.assertEqual(self.router.metric("router_config_last_reload_success"), 1)

    def test_validate_only_changes_nothing(self):
        self.start_with(log="{level: info}")
        self.write(log="{level: error}")
        answer = self.reload(validate_only=True)
        self.assertEqual(self.changes(answer.applied), [("log_level", "info", "error")])
        self.assertEqual(answer.audit_event_id, "")
        self.assertTrue(self.makes_info_event())
        self.assertEqual(self.audited(), [])

    def test_a_signal_does_the_same(self):
        self.start_with(log="{level: info}")
        self.write(log="{level: debug}", redrive="{rate_per_second: 7}")
        event = self.hang_up("CONFIG_RELOADED")
        self.assertEqual(event["changed"],
                         "redrive_rate_per_second: 1000 → 7, log_level: info → debug")
        self.assertEqual(self.effective()["redrive_rate_per_second"], ("7", "file"))
        self.write(log="{level: loud}")
        event = self.hang_up("CONFIG_RELOAD_FAILED")
        self.assertIn('"loud" is not allowed for log_level', event["reason"])
        self.assertEqual([(e.actor, e.reason, e.outcome) for e in self.audited()],
                         [("router", "SIGHUP", "INVALID_ARGUMENT"), ("router", "SIGHUP", "OK")])
        self.assertEqual(self.router.terminate(), 0)

    def test_flags_still_win_over_the_file(self):
        self.start_with()
        self.write(nats="{reconnect_attempts: 99}")
        answer = self.reload()
        self.assertEqual((list(answer.applied), list(answer.needs_restart)), ([], []))

    def test_secrets_that_change_are_named_and_never_shown(self):
        self.start_with()
        self.write_secret("hunter2")
        answer = self.reload()
        self.assertEqual(self.changes(answer.needs_restart),
                         [("otlp_headers_file", self.secret, self.secret)])
        with open(self.secret, "w", encoding="utf-8") as f:
            f.write("hunter3 is no header")
        told = self.error_of_reload().message + str(self.audited()) + self.router.log.text()
        self.assertNotIn("hunter", told + str(answer) + str(self.effective()))


if __name__ == "__main__":
    unittest.main()
