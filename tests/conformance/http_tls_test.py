"""TLS on the HTTP port: who gets in, certificates that change, and clients that stand still."""

import http.client
import os
import socket
import ssl
import subprocess
import unittest
import urllib.request

from harness.certificates import LOOPBACK, Authority, handshake
from harness.fixture import RouterTestCase
from harness.router import binary_path
from harness.waiting import wait_until


class HttpTlsTest(RouterTestCase):

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder)
        self.server = self.authority.issue("router", LOOPBACK)
        self.client = self.authority.issue("prometheus", usage="clientAuth")
        self.files = {"tls_cert_file": self.server.cert_file, "tls_key_file": self.server.key_file,
                      "tls_client_ca_file": self.authority.ca_file}

    def start_https(self, **settings):
        fields = dict(self.files, transport="inproc", http_tls_enabled=True,
                      credentials=self.authority.credentials(self.client),
                      http_tls=self.authority.ssl_context(self.client))
        return self.start_router(urls=(), **dict(fields, **settings))

    def livez(self, context):
        """What a new connection gets for /livez."""
        url = f"https://127.0.0.1:{self.router.http_port}/livez"
        with urllib.request.urlopen(url, timeout=5, context=context) as response:
            return response.read()

    def assert_no_way_in(self, context):
        with self.assertRaises((OSError, http.client.HTTPException)):
            self.livez(context)

    def assert_shows(self, certificate):
        with open(certificate.cert_file, encoding="ascii") as f:
            self.assertEqual(handshake(self.router.http_port, alpn="http/1.1"), f.read())

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.router.http_port), timeout=15)
        self.addCleanup(plain.close)
        return plain

    def test_pages_are_served_to_whoever_trusts_the_authority(self):
        self.start_https()
        self.assertEqual(self.livez(self.authority.ssl_context()), b"ok\n")
        self.assertEqual(self.router.page("/readyz"), "ok\n")
        self.assertIn("router_build_info", self.router.metrics().names())
        self.assert_no_way_in(Authority(self.folder, "foreign").ssl_context())

    def test_plain_http_gets_no_page(self):
        self.start_https()
        plain = self.connect()
        plain.sendall(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n")
        self.assertNotIn(b"HTTP", plain.recv(4096))
        self.assertEqual(self.router.get("/livez"), 200)

    def test_versions_before_1_2_are_refused(self):
        self.start_https()
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            with self.assertRaises((ssl.SSLError, OSError)):
                handshake(self.router.http_port, version, alpn="http/1.1")
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            self.assertTrue(handshake(self.router.http_port, version, alpn="http/1.1"))
            context = self.authority.ssl_context()
            context.minimum_version = context.maximum_version = version
            self.assertEqual(self.livez(context), b"ok\n")

    def test_certificate_of_the_authority_is_required_where_that_is_set(self):
        self.start_https(http_tls_client_auth="require")
        foreign = Authority(self.folder, "foreign")
        wrong = {"none": None, "foreign": foreign.issue("prometheus"),
                 "expired": self.authority.issue("prometheus", days=-1),
                 "not of a client": self.authority.issue("prometheus", usage="serverAuth")}
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            for name, certificate in wrong.items():
                with self.subTest(name, version=version):
                    context = self.authority.ssl_context(certificate)
                    context.minimum_version = context.maximum_version = version
                    self.assert_no_way_in(context)
            for certificate in (self.client, self.authority.issue("of no stated use")):
                context = self.authority.ssl_context(certificate)
                context.minimum_version = context.maximum_version = version
                self.assertEqual(self.livez(context), b"ok\n")

    def test_files_that_change_are_used_for_new_connections(self):
        self.start_https()
        self.assert_shows(self.server)
        self.server.replace(self.authority.issue("router", LOOPBACK, days=5))
        self.router.log.wait_for_event("TLS_RELOADED")
        self.assert_shows(self.server)
        self.assertEqual(self.router.get("/readyz"), 200)

    def test_authorities_that_change_let_others_in(self):
        self.start_https(http_tls_client_auth="require")
        other = Authority(self.folder, "other")
        context = self.authority.ssl_context(other.issue("prometheus"))
        self.assert_no_way_in(context)
        with open(self.authority.ca_file, "ab") as f:
            f.write(other.read())
        self.router.log.wait_for_event("TLS_RELOADED")
        self.assertEqual(self.livez(context), b"ok\n")

    def test_certificate_that_one_port_cannot_use_changes_neither(self):
        """The library of this port does not know every curve that the other one does."""
        self.start_https()
        before = handshake(self.router.http_port, alpn="http/1.1")
        odd = self.authority.issue("router", LOOPBACK, curve="secp256k1")
        self.server.replace(odd)
        event = self.router.log.wait_for_event("TLS_RELOAD_FAILED",
                                               where=lambda e: "GnuTLS" in e["reason"])
        self.assertIn("HTTP port", event["reason"])
        self.assertEqual(handshake(self.router.http_port, alpn="http/1.1"), before)
        self.assertTrue(self.status().version)
        result = subprocess.run(
            [binary_path(), "--check-config", f"--pending_dir={self.folder}", "--http_tls_enabled",
             f"--tls_cert_file={odd.cert_file}", f"--tls_key_file={odd.key_file}"],
            capture_output=True, text=True, check=False, timeout=20)
        self.assertEqual(result.returncode, 78)
        self.assertIn("HTTP port", result.stderr)

    def test_handshakes_that_stand_still_hold_nobody_up_and_are_cut_off(self):
        self.start_https()
        silent = self.connect()
        half_way = self.connect()
        half_way.sendall(b"\x16\x03\x01\x02\x00\x01\x00")
        used = self.cpu_seconds()
        self.assertEqual(self.livez(self.authority.ssl_context()), b"ok\n")
        for connection in (silent, half_way):
            wait_until(lambda c=connection: self.is_ended(c), "it is cut off", 15)
        self.assertLess(self.cpu_seconds() - used, 2.0, "the router span meanwhile")

    def test_a_crowd_of_silent_clients_keeps_nobody_out(self):
        self.start_https(http_tls_client_auth="require")
        crowd = [self.connect() for _ in range(100)]
        for _ in range(5):
            self.assertEqual(self.router.get("/livez"), 200)
        self.assertTrue(self.is_ended(crowd[0]))

    def cpu_seconds(self):
        with open(f"/proc/{self.router.process.pid}/stat", encoding="ascii") as f:
            user, system = f.read().rsplit(")", 1)[1].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")

    @staticmethod
    def is_ended(connection):
        connection.setblocking(False)
        try:
            while connection.recv(4096):
                pass
            return True
        except BlockingIOError:
            return False
        except ConnectionError:
            return True


if __name__ == "__main__":
    unittest.main()
