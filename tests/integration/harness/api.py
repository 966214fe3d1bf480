"""The router's gRPC API: thin stubs from generated messages, and errors decoded."""

import os

os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # Children are spawned beside channels.

# pylint: disable=wrong-import-position
import grpc
from google.rpc import error_details_pb2
from google.rpc import status_pb2
from router.v1 import admin_pb2
from router.v1 import fault_injection_pb2
from router.v1 import message_pb2
from router.v1 import publisher_pb2

_SERVICES = {
    "PublisherService": (publisher_pb2, ("Publish", "PublishBatch")),
    "AdminService": (admin_pb2, (
        "GetStatus", "GetFailOpenMode", "SetFailOpenMode", "PauseDelivery", "ResumeDelivery",
        "Reconnect", "ListPendingOperations", "GetPendingOperation", "RetryPendingOperations",
        "PurgePendingOperations", "ListDeadLetters", "GetDeadLetter", "RedriveDeadLetters",
        "PurgeDeadLetters", "ListAuditEvents", "GetEffectiveConfig", "ReloadConfig")),
    "FaultInjectionService": (fault_injection_pb2, ("SetFault", "ListFaults", "ClearFaults")),
}

STORED = message_pb2.GUARANTEE_STORED
RECEIVED = message_pb2.GUARANTEE_RECEIVED


class RouterError(Exception):
    """A google.rpc.Status that came back, from a call or for one message."""

    def __init__(self, code, message, status):
        self.code = code  # grpc.StatusCode
        self.message = message
        self.infos = []
        self.retry_delay_s = None
        self.violations = []
        for detail in status.details:
            if detail.Is(error_details_pb2.ErrorInfo.DESCRIPTOR):
                info = error_details_pb2.ErrorInfo()
                detail.Unpack(info)
                self.infos.append(info)
            elif detail.Is(error_details_pb2.RetryInfo.DESCRIPTOR):
                retry = error_details_pb2.RetryInfo()
                detail.Unpack(retry)
                self.retry_delay_s = retry.retry_delay.ToNanoseconds() / 1e9
            elif detail.Is(error_details_pb2.BadRequest.DESCRIPTOR):
                bad = error_details_pb2.BadRequest()
                detail.Unpack(bad)
                self.violations += [v.field for v in bad.field_violations]
        super().__init__(f"{code.name} {self.reason}: {message}")

    @property
    def reason(self):
        return self.infos[0].reason if self.infos else ""

    @property
    def metadata(self):
        return dict(self.infos[0].metadata) if self.infos else {}


_CODES = {code.value[0]: code for code in grpc.StatusCode}


def error_of_status(status):
    """A RouterError from a google.rpc.Status inside an answer."""
    return RouterError(_CODES[status.code], status.message, status)


def error_of_call(error):
    """A RouterError from a failed call."""
    status = status_pb2.Status()
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status.ParseFromString(value)
            assert status.code == error.code().value[0], "status and details disagree"
    return RouterError(error.code(), error.details(), status)


class Api:
    """All unary methods by name, `api.Publish(request)`, and the two streams."""

    def __init__(self, address, timeout_s=10.0, credentials=None, token=None):
        """`credentials`: of a channel with TLS. `token`: sent with each call."""
        self.timeout_s = timeout_s
        options = [
            ("grpc.max_receive_message_length", 64 << 20),
            ("grpc.initial_reconnect_backoff_ms", 50),
            ("grpc.min_reconnect_backoff_ms", 5000),  # The time that one attempt may take.
            ("grpc.max_reconnect_backoff_ms", 200),
            ("grpc.use_local_subchannel_pool", 1)]
        if credentials is None:
            self.channel = grpc.insecure_channel(address, options)
        else:
            if token is not None:
                credentials = grpc.composite_channel_credentials(
                    credentials, grpc.access_token_call_credentials(token))
            self.channel = grpc.secure_channel(address, credentials, options)
        for service, (module, methods) in _SERVICES.items():
            for method in methods:
                stub = self.channel.unary_unary(
                    f"/router.v1.{service}/{method}",
                    request_serializer=getattr(module, method + "Request").SerializeToString,
                    response_deserializer=getattr(module, method + "Response").FromString)
                setattr(self, method, self._unary(stub))
                setattr(self, method + "Future", stub.future)
        self._publish_stream = self.channel.stream_stream(
            "/router.v1.PublisherService/PublishStream",
            request_serializer=publisher_pb2.PublishStreamRequest.SerializeToString,
            response_deserializer=publisher_pb2.PublishStreamResponse.FromString)
        self._watch_status = self.channel.unary_stream(
            "/router.v1.AdminService/WatchStatus",
            request_serializer=admin_pb2.WatchStatusRequest.SerializeToString,
            response_deserializer=admin_pb2.WatchStatusResponse.FromString)

    def close(self):
        self.channel.close()

    def publish_stream(self, frames, timeout_s=60.0, wait_for_ready=None):
        return self._publish_stream(frames, timeout=timeout_s, wait_for_ready=wait_for_ready)

    def watch_status(self, request, timeout_s=10.0):
        return self._watch_status(request, timeout=timeout_s)

    def _unary(self, stub):
        def call(request, timeout_s=None):
            try:
                return stub(request, timeout=timeout_s or self.timeout_s)
            except grpc.RpcError as e:
                raise error_of_call(e) from None
        return call
