"""A collector of spans: an HTTP server that takes OTLP in its JSON form and is strict about it."""

import http.server
import json
import re
import threading

from harness.ports import free_port, give_back
from harness.waiting import wait_until

_TRACE_ID = re.compile(r"^(?!0{32})[0-9a-f]{32}$")
_SPAN_ID = re.compile(r"^(?!0{16})[0-9a-f]{16}$")
_NANOSECONDS = re.compile(r"^[0-9]{19}$")
_SPAN_FIELDS = {
    "traceId": str, "spanId": str, "parentSpanId": str, "traceState": str, "flags": int,
    "name": str, "kind": int, "startTimeUnixNano": str, "endTimeUnixNano": str,
    "attributes": list, "status": dict}
_VALUES = {"stringValue": str, "intValue": str, "boolValue": bool, "doubleValue": float}


class ShapeError(Exception):
    """What was sent is no ExportTraceServiceRequest."""


def _require(held, what):
    if not held:
        raise ShapeError(what)


def _only(value, fields, what):
    _require(isinstance(value, dict), f"{what} is an object")
    _require(set(value) <= set(fields), f"{what} has {sorted(set(value) - set(fields))}")
    return value


def _attributes(attributes, what):
    found = {}
    for attribute in attributes:
        _only(attribute, ("key", "value"), what)
        (kind, value), = attribute["value"].items()
        _require(isinstance(value, _VALUES[kind]), f"{what}: {kind} of {attribute['key']}")
        _require(attribute["key"] not in found, f"{what}: {attribute['key']} twice")
        found[attribute["key"]] = int(value) if kind == "intValue" else value
    return found


class Span:
    """One span, checked."""

    def __init__(self, fields, resource):
        _only(fields, _SPAN_FIELDS, "a span")
        for name, value in fields.items():
            _require(isinstance(value, _SPAN_FIELDS[name]), f"{name} is {value!r}")
        self.resource = resource
        self.trace_id, self.span_id = fields["traceId"], fields["spanId"]
        self.parent_id = fields["parentSpanId"]
        _require(_TRACE_ID.match(self.trace_id), f"traceId {self.trace_id}")
        _require(_SPAN_ID.match(self.span_id), f"spanId {self.span_id}")
        _require(_SPAN_ID.match(self.parent_id), f"parentSpanId {self.parent_id}")
        self.trace_state = fields.get("traceState", "")
        self.name, self.kind = fields["name"], fields["kind"]
        _require(self.name and 1 <= self.kind <= 5, f"name {self.name!r}, kind {self.kind}")
        for name in ("startTimeUnixNano", "endTimeUnixNano"):
            _require(_NANOSECONDS.match(fields[name]), f"{name} {fields[name]!r}")
        self.start_ns, self.end_ns = int(fields["startTimeUnixNano"]), int(fields["endTimeUnixNano"])
        _require(self.start_ns <= self.end_ns, "it ends before it starts")
        self.attributes = _attributes(fields["attributes"], "a span")
        status = _only(fields["status"], ("code", "message"), "a status")
        _require(status.get("code", 0) in (0, 1, 2), f"status {status}")
        self.is_error = status.get("code") == 2
        self.error = status.get("message", "")


def spans_of(request):
    """The spans of an ExportTraceServiceRequest. Raises ShapeError."""
    spans = []
    _only(request, ("resourceSpans",), "a request")
    for resource_spans in request["resourceSpans"]:
        _only(resource_spans, ("resource", "scopeSpans"), "resourceSpans")
        resource = _attributes(resource_spans["resource"]["attributes"], "a resource")
        _require(resource.get("service.name"), "a resource has a service.name")
        for scope_spans in resource_spans["scopeSpans"]:
            _only(scope_spans, ("scope", "spans"), "scopeSpans")
            _only(scope_spans["scope"], ("name", "version"), "a scope")
            spans += [Span(fields, resource) for fields in scope_spans["spans"]]
    return spans


class Collector:
    """Takes POST /v1/traces. Answers with `status`, once it may: see `hold` and `release`."""

    def __init__(self):
        self.port = free_port()
        self.status = 200
        self.headers = []
        self.problems = []
        self._lock = threading.Lock()
        self._spans = []
        self._requests = 0
        self._may_answer = threading.Event()
        self._may_answer.set()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                collector._take(self)

            def log_message(self, *args):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.port}"

    def hold(self):
        """Answers nobody until `release`."""
        self._may_answer.clear()

    def release(self):
        self._may_answer.set()

    @property
    def requests(self):
        with self._lock:
            return self._requests

    def spans(self, name=""):
        with self._lock:
            return [span for span in self._spans if name in span.name]

    def wait_for_spans(self, count, name="", deadline_s=20.0):
        wait_until(lambda: len(self.spans(name)) >= count or self.problems,
                   f"{count} spans {name}", deadline_s)
        assert not self.problems, self.problems
        return self.spans(name)

    def close(self):
        self.release()
        self._server.shutdown()
        self._server.server_close()
        give_back(self.port)

    def _take(self, handler):
        body = handler.rfile.read(int(handler.headers["Content-Length"]))
        with self._lock:
            self._requests += 1
            self.headers.append(dict(handler.headers))
            status = self.status
            try:
                _require(handler.path == "/v1/traces", handler.path)
                _require(handler.headers["Content-Type"] == "application/json", "content type")
                spans = spans_of(json.loads(body))
                if status == 200:
                    self._spans += spans
            except (ShapeError, ValueError, KeyError, TypeError) as e:
                self.problems.append(f"{e!r} in {body[:2000]!r}")
        self._may_answer.wait(60)
        try:
            handler.send_response(status)
            handler.send_header("Content-Type", "application/json")
            handler.send_header("Content-Length", "2")
            handler.end_headers()
            handler.wfile.write(b"{}")
        except OSError:
            pass  # The router has given up.
