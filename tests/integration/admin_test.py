"""Looking into a running router and steering it."""

import unittest

import grpc
from google.protobuf import timestamp_pb2
from router.v1 import admin_pb2

from harness import oracle as outcomes
from harness.api import RouterError
from harness.fixture import RouterTestCase
from harness.waiting import stays_true, wait_until


class AdminTest(RouterTestCase):

    def assert_error(self, code, reason, call, request):
        with self.assertRaises(RouterError) as caught:
            call(request)
        self.assertEqual((caught.exception.code.name, caught.exception.reason), (code, reason))
        self.assertEqual([i.domain for i in caught.exception.infos], ["router"])
        return caught.exception

    def audit(self, **fields):
        request = admin_pb2.ListAuditEventsRequest(**fields)
        return list(self.router.api.ListAuditEvents(request).events)

    def set_mode(self, enabled, **fields):
        return self.router.api.SetFailOpenMode(admin_pb2.SetFailOpenModeRequest(
            enabled=enabled, reason=fields.pop("reason", "test"), **fields))

    def pause(self, **fields):
        return self.router.api.PauseDelivery(
            admin_pb2.PauseDeliveryRequest(reason="test", **fields))

    def resume(self):
        return self.router.api.ResumeDelivery(admin_pb2.ResumeDeliveryRequest(reason="test"))

    def test_status(self):
        self.start()
        self.caller.publish_many("test.a", 3)
        status = self.status()
        connection = status.connection
        self.assertEqual(connection.state, admin_pb2.CONNECTION_STATE_CONNECTED)
        self.assertEqual((connection.transport, connection.server_name, connection.epoch),
                         ("nats", "broker", 1))
        self.assertIn(str(self.broker.port), connection.server_url)
        self.assertEqual(connection.max_payload_bytes, 1 << 20)
        self.assertEqual(status.queue.count, 0)
        self.assertEqual(status.queue.count_max, 1_000_000)
        self.assertEqual(status.queue.full_policy, "reject")
        self.assertFalse(status.queue.HasField("oldest_age"))
        self.assertFalse(status.fail_open.enabled)
        self.assertEqual(status.fail_open.actor, "config")
        self.assertEqual((status.totals.accepted, status.totals.delivered), (3, 3))
        self.assertTrue(status.version)
        self.assertGreater(status.uptime.ToMilliseconds(), 0)
        self.broker.kill()
        wait_until(lambda: self.status().connection.state
                   == admin_pb2.CONNECTION_STATE_RECONNECTING, "reconnecting")
        self.assertTrue(self.status().connection.last_error)
        self.caller.publish_many("test.a", 2)
        queue = self.status().queue
        self.assertEqual(queue.count, 2)
        self.assertGreater(queue.bytes, 0)
        self.assertTrue(queue.HasField("oldest_age"))
        wait_until(lambda: self.status().connection.state
                   == admin_pb2.CONNECTION_STATE_EXHAUSTED, "exhausted")
        self.bring_broker_back()
        self.assert_contract()

    def test_watch_status_reports_at_its_interval(self):
        self.start()
        request = admin_pb2.WatchStatusRequest()
        request.interval.FromMilliseconds(100)
        watch = self.router.api.watch_status(request)
        reports = [next(watch) for _ in range(4)]
        watch.cancel()
        self.assertTrue(all(r.status.version for r in reports))
        self.assert_contract()

    def test_watch_status_ends_with_the_router(self):
        self.start()
        watch = self.router.api.watch_status(admin_pb2.WatchStatusRequest())
        next(watch)
        self.assertEqual(self.router.terminate(), 0)
        with self.assertRaises((grpc.RpcError, StopIteration)):
            while True:
                next(watch)

    def test_pause_and_resume(self):
        self.start()
        self.assertTrue(self.pause().changed)
        self.assertFalse(self.pause().changed)
        self.assertTrue(self.status().queue.delivery_paused)
        self.assert_outcomes(self.caller.publish_many("test.a", 5), outcomes.QUEUED)
        stays_true(lambda: len(self.pending()) == 5, "nothing is delivered", 0.3)
        self.assertEqual(self.broker.message_count("TEST"), 0)
        self.assertTrue(self.resume().changed)
        self.assertFalse(self.resume().changed)
        self.assert_contract()

    def test_pause_queues_in_fail_open_mode_too(self):
        self.start(nats_fail_open_mode=True)
        self.pause()
        self.assert_outcomes(self.caller.publish_many("test.a", 5), outcomes.QUEUED)
        self.resume()
        self.assert_contract()

    def test_pause_outlasts_a_reconnection(self):
        self.start()
        self.pause()
        self.caller.publish_many("test.a", 5)
        self.broker.restart()
        self.router.log.wait_for_event("NATS_CONNECTION_RESTORED")
        self.router.wait_connected()
        stays_true(lambda: len(self.pending()) == 5, "still paused", 0.2)
        self.resume()
        self.assert_contract()

    def test_message_behind_a_backlog_is_queued_in_either_mode(self):
        self.start(enable_fault_injection=True)
        self.set_fault("PUBLISH_WITH_ACK", "ERROR")
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.set_mode(True)
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.assertEqual(self.caller.publish("test.other").outcome, outcomes.DROPPED)
        self.assertEqual(self.router.metric("router_nats_publish_failure_reasons_total",
                                            reason="backlog"), 1)
        self.clear_faults()
        self.assert_contract()

    def test_list_pages_filters_and_views(self):
        self.start()
        self.lose_broker()
        for i in range(25):
            self.caller.publish(f"test.{'even' if i % 2 == 0 else 'odd'}", message_id=f"m{i:02}",
                                headers={"n": str(i)}, payload=b"payload %d" % i)
        pages, token = [], ""
        while True:
            answer = self.router.api.ListPendingOperations(
                admin_pb2.ListPendingOperationsRequest(page_size=10, page_token=token))
            pages.append([o.message_id for o in answer.operations])
            token = answer.next_page_token
            if not token:
                break
        self.assertEqual([len(p) for p in pages], [10, 10, 5])
        self.assertEqual(sum(pages, []), [f"m{i:02}" for i in range(25)])
        odd = self.pending(filter="subject = test.odd AND message_id > m10")
        self.assertEqual([o.message_id for o in odd], [f"m{i}" for i in range(11, 25, 2)])
        self.assertEqual(len(self.pending(filter="subject:even")), 13)
        basic = self.pending(page_size=1)[0]
        self.assertEqual((basic.payload, dict(basic.headers)), (b"", {}))
        self.assertEqual((basic.message_id, basic.subject, basic.ordering_key, basic.in_flight),
                         ("m00", "test.even", "test.even", False))
        self.assertGreater(basic.size_bytes, 0)
        full = self.router.api.GetPendingOperation(admin_pb2.GetPendingOperationRequest(
            operation_id=basic.operation_id, view=admin_pb2.PENDING_OPERATION_VIEW_FULL)).operation
        self.assertEqual((full.payload, dict(full.headers)), (b"payload 0", {"n": "0"}))
        lists = self.router.api.ListPendingOperations
        for reason, fields in (("PAGE_SIZE_INVALID", {"page_size": -1}),
                               ("PAGE_TOKEN_INVALID", {"page_token": "made up"}),
                               ("FILTER_INVALID", {"filter": "colour = red"}),
                               ("FILTER_INVALID", {"filter": "subject ="})):
            self.assert_error("INVALID_ARGUMENT", reason, lists,
                              admin_pb2.ListPendingOperationsRequest(**fields))
        wrong = self.assert_error("INVALID_ARGUMENT", "FILTER_INVALID", lists,
                                  admin_pb2.ListPendingOperationsRequest(filter="colour = red"))
        self.assertIn("colour", str(wrong))
        self.assert_error("NOT_FOUND", "OPERATION_NOT_FOUND", self.router.api.GetPendingOperation,
                          admin_pb2.GetPendingOperationRequest(operation_id=10_000))
        self.bring_broker_back()
        self.assert_contract()

    def test_purge_with_and_without_force(self):
        self.start()
        self.lose_broker()
        kept = self.caller.publish_many("test.keep", 5)
        doomed = self.caller.publish_many("test.doomed", 15)
        purge = self.router.api.PurgePendingOperations
        self.assert_error("INVALID_ARGUMENT", "FILTER_REQUIRED", purge,
                          admin_pb2.PurgePendingOperationsRequest(reason="test", force=True))
        self.assert_error("INVALID_ARGUMENT", "REASON_REQUIRED", purge,
                          admin_pb2.PurgePendingOperationsRequest(filter="*", force=True))
        look = purge(admin_pb2.PurgePendingOperationsRequest(
            filter="subject = test.doomed", reason="look"))
        self.assertEqual((look.purge_count, len(look.sample), look.audit_event_id), (15, 10, ""))
        check = purge(admin_pb2.PurgePendingOperationsRequest(
            filter="subject = test.doomed", reason="look", force=True, validate_only=True))
        self.assertEqual((check.purge_count, check.audit_event_id), (15, ""))
        self.assertEqual(len(self.pending()), 20)
        done = purge(admin_pb2.PurgePendingOperationsRequest(
            filter="subject = test.doomed", reason="not needed any more", force=True,
            request_id="r-1"))
        self.assertEqual((done.purge_count, len(done.sample), done.in_flight_count), (15, 0, 0))
        self.assertEqual([o.message_id for o in self.pending()],
                         [a.record.message_id for a in kept])
        event = self.audit(filter=f"id = {done.audit_event_id}")[0]
        self.assertEqual((event.method, event.reason, event.request_id, event.outcome),
                         ("PurgePendingOperations", "not needed any more", "r-1", "OK"))
        self.assertEqual(self.status().totals.purged, 15)
        # Its key has no backlog any more.
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.caller.publish("test.doomed").outcome, outcomes.DELIVERED)
        self.assert_contract(not_retried=15, purged=[a.record.message_id for a in doomed])

    def test_retry(self):
        self.start(enable_fault_injection=True)
        request = admin_pb2.RetryPendingOperationsRequest(filter="*", reason="test")
        self.lose_broker()
        self.caller.publish_many("test.a", 5)
        self.assert_error("FAILED_PRECONDITION", "NATS_UNAVAILABLE",
                          self.router.api.RetryPendingOperations, request)
        self.set_fault("PUBLISH_WITH_ACK", "ERROR")
        self.bring_broker_back()
        wait_until(lambda: self.pending()[0].attempts >= 1, "the first attempt has failed")
        self.assertTrue(self.pending()[0].last_error)
        self.clear_faults()
        answer = self.router.api.RetryPendingOperations(request)
        self.assertLessEqual(answer.matched_count, 5)
        event = self.audit(filter=f"id = {answer.audit_event_id}")[0]
        self.assertRegex(event.detail, r"^filter \*: \d+ operations matched; keys that wait for a "
                                       r"delay: \d+ → 0$")
        self.assert_contract()

    def test_etag_mismatch(self):
        self.start()
        old = self.router.api.GetFailOpenMode(admin_pb2.GetFailOpenModeRequest()).mode.etag
        new = self.set_mode(True, etag=old).mode.etag
        self.assertNotEqual(old, new)
        self.assert_error("ABORTED", "ETAG_MISMATCH", self.router.api.SetFailOpenMode,
                          admin_pb2.SetFailOpenModeRequest(enabled=False, reason="x", etag=old))
        self.assertTrue(self.status().fail_open.enabled)
        self.set_mode(False, etag=new)
        failed = [e for e in self.audit() if e.outcome not in ("OK", "BEGUN")]
        self.assertEqual([(e.method, e.outcome) for e in failed], [("SetFailOpenMode", "ABORTED")])
        self.assert_contract()

    def test_fail_open_mode_checks_its_input(self):
        self.start()
        call = self.router.api.SetFailOpenMode
        request = admin_pb2.SetFailOpenModeRequest
        self.assert_error("INVALID_ARGUMENT", "REASON_REQUIRED", call, request(enabled=True))
        past = timestamp_pb2.Timestamp(seconds=1)
        self.assert_error("INVALID_ARGUMENT", "EXPIRE_TIME_INVALID", call,
                          request(enabled=True, reason="x", expire_time=past))
        for seconds in (-1, 0, 40 * 86400):
            wrong = request(enabled=True, reason="x")
            wrong.ttl.FromSeconds(seconds)
            self.assert_error("INVALID_ARGUMENT", "TTL_INVALID", call, wrong)
        checked = call(request(enabled=True, reason="x", validate_only=True))
        self.assertEqual(checked.audit_event_id, "")
        self.assertFalse(self.status().fail_open.enabled)
        self.assert_contract()

    def test_fail_open_expire_time_and_manual_end(self):
        self.start()
        expires = timestamp_pb2.Timestamp()
        expires.GetCurrentTime()
        expires.FromSeconds(expires.seconds + 3600)
        mode = self.set_mode(True, expire_time=expires).mode
        self.assertEqual(mode.expire_time, expires)
        self.assertFalse(self.set_mode(False).mode.HasField("expire_time"))
        self.assertEqual(self.router.metric("router_nats_fail_open_enabled"), 0)
        self.router.log.wait_for_event("NATS_FAIL_OPEN_DISABLED")
        self.assert_contract(events=("NATS_FAIL_OPEN_ENABLED", "NATS_FAIL_OPEN_DISABLED"))

    def test_exhaustion_can_switch_to_fail_open(self):
        self.start(nats_on_exhausted="fail_open", nats_reconnect_attempts=2)
        self.lose_broker()
        self.router.wait_for_metric("router_nats_fail_open_enabled", 1)
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.DROPPED)
        self.router.log.wait_for_event("NATS_FAIL_OPEN_ENABLED")
        self.bring_broker_back()
        self.assert_contract(events=("NATS_RECONNECTION_EXHAUSTED", "NATS_FAIL_OPEN_ENABLED"))

    def test_every_change_is_in_the_audit_log(self):
        self.start()
        ids = [
            self.set_mode(True, reason="one", request_id="r1").audit_event_id,
            self.set_mode(False, reason="two").audit_event_id,
            self.pause(request_id="r3").audit_event_id,
            self.resume().audit_event_id,
            self.reconnect("five").audit_event_id,
        ]
        self.assertTrue(all(ids))
        self.assertEqual(ids, sorted(set(ids)), "later events have higher ids")
        events = self.audit(filter="outcome = OK")
        self.assertEqual([e.id for e in events], ids[::-1], "newest first")
        self.assertEqual([e.method for e in events],
                         ["Reconnect", "ResumeDelivery", "PauseDelivery", "SetFailOpenMode",
                          "SetFailOpenMode"])
        self.assertEqual((events[-1].reason, events[-1].request_id, events[-1].outcome),
                         ("one", "r1", "OK"))
        self.assertTrue(all(e.actor and e.time.seconds for e in events))
        self.assertEqual(len(self.audit(filter="method = PauseDelivery")), 1)
        self.assertEqual([e.method for e in self.audit(filter="outcome = BEGUN")],
                         ["SetFailOpenMode"] * 2)
        first = self.router.api.ListAuditEvents(admin_pb2.ListAuditEventsRequest(
            page_size=2, filter="outcome = OK"))
        second = self.router.api.ListAuditEvents(admin_pb2.ListAuditEventsRequest(
            page_size=2, filter="outcome = OK", page_token=first.next_page_token))
        self.assertEqual([e.id for e in list(first.events) + list(second.events)],
                         ids[:0:-1])
        wait_until(lambda: self.status().connection.epoch == 2, "connected again")
        self.router.kill()
        self.restart_router()
        self.assertEqual([e.id for e in self.audit(filter="outcome = OK")][-5:], ids[::-1],
                         "it survives")
        self.assert_contract()

    def test_expiry_is_in_the_audit_log(self):
        self.start()
        request = admin_pb2.SetFailOpenModeRequest(enabled=True, reason="short")
        request.ttl.FromSeconds(1)
        self.router.api.SetFailOpenMode(request)
        self.router.wait_for_metric("router_nats_fail_open_enabled", 0)
        self.assertEqual(self.status().fail_open.actor, "expiry")
        wait_until(lambda: len(self.audit(filter="outcome = OK")) == 2, "the end is an event")
        self.assertEqual(self.audit()[0].actor, "router")

    def test_every_change_needs_a_reason(self):
        self.start()
        api = self.router.api
        for call, request in (
                (api.PauseDelivery, admin_pb2.PauseDeliveryRequest()),
                (api.ResumeDelivery, admin_pb2.ResumeDeliveryRequest()),
                (api.Reconnect, admin_pb2.ReconnectRequest()),
                (api.ReloadConfig, admin_pb2.ReloadConfigRequest()),
                (api.RetryPendingOperations, admin_pb2.RetryPendingOperationsRequest(filter="*")),
                (api.SetFailOpenMode, admin_pb2.SetFailOpenModeRequest())):
            self.assert_error("INVALID_ARGUMENT", "REASON_REQUIRED", call, request)
        self.assertEqual(self.status().connection.epoch, 1)

    def test_effective_config_redacts_secrets(self):
        secret = f"{self.folder}/password"
        with open(secret, "w", encoding="utf-8") as f:
            f.write("very-secret-word\n")
        self.start_broker(config={"authorization": '{user: "u", password: "very-secret-word"}'},
                          client_options={"user": "u", "pass": "very-secret-word"})
        self.start_router(nats_user="u", nats_password_file=secret)
        answer = self.router.api.GetEffectiveConfig(admin_pb2.GetEffectiveConfigRequest())
        self.assertNotIn("very-secret-word", str(answer))
        self.assertNotIn("very-secret-word", self.router.log.text())
        names = [s.name for s in answer.settings]
        self.assertIn("nats_reconnect_attempts", names)
        self.assertTrue(all(s.description for s in answer.settings))
        self.assert_contract()


if __name__ == "__main__":
    unittest.main()
