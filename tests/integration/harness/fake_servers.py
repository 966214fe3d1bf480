"""Servers that behave as a NATS server should not."""

import json
import socket
import threading

from harness.ports import free_port, give_back


class FakeServer:
    """Accepts connections and gives each to `talk`, in a thread of its own, until closed."""

    def __init__(self, port=None):
        self.port = port or free_port()
        self._own_ports = () if port else (self.port,)
        self.connections = 0
        self._sockets = set()
        self._lock = threading.Lock()
        self._closed = False
        self._listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def close(self):
        with self._lock:
            self._closed = True
            sockets = list(self._sockets)
            ports, self._own_ports = self._own_ports, ()
        try:
            self._listener.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self._listener.close()
        for connection in sockets:
            self.drop(connection)
        give_back(*ports)

    def drop(self, connection):
        with self._lock:
            self._sockets.discard(connection)
        try:
            connection.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        connection.close()

    def talk(self, connection):
        """Serves one connection; it is closed when this returns."""
        raise NotImplementedError

    def _accept(self):
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                if self._closed:
                    connection.close()
                    return
                self.connections += 1
                self._sockets.add(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        try:
            self.talk(connection)
        except (OSError, EOFError):
            pass
        finally:
            self.drop(connection)


def info_line(port, **more):
    info = {"server_id": "FAKE", "server_name": "fake", "version": "2.9.10", "proto": 1,
            "host": "127.0.0.1", "port": port, "headers": True, "max_payload": 1048576,
            "jetstream": True, "client_id": 1}
    info.update(more)
    return b"INFO " + json.dumps(info, separators=(",", ":")).encode() + b"\r\n"


class SilentServer(FakeServer):
    """Accepts, and never says anything."""

    def talk(self, connection):
        while connection.recv(4096):
            pass


class InfoThenSilence(FakeServer):
    """Sends INFO and never answers the first PING."""

    def talk(self, connection):
        connection.sendall(info_line(self.port))
        while connection.recv(4096):
            pass


class RefusesWithError(FakeServer):
    """Answers CONNECT with an -ERR and hangs up."""

    def __init__(self, error, port=None):
        self._error = error
        super().__init__(port)

    def talk(self, connection):
        connection.sendall(info_line(self.port))
        connection.recv(4096)
        connection.sendall(f"-ERR '{self._error}'\r\n".encode())


class ClosesAfterConnect(FakeServer):
    """Hangs up as soon as the client has said CONNECT."""

    def talk(self, connection):
        connection.sendall(info_line(self.port))
        connection.recv(4096)


class SpeaksGarbage(FakeServer):
    """Not a NATS server at all."""

    def talk(self, connection):
        connection.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
        connection.recv(4096)


class ScriptedBroker(FakeServer):
    """Speaks enough NATS to be published to, and answers as `answer` says.

    `answer(subject, headers, payload)` returns the reply's payload, None for no reply at all, or
    the integer 503 for "no responders". Questions about streams it answers by itself. Messages for a subscription of the same connection (the
    router's fence) are echoed, as a server would.
    """

    def __init__(self, answer, port=None):
        self.answer = answer
        self.published = []
        super().__init__(port)

    def talk(self, connection):
        connection.sendall(info_line(self.port))
        reader = connection.makefile("rb")
        subscriptions = {}
        while True:
            line = reader.readline()
            if not line:
                return
            words = line.decode("utf-8").split()
            op = words[0].upper() if words else ""
            if op == "PING":
                connection.sendall(b"PONG\r\n")
            elif op == "SUB":
                subscriptions[words[-1]] = words[1]
            elif op in ("PUB", "HPUB"):
                self._on_publish(connection, reader, subscriptions, op, words)

    def _on_publish(self, connection, reader, subscriptions, op, words):
        total = int(words.pop())
        header_size = int(words.pop()) if op == "HPUB" else 0
        body = reader.read(total + 2)
        subject, reply = words[1], words[2] if len(words) > 2 else ""
        headers, payload = body[:header_size], body[header_size:total]
        self._deliver(connection, subscriptions, subject, headers, payload)
        if subject.startswith("$JS.API."):
            self._deliver(connection, subscriptions, reply, b"", self._about_streams(subject))
            return
        if not reply:
            return
        self.published.append((subject, headers, payload))
        answer = self.answer(subject, headers, payload)
        if answer == 503:
            self._deliver(connection, subscriptions, reply, b"NATS/1.0 503\r\n\r\n", b"")
        elif answer is not None:
            self._deliver(connection, subscriptions, reply, b"", answer)

    @staticmethod
    def _about_streams(subject):
        """JetStream's API: one empty stream takes every subject."""
        if subject.endswith("STREAM.NAMES"):
            return b'{"streams":["F"]}'
        return (b'{"config":{"retention":"limits","duplicate_window":120000000000},'
                b'"state":{"messages":0,"last_seq":0}}')

    @staticmethod
    def _deliver(connection, subscriptions, subject, headers, payload):
        for sid, pattern in subscriptions.items():
            if _matches(pattern.split("."), subject.split(".")):
                if headers:
                    head = f"HMSG {subject} {sid} {len(headers)} {len(headers) + len(payload)}\r\n"
                else:
                    head = f"MSG {subject} {sid} {len(payload)}\r\n"
                connection.sendall(head.encode() + headers + payload + b"\r\n")


def _matches(pattern, tokens):
    for i, part in enumerate(pattern):
        if part == ">":
            return len(tokens) > i
        if i >= len(tokens) or part not in ("*", tokens[i]):
            return False
    return len(pattern) == len(tokens)
