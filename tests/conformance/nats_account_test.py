"""The NATS side: TLS, nkeys and credentials on servers that require them, and the account and the
stream that are shipped."""

import json
import os
import ssl
import unittest

from router.v1 import message_pb2
from router.v1 import publisher_pb2

from harness import jetstream
from harness import oracle as outcomes
from harness.api import RouterError
from harness.certificates import LOOPBACK, Authority
from harness.fixture import RouterTestCase
from harness.nats_client import NatsError
from harness.nkeys import NKey, credentials_text
from harness.waiting import wait_until

_SHIPPED = "deploy/nats/"
_PASSWORDS = {"ROUTER_PASSWORD": "router-secret", "ADMIN_PASSWORD": "admin-secret"}
_UNLIMITED = {name: -1 for name in (
    "subs", "data", "payload", "imports", "exports", "conn", "leaf", "mem_storage",
    "disk_storage", "streams", "consumer")}


def shipped(name):
    with open(_SHIPPED + name, encoding="utf-8") as f:
        return f.read()


class NatsAccountTestCase(RouterTestCase):

    def setUp(self):
        super().setUp()
        self.authority = Authority(self.folder)
        self.server = self.authority.issue("broker", LOOPBACK)
        self.tls = ssl.create_default_context(cafile=self.authority.ca_file)
        self.tls_config = (f'{{cert_file: "{self.server.cert_file}", '
                           f'key_file: "{self.server.key_file}", timeout: 5}}')

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        return path

    def start_with_tls(self, connected=True, **settings):
        settings.setdefault("nats_tls_ca_file", self.authority.ca_file)
        return self.start_router(urls=[f"tls://localhost:{self.broker.port}"],
                                 connected=connected, nats_tls_enabled=True,
                                 nats_connect_timeout_ms=5000, **settings)

    def assert_not_let_in(self, **settings):
        router = self.start_with_tls(connected=False, name="stranger", **settings)
        wait_until(lambda: router.metric("router_nats_connection_failures_total") > 0,
                   "the broker has refused it")
        self.assertEqual(router.metric("router_nats_connection_established_total"), 0)
        log = router.log.text()
        for secret in ("wrong-secret", "-----BEGIN"):
            self.assertNotIn(secret, log)
        router.close()


class ShippedAccountTest(NatsAccountTestCase):

    def setUp(self):
        super().setUp()
        accounts = shipped("account.conf")
        self.start_broker(
            stream=None, env=_PASSWORDS,
            config={"accounts": accounts[accounts.index("{"):], "tls": self.tls_config},
            client_options={"tls": self.tls, "user": "admin", "pass": "admin-secret"})
        stream = json.loads(shipped("stream.json"))
        stream.update(num_replicas=1, duplicate_window=200_000_000)  # One server, and not 2 min.
        self.broker.create_stream(**stream)
        self.password_file = self.write("password", "router-secret\n")

    def as_router(self):
        return self.broker.client(**{"user": "router", "pass": "router-secret"})

    def start_shipped(self, **settings):
        return self.start_with_tls(nats_user="router", nats_password_file=self.password_file,
                                   **settings)

    def test_publishing_works(self):
        self.start_shipped()
        for guarantee in (message_pb2.GUARANTEE_STORED, message_pb2.GUARANTEE_RECEIVED):
            answers = self.caller.publish_many("orders.a", 20, guarantee=guarantee)
            self.assert_outcomes(answers, outcomes.DELIVERED)
        self.lose_broker()
        self.assert_outcomes(self.caller.publish_many("orders.b", 5), outcomes.QUEUED)
        self.bring_broker_back()
        self.router.wait_drained()
        wait_until(lambda: self.broker.message_count("ORDERS") == 45, "all of them are stored")
        self.assertEqual(self.router.metric("router_messages_unaccounted"), 0)

    def test_message_in_doubt_is_found_in_the_stream(self):
        self.start_shipped()
        self.broker.stop_running()
        self.assertEqual(self.caller.publish("orders.a").outcome, outcomes.QUEUED)
        self.router.wait_not_connected()
        self.broker.go_on()
        self.router.wait_connected()
        self.router.wait_drained()
        self.assertEqual(self.broker.message_count("ORDERS"), 1)
        self.assertEqual(self.router.metric("router_nats_possible_duplicates_total"), 0)

    def test_purge_and_delete_are_refused(self):
        self.start_shipped()
        self.assertEqual(self.caller.publish("orders.a").outcome, outcomes.DELIVERED)
        for method in ("STREAM.PURGE.ORDERS", "STREAM.DELETE.ORDERS", "STREAM.UPDATE.ORDERS",
                       "STREAM.MSG.DELETE.ORDERS", "STREAM.CREATE.OTHER", "STREAM.LIST",
                       "CONSUMER.DELETE.ORDERS.c", "CONSUMER.DURABLE.CREATE.ORDERS.c",
                       "STREAM.SNAPSHOT.ORDERS", "STREAM.RESTORE.ORDERS"):
            with self.subTest(method=method), self.as_router() as client:
                with self.assertRaisesRegex(NatsError, "Permissions Violation"):
                    jetstream.call(client, method)
        for subject in ("other.a", "$SYS.REQ.SERVER.PING", "$KV.b.k"):
            with self.subTest(subject=subject), self.as_router() as client:
                with self.assertRaisesRegex(NatsError, "Permissions Violation"):
                    client.publish(subject)
                    client.flush()
        for subject in (">", "orders.>", "$JS.>", "_R_.>"):
            with self.subTest(subject=subject), self.as_router() as client:
                with self.assertRaisesRegex(NatsError, "Permissions Violation"):
                    client.subscribe(subject)
                    client.flush()
        # Nor does the stream itself let anybody.
        with self.broker.client() as client:
            for method, body in (("STREAM.PURGE.ORDERS", {}),
                                 ("STREAM.MSG.DELETE.ORDERS", {"seq": 1})):
                with self.subTest(method=method):
                    with self.assertRaises(jetstream.JetStreamError):
                        jetstream.call(client, method, body)
        self.assertEqual(self.broker.message_count("ORDERS"), 1)

    def test_subject_that_is_not_allowed_is_refused_for_good(self):
        self.start_shipped()
        for guarantee in (message_pb2.GUARANTEE_STORED, message_pb2.GUARANTEE_RECEIVED):
            with self.assertRaises(RouterError) as caught:
                self.router.api.Publish(publisher_pb2.PublishRequest(message=message_pb2.Message(
                    subject="other.a", payload=b"x", guarantee=guarantee)))
            self.assertEqual(caught.exception.reason, "BROKER_REFUSED")
        self.assertEqual(self.caller.publish("orders.a").outcome, outcomes.DELIVERED)
        self.assertEqual(self.router.metric("router_nats_connection_lost_total"), 0)

    def test_wrong_password_does_not_get_in(self):
        self.assert_not_let_in(nats_user="router",
                               nats_password_file=self.write("wrong", "wrong-secret"))

    def test_broker_of_another_authority_gets_no_password(self):
        other = Authority(self.folder, "other")
        self.assert_not_let_in(nats_user="router", nats_password_file=self.password_file,
                               nats_tls_ca_file=other.ca_file)


