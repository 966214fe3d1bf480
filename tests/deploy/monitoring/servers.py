"""Prometheus and Alertmanager as child processes, and a receiver of notifications."""

import http.server
import json
import os
import threading
import time
import urllib.error
import urllib.parse
import urllib.request

import yaml

from harness.ports import free_port, give_back
from harness.process import ChildProcess
from harness.waiting import GaveUp, wait_until
from monitoring import shipped, timescale


class QueryFailed(Exception):
    """Prometheus refused an expression."""


class _Server:
    """A child process that answers on a port of its own."""

    def __init__(self, folder, name):
        self.folder = os.path.join(folder, name)
        os.makedirs(self.folder, exist_ok=True)
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.process = ChildProcess(name, os.path.join(self.folder, "output.log"))

    def _start(self, command):
        self.process.spawn(command)
        wait_until(self._is_ready, f"{self.process.name} is ready", 30, poll_s=0.05)

    def _is_ready(self):
        if not self.process.running:
            raise GaveUp(self.process.output()[-3000:])
        with urllib.request.urlopen(self.url + "/-/ready", timeout=2) as response:
            return response.status == 200

    def get(self, path, **parameters):
        query = urllib.parse.urlencode(parameters, doseq=True)
        with urllib.request.urlopen(f"{self.url}{path}?{query}", timeout=30) as response:
            return json.load(response)

    def write(self, path, document):
        path = os.path.join(self.folder, path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w", encoding="utf-8") as f:
            yaml.safe_dump(document, f, sort_keys=False, width=1000)
        return path

    def close(self):
        self.process.kill()
        give_back(self.port)


class Prometheus(_Server):
    """Runs on a copy of the shipped configuration and rules, with other targets and a faster clock."""

    def __init__(self, folder, targets, alertmanager=None, factor=1.0, every=None):
        """`targets`: host:port by job. `every`: the interval of scrapes and rules, if not the scaled
        one."""
        super().__init__(folder, "prometheus")
        config = timescale.scaled_prometheus(
            shipped.load_yaml(shipped.PROMETHEUS / "prometheus.yml"), factor)
        if every is not None:
            config["global"].update(scrape_interval=every, scrape_timeout=every,
                                    evaluation_interval=every)
        self.scrape_interval_s = timescale.milliseconds(config["global"]["scrape_interval"]) / 1000
        targets = dict(targets, prometheus=f"127.0.0.1:{self.port}")
        if alertmanager:
            targets["alertmanager"] = f"127.0.0.1:{alertmanager.port}"
            config["alerting"]["alertmanagers"][0]["static_configs"][0]["targets"] = [
                targets["alertmanager"]]
        else:
            del config["alerting"]
        for job in config["scrape_configs"]:
            address = targets.get(job["job_name"])
            job["static_configs"] = [{"targets": [address] if address else []}]
        for path in shipped.rule_files():
            self.write("rules/" + path.name,
                       timescale.scaled_rules(shipped.load_yaml(path), factor))
        self._config = self.write("prometheus.yml", config)
        self._factor = factor

    def start(self):
        self._start([
            "prometheus", f"--config.file={self._config}",
            f"--storage.tsdb.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
            f"--rules.alert.resend-delay={timescale.scaled('1m', self._factor)}",
            f"--query.lookback-delta={timescale.scaled('5m', self._factor)}", "--log.level=warn"])
        return self

    def query(self, expression):
        """The series of an instant query."""
        return self._ask("/api/v1/query", query=expression)

    def query_range(self, expression, begin, end, step_s):
        return self._ask("/api/v1/query_range", query=expression, start=begin, end=end, step=step_s)

    def _ask(self, path, **parameters):
        try:
            return self.get(path, **parameters)["data"]["result"]
        except urllib.error.HTTPError as e:
            raise QueryFailed(f"{parameters['query']}: {e.read().decode()}") from None

    def rules(self):
        """All rules as Prometheus sees them, by name."""
        groups = self.get("/api/v1/rules")["data"]["groups"]
        return {rule["name"]: rule for group in groups for rule in group["rules"]}

    def states(self):
        """inactive, pending or firing, by alert."""
        return {name: rule["state"] for name, rule in self.rules().items()
                if rule["type"] == "alerting"}


class Alertmanager(_Server):
    """Runs on a copy of the shipped configuration in which all receivers are one webhook, under their
    names."""

    def __init__(self, folder, webhook, factor=1.0):
        super().__init__(folder, "alertmanager")
        config = timescale.scaled_alertmanager(
            shipped.load_yaml(shipped.ALERTMANAGER / "alertmanager.yml"), factor)
        for receiver in config["receivers"]:
            kinds = [key for key in receiver if key != "name"]
            resolved = any(c.get("send_resolved") for kind in kinds for c in receiver.pop(kind))
            if kinds:
                receiver["webhook_configs"] = [
                    {"url": f"{webhook.url}/{receiver['name']}", "send_resolved": resolved}]
        config["global"] = {"resolve_timeout": config["global"]["resolve_timeout"]}
        del config["templates"]
        self._config = self.write("alertmanager.yml", config)

    def start(self):
        self._start([
            "prometheus-alertmanager", f"--config.file={self._config}",
            f"--storage.path={self.folder}/data", f"--web.listen-address=127.0.0.1:{self.port}",
            "--cluster.listen-address=", "--log.level=warn"])
        return self

    def inhibited(self):
        """Names of the alerts that are held back because of another one."""
        return {alert["labels"]["alertname"] for alert in self.get("/api/v2/alerts")
                if alert["status"]["inhibitedBy"]}


class Notification:
    """One alert, as one receiver was told of it."""

    def __init__(self, receiver, alert):
        self.time = time.monotonic()
        self.receiver = receiver
        self.name = alert["labels"]["alertname"]
        self.status = alert["status"]
        self.labels = alert["labels"]
        self.annotations = alert["annotations"]


class WebhookReceiver:
    """Takes what Alertmanager sends, and keeps it."""

    def __init__(self):
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._lock = threading.Lock()
        self._taken = []
        webhook = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):  # pylint: disable=invalid-name
                body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                webhook.take(body)
                self.send_response(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", self.port), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def take(self, body):
        with self._lock:
            self._taken += [Notification(body["receiver"], alert) for alert in body["alerts"]]

    def notifications(self, since=0.0, **fields):
        """Those that came after a time of the monotonic clock, with these attributes."""
        with self._lock:
            return [n for n in self._taken if n.time >= since
                    and all(getattr(n, key) == value for key, value in fields.items())]

    def close(self):
        self._server.shutdown()
        self._server.server_close()
        give_back(self.port)
