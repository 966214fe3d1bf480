"""JetStream's API by plain requests."""

import base64
import json
import re

from harness.nats_client import parse_headers


class JetStreamError(Exception):
    """The API answered with an error."""

    def __init__(self, error):
        super().__init__(json.dumps(error))
        self.code = error.get("code")
        self.err_code = error.get("err_code")


class StoredMessage:
    """One message of a stream."""

    __slots__ = ("subject", "sequence", "headers", "payload", "time_ns")

    def __init__(self, subject, sequence, headers, payload, time_ns=0):
        self.subject = subject
        self.sequence = sequence
        self.headers = headers
        self.payload = payload
        self.time_ns = time_ns  # Unix time at which it was stored; 0 where it is not asked for.

    @property
    def message_id(self):
        return self.headers.get("Nats-Msg-Id", "")


def call(client, method, body=None):
    """One API call; the answer as a dict."""
    message = client.request("$JS.API." + method, json.dumps(body).encode() if body else b"")
    if message.status is not None:
        raise JetStreamError({"code": message.status, "description": "no responders"})
    answer = json.loads(message.payload)
    if "error" in answer:
        raise JetStreamError(answer["error"])
    return answer


def create_stream(client, name, subjects, **config):
    body = {"name": name, "subjects": subjects, "storage": "file", "retention": "limits",
            "max_msgs": -1, "max_bytes": -1, "max_consumers": -1, "num_replicas": 1,
            "discard": "old"}
    body.update(config)
    return call(client, "STREAM.CREATE." + name, body)


def update_stream(client, name, **config):
    body = stream_info(client, name)["config"]
    body.update(config)
    return call(client, "STREAM.UPDATE." + name, body)


def delete_stream(client, name):
    return call(client, "STREAM.DELETE." + name)


def purge_stream(client, name):
    return call(client, "STREAM.PURGE." + name)


def stream_info(client, name):
    return call(client, "STREAM.INFO." + name)


def get_message(client, stream, sequence):
    """The message with this sequence."""
    found = call(client, "STREAM.MSG.GET." + stream, {"seq": sequence})["message"]
    _, headers = parse_headers(base64.b64decode(found.get("hdrs", "")))
    return StoredMessage(found["subject"], found["seq"], headers,
                         base64.b64decode(found.get("data", "")))


def dump(client, stream):
    """Every message of a stream, in order of sequence, by an ephemeral push consumer."""
    expected = stream_info(client, stream)["state"]["messages"]
    if expected == 0:
        return []
    inbox = f"_INBOX.dump.{id(object())}.{stream}"
    sid = client.subscribe(inbox)
    call(client, "CONSUMER.CREATE." + stream, {
        "stream_name": stream,
        "config": {"deliver_subject": inbox, "deliver_policy": "all", "ack_policy": "none",
                   "replay_policy": "instant"}})
    found = []
    while len(found) < expected:
        message = client.next_message(sid)
        # $JS.ACK.<stream>.<consumer>.<deliveries>.<stream sequence>.<consumer sequence>.<time>.<pending>
        tokens = message.reply.split(".")
        found.append(StoredMessage(message.subject, int(tokens[5]), message.headers,
                                   message.payload, int(tokens[7])))
    client.unsubscribe(sid)
    return found


_STATUS = re.compile(rb"\r\nNATS/1\.0 (\d+)[^\r]*\r\n")
_BATCH = 5000


def dump_ids(client, stream, header="Nats-Msg-Id"):
    """One header of every message of a stream, in order. Fast: for millions of them.

    Every message must have it. Only headers are fetched.
    """
    wanted = re.compile(rb"\r\n" + header.encode() + rb": ([^\r]*)(?=\r\n)")
    expected = stream_info(client, stream)["state"]["messages"]
    name = f"ids{id(object())}"
    call(client, f"CONSUMER.DURABLE.CREATE.{stream}.{name}", {
        "stream_name": stream,
        "config": {"durable_name": name, "deliver_policy": "all", "ack_policy": "none",
                   "replay_policy": "instant", "headers_only": True}})
    inbox = f"_INBOX.ids.{name}"
    sid = client.subscribe(inbox)
    client.flush()
    found = []
    asked = 0
    while len(found) < expected:
        if asked - len(found) < _BATCH and asked < expected:
            client.publish(f"$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}",
                           json.dumps({"batch": _BATCH}).encode(), reply=inbox)
            asked += _BATCH
        data = client.read_raw()
        end = data.rfind(b"\r\n\r\n\r\n") + 6  # The end of a message that has only headers.
        if end < 6:
            client.unread(data + client.read_raw())
            continue
        client.unread(data[end:])
        found += [m.decode() for m in wanted.findall(data, 0, end)]
        statuses = _STATUS.findall(data, 0, end)
        assert not statuses, f"the server answered {statuses} to a request for messages"
    client.unsubscribe(sid)
    call(client, f"CONSUMER.DELETE.{stream}.{name}")
    return found