class NkeyTest(NatsAccountTestCase):

    def test_server_that_requires_an_nkey(self):
        key = NKey(self.folder, "user")
        stranger = NKey(self.folder, "user")
        self.start_broker(config={
            "authorization": json.dumps({"users": [{"nkey": key.public}]}),
            "tls": self.tls_config},
            client_options={"tls": self.tls, "sign": key.connect_options})
        self.assert_not_let_in()
        self.assert_not_let_in(nats_nkey=stranger.public,
                               nats_nkey_seed_file=self.write("strange.nk", stranger.seed))
        self.assert_not_let_in(nats_nkey=key.public,
                               nats_nkey_seed_file=self.write("strange.nk", stranger.seed))
        router = self.start_with_tls(name="known", nats_nkey=key.public,
                                     nats_nkey_seed_file=self.write("user.nk", key.seed))
        self.assert_delivers(router)
        self.assertNotIn(key.seed, router.log.text())

    def test_server_that_requires_credentials(self):
        operator = NKey(self.folder, "operator")
        system = NKey(self.folder, "account")
        account = NKey(self.folder, "account")
        user = NKey(self.folder, "user")
        account_jwt = operator.certify(account, "account", limits=dict(
            _UNLIMITED, wildcards=True))
        user_jwt = account.certify(user, "router", pub={}, sub={}, subs=-1, data=-1, payload=-1)
        creds = self.write("router.creds", credentials_text(user_jwt, user))
        self.start_broker(config={
            "operator": operator.certify(operator, "operator"), "resolver": "MEMORY",
            "system_account": system.public,
            "resolver_preload": f"{{ {account.public}: {account_jwt}, "
                                f"{system.public}: {operator.certify(system, 'system')} }}",
            "tls": self.tls_config},
            client_options={"tls": self.tls,
                            "sign": lambda nonce: user.connect_options(nonce, user_jwt)})
        self.assert_not_let_in()
        stranger = NKey(self.folder, "user")
        self.assert_not_let_in(nats_creds_file=self.write(
            "strange.creds", credentials_text(user_jwt, stranger)))
        router = self.start_with_tls(name="known", nats_creds_file=creds)
        self.assert_delivers(router)
        self.assertNotIn(user.seed, router.log.text())

    def assert_delivers(self, router):
        message = message_pb2.Message(subject="test.a", payload=b"x",
                                      guarantee=message_pb2.GUARANTEE_STORED)
        result = router.api.Publish(publisher_pb2.PublishRequest(message=message)).result
        self.assertEqual(result.outcome, message_pb2.PUBLISH_OUTCOME_DELIVERED)
        self.assertEqual(self.broker.message_count("TEST"), 1)


if __name__ == "__main__":
    unittest.main()
