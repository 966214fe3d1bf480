"""deploy/systemd: systemd's own tools find nothing wrong with the unit, its exposure is what the documents
say, and it lets the router do what a router does when it runs."""

import configparser
import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

from harness import oracle as outcomes
from harness.fixture import RouterTestCase
from harness.router import binary_path
from tree import DEPLOY, ROOT, SHUTDOWN_TIMEOUT_S, load_yaml, seconds_of

SYSTEMD = DEPLOY / "systemd"
UNIT = SYSTEMD / "router.service"

# What only root does: SQLite gives its log to the owner of the database.
_AS_ROOT = {"fchown"} if os.geteuid() == 0 else set()


def options():
    """The options of [Service]; those that are given several times, as a list."""
    parser = configparser.RawConfigParser(strict=False, interpolation=None)
    parser.optionxform = str
    parser.read(UNIT)
    found = dict(parser["Service"])
    found["SystemCallFilter"] = re.findall(r"^SystemCallFilter=(.*)$", UNIT.read_text(),
                                           re.MULTILINE)
    return found


def run(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False)


class UnitTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(shutil.rmtree, self.folder)

    def test_systemd_finds_nothing_wrong_with_it(self):
        path = os.path.join(self.folder, "router.service")
        with open(path, "w", encoding="utf-8") as f:
            f.write(UNIT.read_text().replace("/usr/bin/routerd", os.path.realpath(binary_path())))
        result = run("systemd-analyze", "verify", "--man=no", path)
        self.assertEqual((result.returncode, result.stdout + result.stderr), (0, ""))

    def test_its_exposure_is_what_the_documents_say(self):
        result = run("systemd-analyze", "security", "--offline=true", "--no-pager", str(UNIT))
        score = re.search(r"Overall exposure level for router\.service: ([\d.]+) ", result.stdout)
        self.assertIsNotNone(score, result.stdout + result.stderr)
        self.assertLess(float(score.group(1)), 2.0)
        text = (ROOT / "docs" / "deployment.md").read_text(encoding="utf-8")
        self.assertIn(f"`systemd-analyze security` gives it {score.group(1)}", text)

    def test_the_router_has_time_to_stop(self):
        self.assertGreater(seconds_of(options()["TimeoutStopSec"]), SHUTDOWN_TIMEOUT_S + 2)

    def test_a_wrong_configuration_is_not_tried_again(self):
        status = int(options()["RestartPreventExitStatus"])
        result = run(binary_path(), "--check-config", "--log_level=loud")
        self.assertEqual(result.returncode, status)

    def test_folders_are_those_of_the_settings(self):
        settings = load_yaml(SYSTEMD / "router.yaml")
        self.assertEqual(settings["pending"]["dir"], "/var/lib/" + options()["StateDirectory"])
        self.assertEqual(options()["ExecStart"],
                         "/usr/bin/routerd --config /etc/router/router.yaml")
        result = run(binary_path(), "--check-config", "--config", str(SYSTEMD / "router.yaml"))
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_sysusers_makes_the_user_of_the_unit(self):
        os.makedirs(os.path.join(self.folder, "etc"))
        result = run("systemd-sysusers", f"--root={self.folder}", str(SYSTEMD / "router.sysusers"))
        self.assertEqual(result.returncode, 0, result.stderr)
        with open(os.path.join(self.folder, "etc/passwd"), encoding="utf-8") as f:
            self.assertRegex(f.read(), rf"(?m)^{options()['User']}:.*:/var/lib/router:")

    @unittest.skipUnless(os.geteuid() == 0, "only root may give folders away")
    def test_tmpfiles_makes_the_folders(self):
        os.makedirs(os.path.join(self.folder, "etc"))
        run("systemd-sysusers", f"--root={self.folder}", str(SYSTEMD / "router.sysusers"))
        result = run("systemd-tmpfiles", f"--root={self.folder}", "--create",
                     str(SYSTEMD / "router.tmpfiles"))
        self.assertEqual(result.returncode, 0, result.stderr)
        secrets = os.stat(os.path.join(self.folder, "etc/router/secrets"))
        self.assertEqual(stat.S_IMODE(secrets.st_mode), 0o750)


class SystemCallsTest(RouterTestCase):
    """Nothing here can be started by systemd, so the router is watched doing its work instead."""

    def test_the_unit_allows_what_the_router_does(self):
        trace = os.path.join(self.folder, "trace")
        self.start(wrapper=["strace", "-D", "-f", "-qq", "-o", trace], nats_ack_timeout_ms=2000)
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.DELIVERED)
        self.lose_broker()
        self.assertEqual(self.caller.publish("test.a").outcome, outcomes.QUEUED)
        self.bring_broker_back()
        self.router.wait_drained()
        self.assertEqual(self.router.terminate(timeout_s=60), 0)
        with open(trace, encoding="utf-8", errors="replace") as f:
            text = f.read()
        calls = set(re.findall(r"^\d+ +(\w+)\(", text, re.MULTILINE))
        self.assertGreater(len(calls), 40)
        self.assertEqual(sorted(calls - self._allowed() - _AS_ROOT), [])
        families = set(re.findall(r"socket\((AF_\w+)", text))
        self.assertLessEqual(families, set(options()["RestrictAddressFamilies"].split()))
        # MemoryDenyWriteExecute.
        self.assertNotRegex(text, r"(mmap|mprotect)\([^)]*PROT_WRITE\|PROT_EXEC")

    @staticmethod
    def _allowed():
        allow, deny = options()["SystemCallFilter"]
        expanded = expand(allow.split())
        return expanded - expand(deny.lstrip("~").split())


def expand(groups):
    """The system calls of these groups, as this machine's systemd has them."""
    found, todo = set(), list(groups)
    while todo:
        name = todo.pop()
        if not name.startswith("@"):
            found.add(name)
            continue
        result = run("systemd-analyze", "syscall-filter", "--no-pager", name)
        assert result.returncode == 0, result.stderr
        todo += re.findall(r"^    (@?[a-z0-9_-]+)$", result.stdout, re.MULTILINE)
    return found


if __name__ == "__main__":
    unittest.main()
