"""HTTP/2 frames by hand, for what no well-behaved client library would send."""

import struct

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PING, WINDOW_UPDATE, CONTINUATION = (
    0, 1, 2, 3, 4, 6, 8, 9)
END_STREAM, END_HEADERS, ACK = 0x1, 0x4, 0x1
CANCEL = 8
INITIAL_WINDOW_SIZE = 4


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(name, value, index=False):
    """A header field whose name and value are written out; `index` puts it into the table."""
    return (b"\x40" if index else b"\x00") + _string(name) + _string(value)


def _string(text):
    data = text.encode() if isinstance(text, str) else text
    assert len(data) < 127 + 128, "longer strings are not needed"
    if len(data) < 127:
        return bytes([len(data)]) + data
    return bytes([127, len(data) - 127]) + data


def call_headers(path, authority="router"):
    """The header block of a gRPC call."""
    return (b"\x83\x86"                              # :method POST, :scheme http
            + b"\x04" + _string(path)                # :path
            + b"\x01" + _string(authority)           # :authority
            + literal("content-type", "application/grpc") + literal("te", "trailers"))


def call(path, stream):
    return frame(HEADERS, END_HEADERS, stream, call_headers(path))


def reset(stream):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", CANCEL))


def settings(*pairs):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", k, v) for k, v in pairs))


def ping(number):
    return frame(PING, 0, 0, struct.pack(">Q", number))


def field(number, data):
    """A field of a protobuf message, of bytes."""
    length = len(data)
    encoded = b""
    while length > 127:
        encoded += bytes([length & 127 | 128])
        length >>= 7
    return bytes([number << 3 | 2]) + encoded + bytes([length]) + data


def hello():
    """What a client sends first."""
    return PREFACE + settings()


class FrameReader:
    """Takes apart what has come over a socket."""

    def __init__(self, connection):
        self._connection = connection
        self._bytes = b""

    def read(self):
        """Waits for bytes; the frames that are complete: kind, flags, stream and payload."""
        received = self._connection.recv(1 << 20)
        if not received:
            raise ConnectionError("the router has closed the connection")
        self._bytes += received
        frames = []
        while len(self._bytes) >= 9:
            length = int.from_bytes(self._bytes[:3], "big")
            if len(self._bytes) < 9 + length:
                break
            kind, flags, stream = struct.unpack(">BBI", self._bytes[3:9])
            frames.append((kind, flags, stream, self._bytes[9:9 + length]))
            self._bytes = self._bytes[9 + length:]
        return frames


class Rooms:
    """What may be sent: on a connection, and on its streams, each of which has so much to send."""

    def __init__(self, initial):
        self._initial = initial
        self._connection = initial
        self._streams = {}  # Room, and what is left.

    def open(self, stream, left):
        self._streams[stream] = [self._initial, left]

    def close(self, stream):
        self._streams.pop(stream, None)

    def has(self, stream, count):
        return min(self._streams[stream][0], self._connection) >= count

    def take(self, stream, count):
        self._streams[stream][0] -= count
        self._connection -= count

    def share(self, at_a_time):
        """Stream and number of bytes of the next frames, one each."""
        shared = []
        for stream, state in self._streams.items():
            count = min(at_a_time, state[0], state[1], self._connection)
            if count > 0:
                shared.append((stream, count))
                self._connection -= count
                self._streams[stream] = [state[0] - count, state[1] - count]
        return shared

    def give(self, stream, payload):
        """The payload of a WINDOW_UPDATE."""
        count = int.from_bytes(payload, "big")
        if stream == 0:
            self._connection += count
        elif stream in self._streams:
            self._streams[stream][0] += count

    def obey(self, frames):
        """Takes note of what the router says, and returns what is to be answered."""
        answers = b""
        for kind, flags, stream, payload in frames:
            if kind == SETTINGS and not flags & ACK:
                answers += frame(SETTINGS, ACK, 0)
                self.set_initial(payload)
            elif kind == PING and not flags & ACK:
                answers += frame(PING, ACK, 0, payload)
            elif kind == WINDOW_UPDATE:
                self.give(stream, payload)
            elif kind == RST_STREAM:
                self.close(stream)
        return answers

    def set_initial(self, payload):
        """The payload of SETTINGS."""
        for at in range(0, len(payload), 6):
            name, value = struct.unpack(">HI", payload[at:at + 6])
            if name == INITIAL_WINDOW_SIZE:
                for state in self._streams.values():
                    state[0] += value - self._initial
                self._initial = value
