"""Who may do what: identities, roles, subjects, payloads, and rules that change."""

import json
import os
import queue
import subprocess
import time
import unittest

import grpc
from google.protobuf import descriptor_pb2
from grpc_reflection.v1 import reflection_pb2
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.api import error_of_call
from harness.router import binary_path
from harness.waiting import wait_until
from secure_router import ACCESS, EXPIRED_TOKEN, VIEWER_TOKEN, SecureRouterTestCase

_GOOD = message_pb2.Message(subject="test.orders.1", payload=b"x")
_HEALTH = "grpc.health.v1.Health"


class IdentityTest(SecureRouterTestCase):

    def assert_unauthenticated(self, api, reason):
        for way, error in self.four_ways(api, _GOOD).items():
            with self.subTest(way=way, reason=reason):
                self.assert_error(error, "UNAUTHENTICATED", reason)

    def test_without_good_credentials_nothing_works(self):
        self.start_secure()
        soon = time.time() + 600
        old = self.jwt()
        self.issuer.new_key()
        self.router.log.wait_for_event("ACCESS_RELOADED")
        self.assert_unauthenticated(self.client(), "CREDENTIALS_MISSING")
        self.assert_unauthenticated(self.client("nobody"), "IDENTITY_UNKNOWN")
        self.assert_unauthenticated(self.client("alice"), "IDENTITY_UNKNOWN")
        # It would be somebody's, if it were in another place.
        self.assert_unauthenticated(self.client("admin", san=""), "CREDENTIALS_INVALID")
        self.assert_unauthenticated(self.client("spiffe:\\/\\/test\\/orders", san=""),
                                    "CREDENTIALS_INVALID")
        self.assert_unauthenticated(self.client("x", san="DNS:spiffe://test/orders"),
                                    "CREDENTIALS_INVALID")
        self.assert_unauthenticated(self.client("x", san="URI:admin"), "CREDENTIALS_INVALID")
        self.assertIn("it needs a URI or a DNS name as its subject alternative name",
                      self.publish(self.client("admin", san=""), _GOOD).message)
        self.assert_unauthenticated(self.client(token="wrong"), "CREDENTIALS_INVALID")
        self.assert_unauthenticated(self.client(token=EXPIRED_TOKEN), "CREDENTIALS_EXPIRED")
        for token, reason in (
                (self.jwt(exp=time.time() - 60), "CREDENTIALS_EXPIRED"),
                (self.jwt(nbf=soon), "CREDENTIALS_INVALID"),
                (self.jwt(aud="other"), "CREDENTIALS_INVALID"),
                (self.jwt(iss="other"), "CREDENTIALS_INVALID"),
                (self.jwt(sub="mallory"), "IDENTITY_UNKNOWN"),
                (self.jwt()[:-4] + "AAAA", "CREDENTIALS_INVALID"),
                (old, "CREDENTIALS_INVALID")):
            self.assert_unauthenticated(self.client(token=token), reason)
        # A token that is no good is not made up for by a certificate that is.
        self.assert_unauthenticated(self.client("admin", token="wrong"), "CREDENTIALS_INVALID")
        self.assertEqual(self.router.metric("router_nats_publish_total"), 0)
        denied = self.router.metric("router_access_denied_total", reason="unauthenticated")
        self.assertEqual(denied, 4 * 17 + 1)
        self.assertFalse([e for e in self.audit() if e.method != "ReloadAccess"])
        log = self.router.log.text()
        for secret in (EXPIRED_TOKEN, VIEWER_TOKEN, old):
            self.assertNotIn(secret, log)

    def test_common_name_does_not_count(self):
        self.start_secure()
        self.write("access.yaml", ACCESS + "  - {name: cert:CN, roles: [viewer]}\n")
        self.router.log.wait_for_event("ACCESS_RELOADED")
        status = admin_pb2.GetStatusRequest()
        self.assertTrue(self.client("admin", "DNS:CN").GetStatus(status).status.version)
        # Not the common name's either, where there is another name.
        error = self.error_of(self.client("admin", "DNS:CN").PauseDelivery,
                              admin_pb2.PauseDeliveryRequest(reason="test"))
        self.assert_error(error, "PERMISSION_DENIED", "METHOD_NOT_ALLOWED")

    def test_certificates_and_tokens_say_who_somebody_is(self):
        self.start_secure()
        self.assertIsNone(self.publish(self.client("x", "URI:spiffe://test/orders,DNS:other"),
                                       _GOOD))
        self.assertIsNone(self.publish(self.client("x", "DNS:publisher.test"), _GOOD))
        status = admin_pb2.GetStatusRequest()
        self.assertTrue(self.client(token=VIEWER_TOKEN).GetStatus(status).status.version)
        alice = self.client(token=self.jwt())
        alice.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="lunch", request_id="r1"))
        event = self.audit()[0]
        self.assertRegex(event.actor, r"^jwt:alice ipv4:127\.0\.0\.1:\d+$")
        self.assertEqual((event.method, event.reason, event.request_id, event.outcome),
                         ("PauseDelivery", "lunch", "r1", "OK"))

    def test_nothing_of_it_is_in_print_config_or_the_api(self):
        self.start_secure()
        settings = {s.name: s.value for s in self.router.api.GetEffectiveConfig(
            admin_pb2.GetEffectiveConfigRequest()).settings}
        self.assertEqual(settings["access_tokens_file"], self.tokens_file)
        self.assertNotIn(VIEWER_TOKEN, str(settings))


