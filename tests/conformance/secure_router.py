"""A router with TLS and access control, and callers of every kind."""

import hashlib
import os
import time

import grpc
from router.v1 import admin_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness.api import RouterError, error_of_call, error_of_status
from harness.certificates import LOOPBACK, Authority
from harness.fixture import RouterTestCase
from harness.tokens import Issuer

VIEWER_TOKEN = "a-token-of-the-viewer"
EXPIRED_TOKEN = "a-token-that-has-expired"

ACCESS = """
identities:
  - name: cert:spiffe://test/orders
    roles: [publisher]
    publish: [test.orders.>, test.a]
  - name: cert:publisher.test
    roles: [publisher]
    publish: [">"]
  - name: cert:admin
    roles: [operator, publisher]
    publish: [">"]
    payloads: true
  - name: token:viewer
    roles: [viewer]
  - name: token:expired
    roles: [operator]
  - name: jwt:alice
    roles: [operator]
"""


def sha256(token):
    return hashlib.sha256(token.encode()).hexdigest()


class SecureRouterTestCase(RouterTestCase):
    """`self.router` has TLS and access control, and `self.router.api` is its operator's."""

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder)
        self.issuer = Issuer(self.folder)
        self.access_file = self.write("access.yaml", ACCESS)
        self.tokens_file = self.write("tokens.yaml", f"""
tokens:
  - {{name: viewer, sha256: {sha256(VIEWER_TOKEN)}}}
  - {{name: expired, sha256: {sha256(EXPIRED_TOKEN)}, expires: 2026-01-01T00:00:00Z}}
""")
        server = self.authority.issue("router", LOOPBACK)
        self.settings = {
            "tls_cert_file": server.cert_file,
            "tls_key_file": server.key_file,
            "tls_client_ca_file": self.authority.ca_file,
            "tls_client_auth": "optional",
            "access_file": self.access_file,
            "access_tokens_file": self.tokens_file,
            "access_jwt_keys_file": self.issuer.jwks_file,
            "access_jwt_issuer": self.issuer.name,
            "access_jwt_audience": "router",
            "credentials": self.authority.credentials(self.authority.issue("admin", "DNS:admin")),
        }

    def write(self, name, text):
        """Replaces the file as a whole, and returns its path."""
        path = os.path.join(self.folder, name)
        with open(path + ".new", "w", encoding="utf-8") as f:
            f.write(text)
        os.rename(path + ".new", path)
        return path

    def start_secure(self, **settings):
        self.start_broker()
        return self.start_router(**dict(self.settings, **settings))

    def client(self, name=None, san=None, token=None):
        """Another caller: with a certificate, a token, both or nothing. The certificate has the DNS
        name `name`, or else `san`, as openssl writes it; "" for none."""
        san = f"DNS:{name}" if san is None else san
        certificate = self.authority.issue(name, san) if name else None
        api = self.router.connect(self.authority.credentials(certificate), token)
        self.addCleanup(api.close)
        return api

    def jwt(self, **claims):
        return self.issuer.token(**dict({"sub": "alice", "aud": "router",
                                         "exp": time.time() + 600}, **claims))

    def audit(self, **fields):
        request = admin_pb2.ListAuditEventsRequest(**fields)
        return list(self.router.api.ListAuditEvents(request).events)

    # Four ways to do something to the queue or the broker. Each returns the errors it got: of the
    # call, or of the message that is at fault.

    def publish(self, api, message):
        return self.error_of(api.Publish, publisher_pb2.PublishRequest(message=message))

    def publish_batch(self, api, message):
        try:
            results = api.PublishBatch(publisher_pb2.PublishBatchRequest(messages=[message]))
        except RouterError as e:
            return e
        return self._error_in(results.results[0])

    def publish_stream(self, api, message):
        error = None
        try:
            for response in api.publish_stream(iter([
                    publisher_pb2.PublishStreamRequest(messages=[message])]), 10):
                for numbered in response.results:
                    error = self._error_in(numbered.result)
        except grpc.RpcError as e:
            return error_of_call(e)
        return error

    def redrive(self, api, filter="*"):
        return self.error_of(api.RedriveDeadLetters, admin_pb2.RedriveDeadLettersRequest(
            filter=filter, reason="test"))

    def four_ways(self, api, message):
        """The errors by way."""
        return {"unary": self.publish(api, message), "batch": self.publish_batch(api, message),
                "stream": self.publish_stream(api, message), "redrive": self.redrive(api)}

    @staticmethod
    def error_of(call, request):
        try:
            call(request)
        except RouterError as e:
            return e
        return None

    @staticmethod
    def _error_in(result):
        rejected = result.outcome == message_pb2.PUBLISH_OUTCOME_REJECTED
        return error_of_status(result.error) if rejected else None

    def assert_error(self, error, code, reason):
        self.assertIsNotNone(error, f"no error where {code} {reason} is due")
        self.assertEqual((error.code.name, error.reason), (code, reason), error)
        self.assertEqual([i.domain for i in error.infos], ["router"])
