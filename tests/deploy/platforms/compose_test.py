"""deploy/compose, as far as it can be checked without Docker: docker-compose takes it, every file that it
names is there, and the real NATS server and router take what it gives them."""

import os
import re
import shutil
import stat
import subprocess
import tempfile
import unittest

import yaml

from harness import oracle as outcomes
from harness.caller import Caller
from harness.fixture import RouterTestCase
from harness.router import binary_path
from harness.waiting import wait_until
from tree import (DEPLOY, GRPC_PORT, HTTP_PORT, ROOT, SHUTDOWN_TIMEOUT_S, bytes_of, load_yaml,
                  port_of, seconds_of)

COMPOSE = DEPLOY / "compose"
PROFILES = {"loki": "logs", "promtail": "logs", "traces": "traces"}


def copy_with_secrets(folder):
    """A copy of deploy/ in which the secrets are made; the path of compose/ in it."""
    copy = os.path.join(folder, "deploy")
    shutil.copytree(DEPLOY, copy, ignore=shutil.ignore_patterns("secrets", ".env"))
    compose = os.path.join(copy, "compose")
    subprocess.run([os.path.join(compose, "secrets.sh")], check=True, capture_output=True)
    return compose


class ComposeFileTest(unittest.TestCase):

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        cls.compose = copy_with_secrets(cls.folder)
        cls.source = load_yaml(COMPOSE / "docker-compose.yml")
        cls.services = cls.resolved()["services"]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    @classmethod
    def resolved(cls, **environment):
        result = subprocess.run(
            ["docker-compose", "--profile", "logs", "--profile", "traces", "config"],
            cwd=cls.compose, env=dict(os.environ, HOME=cls.folder, **environment),
            capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return yaml.safe_load(result.stdout)

    def test_docker_compose_takes_it(self):
        self.assertEqual(sorted(self.services), sorted(
            ["nats", "streams", "nats-exporter", "router", "prometheus", "alertmanager", "grafana",
             "loki", "promtail", "traces"]))

    def test_only_the_optional_ones_have_a_profile(self):
        profiles = {name: service.get("profiles") for name, service in self.services.items()}
        self.assertEqual({n: p[0] for n, p in profiles.items() if p}, PROFILES)

    def test_files_that_are_mounted_are_there(self):
        for name, service in self.services.items():
            for volume in service.get("volumes", []):
                source = volume.split(":")[0] if isinstance(volume, str) else volume["source"]
                if not source.startswith("/") or source == "/var/run/docker.sock":
                    continue
                self.assertTrue(os.path.exists(source), f"{name} mounts {source}")

    def test_nothing_is_mounted_below_a_folder_that_is_mounted_read_only(self):
        for name, service in self.services.items():
            targets = {}
            for volume in service.get("volumes", []):
                _, target, *mode = volume.split(":")
                targets[target] = mode == ["ro"]
            for target in targets:
                for other, read_only in targets.items():
                    inside = target != other and target.startswith(other.rstrip("/") + "/")
                    self.assertFalse(inside and read_only, f"{name}: {target} inside {other}")

    def test_configuration_files_parse(self):
        for path in COMPOSE.rglob("*.yml"):
            self.assertTrue(load_yaml(path), path)

    def test_volumes_and_secrets_are_used_and_declared(self):
        used_volumes, used_secrets = set(), set()
        for service in self.source["services"].values():
            used_secrets |= set(service.get("secrets", []))
            used_volumes |= {v.split(":")[0] for v in service.get("volumes", [])
                             if not v.startswith((".", "/"))}
        self.assertEqual(used_volumes, set(self.source["volumes"]))
        self.assertEqual(used_secrets, set(self.source["secrets"]))

    def test_images_have_a_version(self):
        for name, service in self.services.items():
            tag = service["image"].rpartition(":")[2]
            self.assertRegex(tag, r"^v?\d+\.\d+\.\d+", f"{name}: {service['image']}")

    def test_the_router_is_built_from_the_dockerfile(self):
        build = self.services["router"]["build"]
        self.assertEqual(build["dockerfile"], "deploy/docker/Dockerfile")
        self.assertEqual(os.path.realpath(build["context"]), os.path.realpath(self.folder))
        version = re.search(r'kRouterVersion\[\] = "(.*)"',
                            (ROOT / "server/base/version.h").read_text()).group(1)
        self.assertEqual(self.services["router"]["image"], f"router:{version}")

    def test_what_runs_for_ever_says_how_it_is(self):
        for name, service in self.services.items():
            if name in ("router", "streams"):  # It has the image's; it ends.
                continue
            self.assertIn("healthcheck", service, name)

    def test_those_who_are_waited_for_can_be(self):
        for name, service in self.services.items():
            for other, how in service.get("depends_on", {}).items():
                self.assertIn(other, self.services, name)
                if how["condition"] == "service_healthy":
                    self.assertTrue("healthcheck" in self.services[other], f"{name}: {other}")
                self.assertNotIn("profiles", self.services[other] if name not in PROFILES else {})

    def test_ports_are_open_on_loopback_only(self):
        for name, service in self.services.items():
            for port in service.get("ports", []):
                self.assertTrue(port.startswith("127.0.0.1:"), f"{name}: {port}")

    def test_nothing_has_a_password_in_it(self):
        text = (COMPOSE / "docker-compose.yml").read_text()
        self.assertNotRegex(text, r"(?i)password: *[^$\s{/]")
        self.assertEqual(self.services["grafana"]["environment"]["GF_AUTH_ANONYMOUS_ENABLED"],
                         "false")
        self.assertEqual(
            self.services["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD__FILE"],
            "/run/secrets/grafana_admin_password")

    def test_the_router_has_time_to_stop(self):
        self.assertGreater(seconds_of(self.services["router"]["stop_grace_period"]),
                           SHUTDOWN_TIMEOUT_S + 2)

    def test_the_router_cannot_do_more_than_it_has_to(self):
        router = self.services["router"]
        self.assertTrue(router["read_only"])
        self.assertEqual(router["cap_drop"], ["ALL"])
        self.assertIn("no-new-privileges:true", router["security_opt"])

    def test_prometheus_finds_what_it_scrapes(self):
        ports = {"router": HTTP_PORT, "nats-exporter": 7777, "alertmanager": 9093, "localhost": 9090}
        config = load_yaml(DEPLOY / "prometheus" / "prometheus.yml")
        found = set()
        for job in config["scrape_configs"]:
            for static in job["static_configs"]:
                for target in static["targets"]:
                    host, _, port = target.partition(":")
                    self.assertEqual(ports.get(host), int(port), target)
                    found.add(host)
        self.assertEqual(found, set(ports))
        self.assertEqual(self.services["nats-exporter"]["command"][-3:],
                         ["-port", "7777", "http://nats:8222"])

    def test_grafana_finds_its_data_sources(self):
        urls = {s["url"] for path in (COMPOSE / "grafana" / "logs_and_traces.yml",
                                      DEPLOY / "grafana/provisioning/datasources/prometheus.yml")
                for s in load_yaml(path)["datasources"]}
        self.assertEqual(urls, {"http://prometheus:9090", "http://loki:3100",
                                "http://traces:16686"})
        for url in urls:
            self.assertIn(re.match(r"http://(\w+):", url).group(1), self.services)

    def test_alertmanager_finds_its_secrets(self):
        text = (DEPLOY / "alertmanager" / "alertmanager.yml").read_text()
        for path in re.findall(r"_file: (/\S+)", text):
            folder, _, name = path.rpartition("/")
            self.assertEqual(folder, "/etc/alertmanager/secrets")
            self.assertTrue(os.path.exists(os.path.join(self.compose, "secrets/alertmanager", name)))

    def test_the_collector_is_off_unless_it_is_named(self):
        self.assertEqual(self.services["router"]["environment"]["ROUTER_OTLP_ENDPOINT"], "")
        named = self.resolved(ROUTER_OTLP_ENDPOINT="http://traces:4318")["services"]["router"]
        self.assertEqual(named["environment"]["ROUTER_OTLP_ENDPOINT"], "http://traces:4318")

    def test_logs_come_with_the_label_that_queries_use(self):
        self.assertEqual(self.services["router"]["labels"]["job"], "router")
        scrape, = load_yaml(COMPOSE / "promtail" / "promtail.yml")["scrape_configs"]
        self.assertIn({"source_labels": ["__meta_docker_container_label_job"],
                       "target_label": "job"}, scrape["relabel_configs"])


class SecretsTest(unittest.TestCase):

    def setUp(self):
        self.folder = tempfile.mkdtemp(dir=os.environ.get("TEST_TMPDIR"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.compose = copy_with_secrets(self.folder)

    def read(self, name):
        with open(os.path.join(self.compose, "secrets", name), encoding="utf-8") as f:
            return f.read()

    def run_again(self):
        subprocess.run([os.path.join(self.compose, "secrets.sh")], check=True, capture_output=True)

    def test_each_is_long_and_different(self):
        found = {self.read(n) for n in ("nats_router_password", "nats_admin_password",
                                        "grafana_admin_password")}
        self.assertEqual({len(password) for password in found}, {48})
        self.assertEqual(len(found), 3)

    def test_nobody_else_gets_into_the_folder(self):
        mode = stat.S_IMODE(os.stat(os.path.join(self.compose, "secrets")).st_mode)
        self.assertEqual(mode, 0o700)

    def test_a_second_run_keeps_them(self):
        names = ("nats_router_password", "nats_admin_password", "grafana_admin_password",
                 "nats_users.conf")
        before = [self.read(name) for name in names]
        self.run_again()
        self.assertEqual([self.read(name) for name in names], before)

    def test_a_password_that_was_removed_is_new_everywhere(self):
        for name in ("nats_router_password", "nats_admin_password"):
            before, users = self.read(name), self.read("nats_users.conf")
            self.assertIn(f'"{before}"', users)
            os.remove(os.path.join(self.compose, "secrets", name))
            self.run_again()
            self.assertNotEqual(self.read(name), before)
            self.assertEqual(self.read("nats_users.conf"), users.replace(before, self.read(name)))

    def test_what_the_operator_fills_can_be_written_by_its_owner_alone(self):
        for name in os.listdir(os.path.join(self.compose, "secrets/alertmanager")):
            path = os.path.join(self.compose, "secrets/alertmanager", name)
            self.assertEqual(stat.S_IMODE(os.stat(path).st_mode), 0o644, name)

    def test_git_and_docker_pass_them_over(self):
        for name in (".gitignore", ".dockerignore"):
            self.assertRegex((ROOT / name).read_text(), r"(?m)^/?deploy/compose/secrets/?$")


class RealServersTest(RouterTestCase):
    """The NATS server and the router of this machine, with the files of deploy/compose."""

    def start_broker_of_compose(self):
        self.compose = copy_with_secrets(self.folder)
        with open(os.path.join(self.compose, "secrets/nats_admin_password"),
                  encoding="ascii") as f:
            admin = {"user": "admin", "pass": f.read()}
        with open(os.path.join(self.compose, "secrets/nats_users.conf"), encoding="ascii") as f:
            users = f.read().partition("authorization ")[2]
        return self.start_broker(stream=None, config={"authorization": users},
                                 client_options=admin)

    def test_the_nats_server_takes_its_configuration(self):
        compose = copy_with_secrets(self.folder)
        text = (COMPOSE / "nats" / "nats-server.conf").read_text()
        # The packaged server is older than this one, and does not know it.
        text, count = re.subn(r"(?m)^  sync_interval: always.*\n", "", text)
        self.assertEqual(count, 1)
        shutil.copy(os.path.join(compose, "secrets/nats_users.conf"),
                    os.path.join(self.folder, "users.conf"))
        path = os.path.join(self.folder, "nats-server.conf")
        with open(path, "w", encoding="utf-8") as f:
            f.write(text)
        result = subprocess.run(["nats-server", "-c", path, "-t"], capture_output=True, text=True,
                                check=False)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertIn("is valid", result.stderr)

    def test_the_router_takes_its_settings(self):
        compose = copy_with_secrets(self.folder)
        password = os.path.join(compose, "secrets/nats_router_password")
        result = subprocess.run(
            [binary_path(), "--check-config", "--config", str(COMPOSE / "router" / "router.yaml"),
             f"--nats_password_file={password}"],
            env={"ROUTER_OTLP_ENDPOINT": ""}, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)
        settings = load_yaml(COMPOSE / "router" / "router.yaml")
        self.assertEqual(port_of(settings["grpc"]["listen"]), GRPC_PORT)
        self.assertEqual(port_of(settings["http"]["listen"]), HTTP_PORT)
        self.assertGreater(bytes_of(settings["pending"]["max_bytes"]), 0)
        self.assertEqual(settings["grpc"]["flood_ban_ms"], 0, "all callers have one address")

    def test_the_routers_user_may_do_what_the_router_does_and_no_more(self):
        broker = self.start_broker_of_compose()
        broker.create_stream("EVENTS", ["events.>"], duplicate_window=int(1e8))
        router = self.start_router(
            nats_user="router",
            nats_password_file=os.path.join(self.compose, "secrets/nats_router_password"))
        caller = Caller(router, self.oracle)
        self.assertEqual(caller.publish("events.a").outcome, outcomes.DELIVERED)
        broker.stop_running()  # In doubt, and beyond the duplicate window: it has to look.
        self.assertEqual(caller.publish("events.a").outcome, outcomes.QUEUED)
        router.wait_not_connected()
        broker.go_on()
        router.wait_connected()
        router.wait_drained()
        self.assertEqual(broker.message_count("EVENTS"), 2)
        self.assertEqual(router.metric("router_nats_possible_duplicates_total"), 0)
        with broker.client(user="router", **{"pass": self._router_password()}) as client:
            client.publish("$JS.API.STREAM.DELETE.EVENTS")
            client.publish("$JS.API.STREAM.PURGE.EVENTS")
            with self.assertRaisesRegex(Exception, "Permissions Violation"):
                client.flush()
                client.flush()
        wait_until(lambda: broker.message_count("EVENTS") == 2, "the stream is still there")

    def _router_password(self):
        with open(os.path.join(self.compose, "secrets/nats_router_password"),
                  encoding="ascii") as f:
            return f.read()


if __name__ == "__main__":
    unittest.main()
