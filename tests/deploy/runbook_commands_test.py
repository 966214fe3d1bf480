"""What runbooks tell people to look at, run as it stands beside a router that has seen an outage."""

import os
import subprocess
import tempfile
import unittest

from harness.waiting import wait_until
from monitoring import shipped
from monitoring.runbook import runbooks
from monitoring.stack import Stack


class RunbookCommandsTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = cls.enterClassContext(
            tempfile.TemporaryDirectory(dir=os.environ.get("TEST_TMPDIR")))
        cls.stack = cls.enterClassContext(
            Stack(cls.folder, every="500ms", nats_reconnect_attempts=4))
        stack = cls.stack
        stack.broker.kill()
        wait_until(lambda: stack.router.metric("router_nats_connection_status") == 0,
                   "attempts run out", 30)
        stack.broker.start()
        stack.router.wait_connected()
        wait_until(lambda: stack.prometheus.query("job:router_publish_errors:ratio_rate5m"),
                   "rules have run", 30)
        # The first time it may meet no Alertmanager; Prometheus sends it again after a minute.
        wait_until(lambda: stack.alertmanager.get("/api/v2/alerts"), "an alert has come", 90)

    def script(self, block):
        """The block, with this machine's ports and folders, and the log of this router."""
        stack = self.stack
        for place, here in {
                "127.0.0.1:9001": f"127.0.0.1:{stack.router.http_port}",
                "127.0.0.1:9090": f"127.0.0.1:{stack.prometheus.port}",
                "127.0.0.1:9093": f"127.0.0.1:{stack.alertmanager.port}",
                "127.0.0.1:8222": f"127.0.0.1:{stack.broker.monitor_port}",
                "/var/lib/router": stack.router.settings["pending_dir"]}.items():
            block = block.replace(place, here)
        return ("set -euo pipefail\n"
                f"routerctl() {{ '{shipped.routerctl()}' \"$@\"; }}\n"
                f"journalctl() {{ [ \"$*\" = '-u router -o cat' ] && cat '{stack.log_path()}'; }}\n"
                + block)

    def test_commands_of_diagnosis_work(self):
        done_before = set()
        address = f"127.0.0.1:{self.stack.router.grpc_port}"
        for name, book in runbooks().items():
            for block in book.blocks("Diagnosis"):
                if block in done_before:
                    continue
                done_before.add(block)
                with self.subTest(name, block=block):
                    done = subprocess.run(
                        ["bash", "-c", self.script(block)], capture_output=True, text=True,
                        check=False, timeout=60, stdin=subprocess.DEVNULL,
                        env={**os.environ, "ROUTERCTL_ADDRESS": address, "HOME": self.folder})
                    self.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)
        self.assertGreater(len(done_before), 40)

    def test_what_an_outage_leaves_is_found(self):
        for name, patterns in {
                "RouterNATSConnectionDown": ["NATS_CONNECTION_LOST", "NATS_RECONNECTION_EXHAUSTED"],
                "RouterNATSReconnectFailureRate": [r"(?m)^ +\d+ \S"],
                "RouterTargetAbsent": ['"health":"up"']}.items():
            output = "".join(subprocess.run(
                ["bash", "-c", self.script(block)], capture_output=True, text=True, check=False,
                timeout=60, env={**os.environ, "HOME": self.folder}).stdout
                for block in runbooks()[name].blocks("Diagnosis") if "routerctl" not in block)
            for pattern in patterns:
                self.assertRegex(output, pattern, name)


if __name__ == "__main__":
    unittest.main()
