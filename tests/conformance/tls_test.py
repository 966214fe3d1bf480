"""TLS on the gRPC port: who gets in, and certificates that change while the router runs."""

import os
import ssl
import subprocess
import unittest

import grpc
from router.v1 import admin_pb2

from harness.api import RouterError
from harness.certificates import LOOPBACK, Authority, handshake
from harness.fixture import RouterTestCase
from harness.router import binary_path
from harness.waiting import wait_until

_GET_STATUS = {"grpc_service": "router.v1.AdminService", "grpc_method": "GetStatus"}


class TlsTest(RouterTestCase):

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder)
        self.server = self.authority.issue("router", LOOPBACK)
        self.client = self.authority.issue("client", "URI:spiffe://test/client")

    def start_tls(self, **settings):
        fields = {"transport": "inproc", "tls_cert_file": self.server.cert_file,
                  "tls_key_file": self.server.key_file,
                  "tls_client_ca_file": self.authority.ca_file,
                  "credentials": self.authority.credentials(self.client)}
        return self.start_router(urls=(), **dict(fields, **settings))

    def connect(self, *arguments, **options):
        api = self.router.connect(*arguments, **options)
        self.addCleanup(api.close)
        return api

    def calls(self):
        """GetStatus calls that came to a handler."""
        return self.router.metrics().value("router_grpc_server_handling_seconds_count",
                                           **_GET_STATUS)

    def assert_no_way_in(self, credentials):
        calls = self.calls()
        with self.assertRaises(RouterError) as caught:
            self.connect(credentials, timeout_s=5).GetStatus(admin_pb2.GetStatusRequest())
        self.assertEqual(caught.exception.code, grpc.StatusCode.UNAVAILABLE)
        self.assertEqual(self.calls(), calls, "a handler has run")

    def shown_certificate(self):
        return handshake(self.router.grpc_port)

    def assert_shows(self, certificate):
        with open(certificate.cert_file, encoding="ascii") as f:
            self.assertEqual(self.shown_certificate(), f.read())

    def test_only_clients_with_a_certificate_of_the_authority_get_in(self):
        self.start_tls()
        self.assertTrue(self.status().version)
        foreign = Authority(self.folder, "foreign")
        self.assert_no_way_in(None)
        self.assert_no_way_in(self.authority.credentials())
        self.assert_no_way_in(self.authority.credentials(foreign.issue("client")))
        self.assert_no_way_in(self.authority.credentials(self.authority.issue("late", days=-1)))
        self.assert_no_way_in(foreign.credentials(self.client))
        self.assertTrue(self.status().version)

    def test_certificate_may_be_optional_but_not_wrong(self):
        self.start_tls(tls_client_auth="optional")
        api = self.connect(self.authority.credentials())
        self.assertTrue(api.GetStatus(admin_pb2.GetStatusRequest()).status.version)
        foreign = Authority(self.folder, "foreign")
        self.assert_no_way_in(self.authority.credentials(foreign.issue("client")))

    def test_versions_before_1_2_are_refused(self):
        self.start_tls(tls_client_auth="optional")
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises((ssl.SSLError, OSError)):
                handshake(self.router.grpc_port, version)
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertTrue(handshake(self.router.grpc_port, version))

    def test_certificate_that_changes_is_used_for_new_connections(self):
        self.start_tls(tls_client_auth="optional")
        self.assert_shows(self.server)
        expire = self.router.metric("router_tls_certificate_expire_timestamp_seconds")
        self.assertGreater(expire, 1e9)
        self.server.replace(self.authority.issue("router", LOOPBACK, days=5))
        self.router.log.wait_for_event("TLS_RELOADED")
        self.assert_shows(self.server)
        self.assertTrue(self.status().version, "the connection that was open goes on")
        self.assertEqual(self.router.metric("router_tls_reloads_total", result="ok"), 1)
        later = self.router.metric("router_tls_certificate_expire_timestamp_seconds")
        self.assertGreater(later, expire + 24 * 3600)

    def test_bad_new_certificate_leaves_the_old_one(self):
        self.start_tls(tls_client_auth="optional")
        before = self.shown_certificate()
        expired = self.authority.issue("router", LOOPBACK, days=-1)
        self.server.replace(expired)
        event = self.router.log.wait_for_event("TLS_RELOAD_FAILED",
                                               where=lambda e: "expired" in e["reason"])
        self.assertIn(self.server.cert_file, event["reason"])
        with open(self.server.key_file, "w", encoding="ascii") as f:
            f.write("no key")
        self.router.log.wait_for_event("TLS_RELOAD_FAILED", after=event)
        self.assertEqual(self.shown_certificate(), before)
        self.assertGreaterEqual(self.router.metric("router_tls_reloads_total", result="failed"), 2)
        self.assertEqual(self.router.metric("router_tls_certificate_stale"), 1)
        self.server.replace(self.authority.issue("router", LOOPBACK))
        self.router.log.wait_for_event("TLS_RELOADED")
        self.assertEqual(self.router.metric("router_tls_certificate_stale"), 0)
        self.assert_shows(self.server)

    def test_new_certificate_that_is_too_weak_for_openssl_leaves_the_old_one(self):
        self.start_tls(tls_client_auth="optional")
        before = self.shown_certificate()
        expire = self.router.metric("router_tls_certificate_expire_timestamp_seconds")
        self.server.replace(self.authority.issue("router", LOOPBACK, days=5, rsa_bits=1024))
        event = self.router.log.wait_for_event("TLS_RELOAD_FAILED",
                                               where=lambda e: "too small" in e["reason"])
        self.assertIn(self.server.cert_file, event["reason"])
        self.assertEqual(self.router.log.events("TLS_RELOADED"), [])
        self.assertEqual(self.shown_certificate(), before)
        self.assertEqual(self.router.metric("router_tls_certificate_stale"), 1)
        self.assertEqual(self.router.metric("router_tls_certificate_expire_timestamp_seconds"),
                         expire)

    def test_authorities_that_change_let_others_in(self):
        self.start_tls()
        other = Authority(self.folder, "other")
        credentials = grpc.ssl_channel_credentials(
            self.authority.read(), *other.issue("client").read())
        self.assert_no_way_in(credentials)
        with open(self.authority.ca_file, "ab") as f:
            f.write(other.read())
        self.router.log.wait_for_event("TLS_RELOADED")
        self.assertTrue(self.connect(credentials).GetStatus(
            admin_pb2.GetStatusRequest()).status.version)

    def test_signal_reads_files_again(self):
        self.start_tls(tls_client_auth="optional")
        self.router.hang_up()
        self.router.log.wait_for_event("TLS_RELOADED")
        self.assert_shows(self.server)
        self.assertEqual(self.router.terminate(), 0)

    def test_signal_without_tls_is_harmless(self):
        self.start_router(urls=(), transport="inproc")
        self.router.hang_up()
        self.assertTrue(self.status().version)
        self.assertEqual(self.router.terminate(), 0)

    def test_configuration_with_wrong_files_is_refused(self):
        weak = self.authority.issue("router", LOOPBACK, rsa_bits=1024)
        for cert_file, key_file, problem in (
                (self.server.cert_file, self.authority.issue("other").key_file,
                 "is not the key of the certificate"),
                (weak.cert_file, weak.key_file, "cannot be used for TLS: ee key too small")):
            for arguments in (["--check-config"], []):
                with self.subTest(problem, arguments=arguments):
                    result = subprocess.run(
                        [binary_path(), *arguments, f"--pending_dir={self.folder}",
                         f"--tls_cert_file={cert_file}", f"--tls_key_file={key_file}"],
                        capture_output=True, text=True, check=False, timeout=20)
                    self.assertEqual(result.returncode, 78)
                    self.assertIn(problem, result.stderr)

    def test_routerctl_speaks_tls(self):
        self.start_tls()
        wait_until(lambda: self.router.health() == "SERVING", "serving")
        flags = {"--tls-ca": self.authority.ca_file, "--tls-cert": self.client.cert_file,
                 "--tls-key": self.client.key_file}
        command = [os.path.join(os.getcwd(), "clients", "cli", "routerctl"), "status", "-o", "json",
                   "--timeout", "5s", "--address", f"localhost:{self.router.grpc_port}"]
        for arguments, env, code in (
                ([x for flag in flags.items() for x in flag], {}, 0),
                ([], {"ROUTERCTL_" + k[2:].upper().replace("-", "_"): v
                      for k, v in flags.items()}, 0),
                (["--tls-ca", self.authority.ca_file], {}, 3),
                (["--tls-ca", self.folder + "/none"], {}, 2),
                ([], {}, 3)):
            with self.subTest(arguments=arguments, env=env):
                result = subprocess.run(command + arguments, env=dict(os.environ, **env),
                                        capture_output=True, text=True, check=False, timeout=20)
                self.assertEqual(result.returncode, code, result.stderr)


if __name__ == "__main__":
    unittest.main()
