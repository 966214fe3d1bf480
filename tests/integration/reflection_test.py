"""A client that knows nothing but the address: it learns the API through reflection, as grpcurl
does, and publishes."""

import base64
import unittest

import grpc
from google.protobuf import descriptor_pb2
from google.protobuf import descriptor_pool
from google.protobuf import json_format
from google.protobuf import message_factory
from grpc_reflection.v1 import reflection_pb2

from harness import jetstream
from harness.fixture import RouterTestCase

SERVICES = {"router.v1.PublisherService", "router.v1.AdminService", "grpc.health.v1.Health"}


class ReflectingClient:
    """Builds requests from the descriptors that the server hands out."""

    def __init__(self, channel, version):
        self._channel = channel
        # The messages of v1 and v1alpha are the same on the wire.
        self._reflect = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            request_serializer=reflection_pb2.ServerReflectionRequest.SerializeToString,
            response_deserializer=reflection_pb2.ServerReflectionResponse.FromString)
        self._pool = descriptor_pool.DescriptorPool()
        self._known = set()

    def ask(self, **question):
        request = reflection_pb2.ServerReflectionRequest(**question)
        return next(iter(self._reflect(iter([request]), timeout=10)))

    def services(self):
        return {s.name for s in self.ask(list_services="").list_services_response.service}

    def _learn(self, answer):
        files = [descriptor_pb2.FileDescriptorProto.FromString(data)
                 for data in answer.file_descriptor_response.file_descriptor_proto]
        given = {f.name: f for f in files}
        for file in files:
            self._add(file, given)

    def _add(self, file, given):
        if file.name in self._known:
            return
        self._known.add(file.name)
        for dependency in file.dependency:
            if dependency in given:
                self._add(given[dependency], given)
            elif dependency not in self._known:
                self._learn(self.ask(file_by_filename=dependency))
        self._pool.Add(file)

    def call(self, service, method, body):
        """One unary call with JSON in and JSON out."""
        self._learn(self.ask(file_containing_symbol=service))
        found = self._pool.FindServiceByName(service).FindMethodByName(method)
        factory = message_factory.MessageFactory(self._pool)
        request = json_format.ParseDict(body, factory.GetPrototype(found.input_type)())
        answer_class = factory.GetPrototype(found.output_type)
        stub = self._channel.unary_unary(
            f"/{service}/{method}",
            request_serializer=lambda message: message.SerializeToString(),
            response_deserializer=answer_class.FromString)
        return json_format.MessageToDict(stub(request, timeout=10))


class ReflectionTest(RouterTestCase):

    def client(self, version):
        # A pool of its own: a connection to an earlier router at this port may be dead without knowing it.
        channel = grpc.insecure_channel(f"127.0.0.1:{self.router.grpc_port}",
                                        [("grpc.use_local_subchannel_pool", 1)])
        self.addCleanup(channel.close)
        return ReflectingClient(channel, version)

    def publish_as_grpcurl_would(self, version):
        self.start_broker(stream=None)
        self.broker.create_stream("DEMO", ["demo.>"])
        self.start_router()
        client = self.client(version)
        self.assertLessEqual(SERVICES, client.services())
        answer = client.call("router.v1.PublisherService", "Publish",
                             {"message": {"subject": "demo.hello", "payload": "aGk="}})
        result = answer["result"]
        self.assertEqual(result["outcome"], "PUBLISH_OUTCOME_DELIVERED")
        self.assertEqual((result["stream"], result["sequence"]), ("DEMO", "1"))
        with self.broker.client() as broker:
            stored = jetstream.get_message(broker, "DEMO", 1)
        self.assertEqual(stored.payload, base64.b64decode("aGk="))
        status = client.call("router.v1.AdminService", "GetStatus", {})["status"]
        self.assertEqual(status["connection"]["state"], "CONNECTION_STATE_CONNECTED")

    def test_publish_through_reflection_v1(self):
        self.publish_as_grpcurl_would("v1")

    def test_publish_through_reflection_v1alpha(self):
        self.publish_as_grpcurl_would("v1alpha")

    def test_health_through_reflection(self):
        self.start()
        for version in ("v1", "v1alpha"):
            answer = self.client(version).call("grpc.health.v1.Health", "Check", {"service": ""})
            self.assertEqual(answer["status"], "SERVING")

    def test_health_of_every_service(self):
        self.start()
        for service in ("", "router.v1.PublisherService", "router.v1.AdminService", "liveness",
                        "readiness"):
            self.assertEqual(self.router.health(service), "SERVING", service)
        with self.assertRaises(grpc.RpcError) as caught:
            self.router.health("no.such.service")
        self.assertEqual(caught.exception.code(), grpc.StatusCode.NOT_FOUND)

    def test_readiness_does_not_depend_on_the_broker(self):
        self.start()
        self.lose_broker()
        self.assertEqual(self.router.health("readiness"), "SERVING")
        self.assertEqual(self.router.get("/readyz"), 200)
        self.bring_broker_back()
        self.assert_contract()

    def test_unknown_symbols_are_not_found(self):
        self.start()
        for version in ("v1", "v1alpha"):
            answer = self.client(version).ask(file_containing_symbol="no.such.Symbol")
            self.assertEqual(answer.error_response.error_code,
                             grpc.StatusCode.NOT_FOUND.value[0])

    def test_fault_injection_is_listed_only_where_it_is_on(self):
        self.start()
        name = "router.v1.FaultInjectionService"
        self.assertNotIn(name, self.client("v1").services())
        self.router.terminate()
        self.router.settings["enable_fault_injection"] = True
        self.restart_router()
        self.assertIn(name, self.client("v1").services())


if __name__ == "__main__":
    unittest.main()
