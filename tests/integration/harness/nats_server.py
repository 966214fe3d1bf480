"""The real nats-server as a child process."""

import json
import os
import signal
import urllib.request

from harness import jetstream
from harness.nats_client import NatsClient
from harness.ports import free_port
from harness.process import ChildProcess
from harness.waiting import wait_until


class NatsServer:
    """One server with its own port and store, which it keeps when it is started again."""

    def __init__(self, folder, name="broker", jetstream_enabled=True, config=None,
                 client_options=None, env=None):
        """`config`: top-level entries of the configuration file, as text by name. `env`: added to
        the environment."""
        self.env = env
        self.port = free_port()
        self.monitor_port = free_port()
        self.name = name
        self.folder = os.path.join(folder, name)
        self.config = dict(config or {})
        self.jetstream_enabled = jetstream_enabled
        self.client_options = dict(client_options or {})
        os.makedirs(self.folder, exist_ok=True)
        self.process = ChildProcess(name, os.path.join(self.folder, "output.log"))

    @property
    def url(self):
        return f"nats://127.0.0.1:{self.port}"

    def spawn(self):
        """Starts it and does not wait."""
        entries = {
            "server_name": json.dumps(self.name),
            "listen": f"127.0.0.1:{self.port}",
            "http": f"127.0.0.1:{self.monitor_port}",
        }
        if self.jetstream_enabled:
            entries["jetstream"] = f'{{store_dir: "{self.folder}/store"}}'
        entries.update(self.config)
        path = os.path.join(self.folder, "nats.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(f"{key}: {value}\n" for key, value in entries.items())
        self.process.spawn(["nats-server", "-c", path], self.env)

    def start(self):
        self.spawn()
        wait_until(self._ready, f"{self.name} answers on port {self.port}", 15)
        return self

    def _ready(self):
        assert self.process.running, self.process.output()[-2000:]
        with self.client() as client:
            if self.jetstream_enabled:
                jetstream.call(client, "INFO")
        return True

    def client(self, **options):
        return NatsClient(self.port, **dict(self.client_options, **options))

    def kill(self):
        self.process.kill()

    def restart(self):
        self.kill()
        return self.start()

    def stop_running(self):
        self.process.stop_running()

    def go_on(self):
        self.process.go_on()

    def reload(self):
        """Reads `self.config` again, where the server can change an entry at run time."""
        path = os.path.join(self.folder, "nats.conf")
        with open(path, encoding="utf-8") as f:
            lines = [line for line in f if line.partition(":")[0] not in self.config]
        with open(path, "w", encoding="utf-8") as f:
            f.writelines(lines + [f"{key}: {value}\n" for key, value in self.config.items()])
        self.process.signal(signal.SIGHUP)

    def lame_duck(self):
        """Asks it to send its clients away."""
        self.process.signal(signal.SIGUSR2)

    def monitor(self, page):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.monitor_port}/{page}",
                                    timeout=5) as response:
            return json.load(response)

    def create_stream(self, name, subjects, **config):
        with self.client() as client:
            return jetstream.create_stream(client, name, subjects, **config)

    def dump(self, stream):
        """Every message of the stream."""
        with self.client(timeout_s=20.0) as client:
            return jetstream.dump(client, stream)

    def message_count(self, stream):
        with self.client() as client:
            return jetstream.stream_info(client, stream)["state"]["messages"]