class RoleTest(SecureRouterTestCase):

    def services(self, api):
        """(service, method, takes a stream, gives a stream) of all that the router serves."""
        def ask(**fields):
            call = api.channel.stream_stream(
                "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
                request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
                response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
            return next(call(iter([reflection_pb2.ServerReflectionRequest(**fields)]), timeout=5))

        methods = []
        for service in ask(list_services="").list_services_response.service:
            files = ask(file_containing_symbol=service.name).file_descriptor_response
            file = descriptor_pb2.FileDescriptorProto.FromString(files.file_descriptor_proto[0])
            for found in file.service:
                if f"{file.package}.{found.name}" == service.name:
                    methods += [(service.name, m.name, m.client_streaming, m.server_streaming)
                                for m in found.method]
        return methods

    @staticmethod
    def call_empty(api, service, method, client_streaming, server_streaming):
        """The error of a call with an empty request; None where there is none."""
        path = f"/{service}/{method}"
        make = {(False, False): api.channel.unary_unary, (False, True): api.channel.unary_stream,
                (True, False): api.channel.stream_unary,
                (True, True): api.channel.stream_stream}[client_streaming, server_streaming]
        request = iter([b""]) if client_streaming else b""
        try:
            answer = make(path)(request, timeout=5)
            if server_streaming:
                next(answer)
                answer.cancel()
        except grpc.RpcError as e:
            return error_of_call(e)
        except StopIteration:
            pass
        return None

    def test_every_method_that_is_served_asks_who_calls(self):
        self.start_secure(enable_fault_injection=True)
        methods = self.services(self.router.api)
        self.assertGreater(len(methods), 25)
        self.assertEqual({s for s, *_ in methods}, {
            "router.v1.PublisherService", "router.v1.AdminService",
            "router.v1.FaultInjectionService", "grpc.health.v1.Health",
            "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"})
        nobody = self.client()
        powerless = self.client("powerless")
        self.write("access.yaml", ACCESS + "  - {name: cert:powerless, roles: []}\n")
        self.router.log.wait_for_event("ACCESS_RELOADED")
        for service, method, takes, gives in methods:
            with self.subTest(service=service, method=method):
                error = self.call_empty(nobody, service, method, takes, gives)
                denied = self.call_empty(powerless, service, method, takes, gives)
                if service == _HEALTH:
                    self.assertIsNone(error)
                    self.assertIsNone(denied)
                else:
                    self.assert_error(error, "UNAUTHENTICATED", "CREDENTIALS_MISSING")
                    self.assert_error(denied, "PERMISSION_DENIED", "METHOD_NOT_ALLOWED")
        # Each is in the audit log, under the method's name.
        wait_until(lambda: {e.method for e in self.audit(page_size=1000)
                            if e.actor.startswith("cert:powerless ")
                            and e.outcome == "PERMISSION_DENIED"}
                   == {m for s, m, *_ in methods if s != _HEALTH}, "all denials are audited")

    def test_roles(self):
        self.start_secure()
        publisher = self.client("x", "DNS:publisher.test")
        viewer = self.client(token=VIEWER_TOKEN)
        operator = self.client(token=self.jwt())
        look = admin_pb2.GetStatusRequest()
        change = admin_pb2.ResumeDeliveryRequest(reason="test")
        for api, name, publishes, looks, changes in (
                (publisher, "cert:publisher.test", True, False, False),
                (viewer, "token:viewer", False, True, False),
                (operator, "jwt:alice", False, True, True)):
            ways = self.four_ways(api, _GOOD)
            ways["look"] = self.error_of(api.GetStatus, look)
            ways["change"] = self.error_of(api.ResumeDelivery, change)
            for way, allowed, role in (
                    ("unary", publishes, "publisher"), ("batch", publishes, "publisher"),
                    ("stream", publishes, "publisher"), ("redrive", changes, "operator"),
                    ("look", looks, "viewer"), ("change", changes, "operator")):
                with self.subTest(name=name, way=way):
                    if allowed:
                        self.assertIsNone(ways[way])
                        continue
                    self.assert_error(ways[way], "PERMISSION_DENIED", "METHOD_NOT_ALLOWED")
                    self.assertEqual(ways[way].metadata["identity"], name)
                    self.assertEqual(ways[way].metadata["role"], role)
        log = self.router.log.events("ACCESS_DENIED")
        self.assertTrue(log)
        self.assertEqual(log[0]["identity"], "cert:publisher.test")

    def test_publisher_is_held_to_its_subjects(self):
        self.start_secure()
        api = self.client("x", "URI:spiffe://test/orders")
        other = message_pb2.Message(subject="test.invoices.1", payload=b"x")
        for way, error in self.four_ways(api, other).items():
            reason = "METHOD_NOT_ALLOWED" if way == "redrive" else "SUBJECT_NOT_ALLOWED"
            self.assert_error(error, "PERMISSION_DENIED", reason)
        for way, error in self.four_ways(api, _GOOD).items():
            if way != "redrive":
                self.assertIsNone(error)
        # In a batch and a frame, the others are not affected.
        batch = api.PublishBatch(publisher_pb2.PublishBatchRequest(messages=[_GOOD, other, _GOOD]))
        self.assertEqual([r.outcome for r in batch.results], [1, 4, 1])
        self.assertEqual({m.subject for m in self.broker.dump("TEST")}, {"test.orders.1"})
        self.assertEqual(self.router.metric("router_access_denied_total", reason="subject"), 4)
        audited = wait_until(lambda: [e for e in self.audit() if e.method == "PublishBatch"],
                             "it is in the audit log")
        self.assertIn("test.invoices.1", audited[0].detail)
        self.assertEqual(audited[0].outcome, "PERMISSION_DENIED")

    def test_denials_are_in_the_audit_log_when_the_router_stops(self):
        self.start_secure()
        viewer = self.client(token=VIEWER_TOKEN)
        for _ in range(4):
            self.assertIsNotNone(self.error_of(
                viewer.PauseDelivery, admin_pb2.PauseDeliveryRequest(reason="test")))
        self.assertEqual(self.router.terminate(), 0)
        with open(os.path.join(self.router.settings["pending_dir"], "denials.log"),
                  encoding="utf-8") as f:
            told, rest = [e for e in map(json.loads, f) if e["method"] == "PauseDelivery"]
        self.assertNotIn("times", told["detail"])
        self.assertIn("(3 times)", rest["detail"])

    def test_payloads_need_a_permission_of_their_own(self):
        self.start_secure()
        self.router.api.PauseDelivery(admin_pb2.PauseDeliveryRequest(reason="test"))
        self.assertIsNone(self.publish(self.router.api, _GOOD))
        full = admin_pb2.PENDING_OPERATION_VIEW_FULL
        listed = self.router.api.ListPendingOperations(
            admin_pb2.ListPendingOperationsRequest(view=full)).operations
        self.assertEqual(listed[0].payload, b"x")
        viewer = self.client(token=VIEWER_TOKEN)
        basic = viewer.ListPendingOperations(admin_pb2.ListPendingOperationsRequest()).operations
        self.assertEqual((len(basic), basic[0].payload), (1, b""))
        for call, request in (
                (viewer.ListPendingOperations, admin_pb2.ListPendingOperationsRequest(view=full)),
                (viewer.GetPendingOperation, admin_pb2.GetPendingOperationRequest(
                    operation_id=basic[0].operation_id, view=full)),
                (viewer.ListDeadLetters, admin_pb2.ListDeadLettersRequest(
                    view=admin_pb2.DEAD_LETTER_VIEW_FULL)),
                (viewer.GetDeadLetter, admin_pb2.GetDeadLetterRequest(
                    operation_id=1, view=admin_pb2.DEAD_LETTER_VIEW_FULL))):
            self.assert_error(self.error_of(call, request), "PERMISSION_DENIED",
                              "PAYLOADS_NOT_ALLOWED")

    def test_health_is_for_everybody(self):
        self.start_secure()
        check = self.client().channel.unary_unary("/grpc.health.v1.Health/Check")
        self.assertEqual(check(b"", timeout=5), b"\x08\x01")


class ReloadTest(SecureRouterTestCase):

    def reload(self, text, event="ACCESS_RELOADED"):
        mark = self.router.log.mark()
        self.write("access.yaml", text)
        return self.router.log.wait_for_event(event, after=mark)

    def test_new_rules_hold_at_once_also_for_streams(self):
        self.start_secure()
        api = self.client("x", "URI:spiffe://test/orders")
        self.assertIsNone(self.publish(api, _GOOD))
        watch = self.router.api.watch_status(admin_pb2.WatchStatusRequest(), 60)
        next(watch)
        frames = _Frames()
        answers = api.publish_stream(frames)
        frames.send(_GOOD)
        next(answers)
        self.reload(ACCESS.replace("test.orders.>", "test.invoices.>"))
        self.assert_error(self.publish(api, _GOOD), "PERMISSION_DENIED", "SUBJECT_NOT_ALLOWED")
        frames.send(_GOOD)
        self.assertEqual(next(answers).results[0].result.outcome, 4)
        self.reload("identities: [{name: token:viewer, roles: [viewer]}]")
        frames.send(_GOOD)
        with self.assertRaises(grpc.RpcError) as caught:
            next(answers)
        self.assert_error(error_of_call(caught.exception), "UNAUTHENTICATED", "IDENTITY_UNKNOWN")
        with self.assertRaises(grpc.RpcError) as caught:
            while True:
                next(watch)
        self.assertEqual(caught.exception.code(), grpc.StatusCode.UNAUTHENTICATED)
        self.assertEqual(self.router.metric("router_access_reloads_total", result="ok"), 2)

    def test_bad_rules_change_nothing(self):
        self.start_secure()
        event = self.reload("identities:\n  - {name: cert:admin, roles: [publishr]}\n",
                            "ACCESS_RELOAD_FAILED")
        self.assertIn("access.yaml:2:32: ", event["reason"])
        self.assertIn('did you mean "publisher"?', event["reason"])
        self.assertIsNone(self.publish(self.router.api, _GOOD))
        self.assertEqual(self.router.metric("router_access_reloads_total", result="failed"), 1)
        self.assertEqual(self.router.metric("router_access_rules_stale"), 1)
        audited = [e for e in self.audit() if e.method == "ReloadAccess"]
        self.assertEqual([(e.actor, e.outcome) for e in audited], [("router", "INVALID_ARGUMENT")])
        os.remove(self.access_file)
        self.router.log.wait_for_event("ACCESS_RELOAD_FAILED", after=event)
        self.assertIsNone(self.publish(self.router.api, _GOOD))
        self.reload(ACCESS)
        self.assertEqual(self.router.metric("router_access_rules_stale"), 0)

    def test_signal_reads_rules_again(self):
        self.start_secure()
        self.router.hang_up()
        self.router.log.wait_for_event("ACCESS_RELOADED")
        self.assertIsNone(self.publish(self.router.api, _GOOD))


class StartTest(SecureRouterTestCase):

    def check(self, *flags):
        """(exit code, what it says) of --check-config."""
        result = subprocess.run([binary_path(), "--check-config", f"--pending_dir={self.folder}",
                                 *flags], capture_output=True, text=True, check=False, timeout=20)
        return result.returncode, result.stderr

    def flags(self, *without):
        return [f"--{name}={value}" for name, value in self.settings.items()
                if name != "credentials" and name not in without]

    def test_beyond_loopback_only_with_tls_and_access_control(self):
        anywhere = "--grpc_listen=0.0.0.0:0"
        tls = ("tls_cert_file", "tls_key_file", "tls_client_ca_file", "tls_client_auth")
        access = ("access_file", "access_tokens_file", "access_jwt_keys_file",
                  "access_jwt_issuer", "access_jwt_audience")
        self.assertEqual(self.check(anywhere, *self.flags())[0], 0)
        for without in (tls, access, tls + access):
            code, text = self.check(anywhere, *self.flags(*without))
            self.assertEqual(code, 78)
            self.assertIn("can be reached from other machines", text)
            self.assertEqual(self.check(anywhere, "--insecure", *self.flags(*without))[0], 0)

    def test_access_file_that_is_wrong_is_refused_with_all_its_errors(self):
        self.write("access.yaml", "identities:\n  - {name: bob, roles: [boss]}\n")
        self.write("tokens.yaml", "tokens:\n  - {name: bob, sha256: secret}\n")
        code, text = self.check(*self.flags())
        self.assertEqual(code, 78)
        for place in ("access.yaml:2:12: ", "access.yaml:2:25: ", "tokens.yaml:2:25: "):
            self.assertIn(place, text)
        self.assertNotIn("secret", text)


class _Frames:
    """Frames of a stream, sent one by one."""

    def __init__(self):
        self._queue = queue.Queue()

    def send(self, message):
        self._queue.put(publisher_pb2.PublishStreamRequest(messages=[message]))

    def __iter__(self):
        return self

    def __next__(self):
        return self._queue.get()


if __name__ == "__main__":
    unittest.main()
