"""Rows about messages per second while the broker is there."""

from suite.row import PairedRow, Target

_BATCH = 1000
_FRAME = 256
# Calls and frames in flight: enough that the client is never waited for.
_BATCHES_IN_FLIGHT = 8
_FRAMES_IN_FLIGHT = 32
_PENDING = 4096
# Messages of one measurement of core publishing, per second that it is to last, about.
_CORE_PER_SECOND = 2_000_000


def _router(**load):
    return lambda stand: stand.load_router(**_sized(stand, load))


def _bare(**load):
    return lambda stand: stand.load_bare(**_sized(stand, load))


def _async(stand):
    return stand.raw("async", pending=_PENDING)


def _core(stand):
    return stand.raw("core", count=int(_CORE_PER_SECOND * stand.options.seconds))


def _sized(stand, load):
    if "batch" in load:
        load = dict(load, batch=stand.messages_per_request(load["batch"]))
    return load


def _request_notes(wanted):
    def notes(stand):
        fits = stand.messages_per_request(wanted)
        return [] if fits == wanted else [f"{fits} messages at a time, for their size"]
    return notes


_BATCH_LOAD = {"mode": "batch", "batch": _BATCH, "in_flight": _BATCHES_IN_FLIGHT}
_FRAME_LOAD = {"mode": "stream", "batch": _FRAME, "in_flight": _FRAMES_IN_FLIGHT}

ROWS = [
    PairedRow("unary_received_64", "unary, RECEIVED, 64 in flight", "bare unary server",
              Target("≥ 0.80", 0.80), _router(received=True), _bare(received=True)),
    PairedRow("unary_stored_64", "unary, STORED, 64 in flight", "bare unary server",
              Target("≥ 0.60", 0.60), _router(), _bare()),
    PairedRow("unary_stored_1", "unary, STORED, 1 in flight", "bare unary server, 1 in flight",
              Target("≥ 0.50", 0.50), _router(in_flight=1), _bare(in_flight=1)),
    PairedRow("batch_received", "batch of 1,000, RECEIVED", "bare batch server",
              Target("≥ 0.50, 1M/s", 0.50, router_least=1e6),
              _router(received=True, **_BATCH_LOAD), _bare(received=True, **_BATCH_LOAD),
              notes=_request_notes(_BATCH)),
    PairedRow("batch_stored", "batch of 1,000, STORED", "js_PublishAsync, 4,096 pending",
              Target("≥ 1.00", 1.00), _router(**_BATCH_LOAD), _async,
              notes=_request_notes(_BATCH)),
    PairedRow("stream_received", "stream, frames of 256, RECEIVED", "bare stream server",
              Target("≥ 0.50", 0.50), _router(received=True, **_FRAME_LOAD),
              _bare(received=True, **_FRAME_LOAD), notes=_request_notes(_FRAME)),
    PairedRow("stream_stored", "stream, frames of 256, STORED", "js_PublishAsync, 4,096 pending",
              Target("≥ 1.00", 1.00), _router(**_FRAME_LOAD), _async,
              notes=_request_notes(_FRAME)),
]

# Without a target.
INFORMATION_ROWS = [
    PairedRow("core", "batch of 1,000, RECEIVED", "natsConnection_Publish, flush at the end",
              None, _router(received=True, **_BATCH_LOAD), _core, notes=_request_notes(_BATCH)),
]
