"""A NATS client on a bare socket: what the router says is checked against the broker by code that
shares nothing with the router."""

import json
import socket
import time


class NatsError(Exception):
    """The server said -ERR, or the connection ended."""


class NatsMessage:
    """One MSG or HMSG."""

    __slots__ = ("subject", "sid", "reply", "headers", "status", "payload")

    def __init__(self, subject, sid, reply, header_block, payload):
        self.subject = subject
        self.sid = sid
        self.reply = reply
        self.status, self.headers = parse_headers(header_block)
        self.payload = payload


def parse_headers(block):
    """The status code (or None) and the headers of a NATS header block."""
    if not block:
        return None, {}
    lines = block.decode("utf-8").split("\r\n")
    words = lines[0].split(" ")
    status = int(words[1]) if len(words) > 1 and words[1].isdigit() else None
    headers = {}
    for line in lines[1:]:
        if line:
            key, _, value = line.partition(":")
            headers[key] = value.strip(" ")
    return status, headers


class NatsClient:
    """Synchronous, one thread. Reads only inside its own calls."""

    def __init__(self, port, timeout_s=5.0, tls=None, sign=None, **options):
        """Connects. `options` go into CONNECT, such as user= and pass=. `tls`: an ssl.SSLContext,
        where the server wants it. `sign`: gives more options, from the server's nonce."""
        self._timeout_s = timeout_s
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=timeout_s)
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._buffer = bytearray()
        self._messages = []
        self._next_sid = 0
        self._inbox = f"_INBOX.independent{time.monotonic_ns()}"
        self._inbox_sid = None
        self._requests = 0
        self._pings = 0
        self._pongs = 0
        deadline = time.monotonic() + timeout_s
        op, rest = self._read_line(deadline)
        if op != "INFO":
            raise NatsError(f"expected INFO, got {op}")
        self.info = json.loads(rest)
        if tls is not None:
            self._socket = tls.wrap_socket(self._socket, server_hostname="localhost")
        if sign is not None:
            options.update(sign(self.info["nonce"]))
        connect = {"verbose": False, "pedantic": False, "lang": "bare", "version": "0",
                   "headers": True, "no_responders": True, "protocol": 1}
        connect.update(options)
        self._send(b"CONNECT " + json.dumps(connect).encode() + b"\r\n")
        self.flush()

    def close(self):
        self._socket.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def publish(self, subject, payload=b"", headers=None, reply=""):
        words = [subject] + ([reply] if reply else [])
        if headers:
            block = ("NATS/1.0\r\n" + "".join(f"{k}: {v}\r\n" for k, v in headers.items())
                     + "\r\n").encode()
            words += [str(len(block)), str(len(block) + len(payload))]
            self._send(b"HPUB " + " ".join(words).encode() + b"\r\n" + block + payload + b"\r\n")
        else:
            words += [str(len(payload))]
            self._send(b"PUB " + " ".join(words).encode() + b"\r\n" + payload + b"\r\n")

    def subscribe(self, subject):
        self._next_sid += 1
        self._send(f"SUB {subject} {self._next_sid}\r\n".encode())
        return self._next_sid

    def unsubscribe(self, sid):
        self._send(f"UNSUB {sid}\r\n".encode())

    def flush(self):
        """Returns when the server has handled everything sent before."""
        self._pings += 1
        self._send(b"PING\r\n")
        deadline = time.monotonic() + self._timeout_s
        while self._pongs < self._pings:
            self._read_one(deadline)

    def next_message(self, sid, timeout_s=None):
        """The next message of a subscription. Raises TimeoutError."""
        deadline = time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s)
        while True:
            for i, message in enumerate(self._messages):
                if message.sid == sid:
                    return self._messages.pop(i)
            self._read_one(deadline)

    def request(self, subject, payload=b"", headers=None, timeout_s=None):
        if self._inbox_sid is None:
            self._inbox_sid = self.subscribe(self._inbox + ".*")
        self._requests += 1
        reply = f"{self._inbox}.{self._requests}"
        self.publish(subject, payload, headers, reply)
        while True:
            message = self.next_message(self._inbox_sid, timeout_s)
            if message.subject == reply:
                return message

    def read_raw(self, timeout_s=None):
        """Everything that has arrived, as the server sent it, waiting for some.

        Only for who sees to PING and to everything else by itself."""
        if not self._buffer:
            self._fill(time.monotonic() + (self._timeout_s if timeout_s is None else timeout_s))
        data, self._buffer = bytes(self._buffer), bytearray()
        return data

    def unread(self, data):
        """Gives back the end of what `read_raw` returned."""
        self._buffer[:0] = data

    def _send(self, data):
        self._socket.settimeout(self._timeout_s)
        self._socket.sendall(data)

    def _fill(self, deadline):
        remaining = deadline - time.monotonic()
        if remaining <= 0:
            raise TimeoutError("nothing more from the NATS server")
        self._socket.settimeout(remaining)
        try:
            data = self._socket.recv(1 << 20)
        except socket.timeout as e:
            raise TimeoutError("nothing more from the NATS server") from e
        if not data:
            raise NatsError("connection closed by the server")
        self._buffer += data

    def _read_line(self, deadline):
        while True:
            end = self._buffer.find(b"\r\n")
            if end >= 0:
                line = bytes(self._buffer[:end]).decode("utf-8")
                del self._buffer[:end + 2]
                op, _, rest = line.partition(" ")
                return op.upper(), rest
            self._fill(deadline)

    def _read_bytes(self, size, deadline):
        while len(self._buffer) < size:
            self._fill(deadline)
        data = bytes(self._buffer[:size])
        del self._buffer[:size]
        return data

    def _read_one(self, deadline):
        op, rest = self._read_line(deadline)
        if op == "PING":
            self._send(b"PONG\r\n")
        elif op == "PONG":
            self._pongs += 1
        elif op == "INFO":
            self.info = json.loads(rest)
        elif op == "-ERR":
            raise NatsError(rest)
        elif op in ("MSG", "HMSG"):
            words = rest.split(" ")
            total = int(words.pop())
            header_size = int(words.pop()) if op == "HMSG" else 0
            body = self._read_bytes(total + 2, deadline)
            self._messages.append(NatsMessage(
                words[0], int(words[1]), words[2] if len(words) > 2 else "",
                body[:header_size], body[header_size:total]))
        elif op != "+OK":
            raise NatsError(f"unknown protocol operation {op}")
