"""A stand-in for prometheus-nats-exporter, which Debian does not have.

It makes of a server's /varz, /connz and /jsz the metrics that the exporter makes of them with -varz
-connz -jsz=all, under the same names, as gauges with the exporter's labels as far as dashboards use
them. So names, and what the server says, are tested; the exporter itself is not.
"""

import http.server
import json
import re
import threading
import urllib.request

from harness.ports import free_port, give_back

_CONNZ = ("num_connections", "offset", "total", "limit")
_CONNZ_SUMS = ("pending_bytes", "subscriptions", "in_bytes", "out_bytes", "in_msgs", "out_msgs")
_JSZ = {"total_streams": "streams", "total_consumers": "consumers", "total_messages": "messages",
        "total_message_bytes": "bytes"}
_STREAM = {"total_messages": "messages", "total_bytes": "bytes", "first_seq": "first_seq",
           "last_seq": "last_seq", "consumer_count": "consumer_count"}


def translate(varz, connz, jsz, server_id):
    """(name, labels, value) of every series."""
    server = {"server_id": server_id}
    yield from ((f"gnatsd_varz_{name}", server, value) for name, value in _numbers(varz))
    for name in _CONNZ:
        yield f"gnatsd_connz_{name}", server, connz[name]
    for name in _CONNZ_SUMS:
        yield f"gnatsd_connz_{name}", server, sum(c.get(name, 0) for c in connz["connections"])
    named = dict(server, server_name=varz["server_name"])
    for name, field in _JSZ.items():
        yield f"jetstream_server_{name}", named, jsz[field]
    for name in ("max_memory", "max_storage"):
        yield f"jetstream_server_{name}", named, jsz["config"][name]
    for account in jsz.get("account_details", ()):
        for stream in account.get("stream_detail", ()):
            labels = dict(named, account=account["name"], stream_name=stream["name"])
            for name, field in _STREAM.items():
                yield f"jetstream_stream_{name}", labels, stream["state"][field]


def _numbers(node, prefix=""):
    for key, value in node.items():
        if isinstance(value, dict):
            yield from _numbers(value, f"{prefix}{key}_")
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            # Of /varz, http_req_stats has paths for keys.
            yield re.sub("_+", "_", (prefix + key).replace("/", "_")).strip("_"), value


class NatsExporter:
    """Serves /metrics about one server; nothing but an empty page while that does not answer."""

    def __init__(self, broker):
        self.port = free_port()
        exporter = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):  # pylint: disable=invalid-name
                body = exporter.page().encode()
                self.send_response(200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._url = f"http://127.0.0.1:{broker.monitor_port}/"
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def page(self):
        try:
            pages = [self._get(page) for page in
                     ("varz", "connz", "jsz?accounts=1&streams=1&consumers=1&config=1")]
        except OSError:
            return ""
        lines = {}
        for name, labels, value in translate(*pages, server_id=self._url):
            text = ",".join(f"{key}={json.dumps(label)}" for key, label in labels.items())
            lines.setdefault(name, [f"# TYPE {name} gauge"]).append(f"{name}{{{text}}} {value}")
        return "".join(line + "\n" for group in lines.values() for line in group)

    def _get(self, page):
        with urllib.request.urlopen(self._url + page, timeout=2) as response:
            return json.load(response)

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        give_back(self.port)
