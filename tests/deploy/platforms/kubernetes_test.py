"""deploy/kubernetes: the files are there and parse, they fit one another and the router, and kustomize, where
there is one, makes of them what is meant."""

import os
import shutil
import subprocess
import tempfile
import unittest

import yaml

from harness.router import binary_path
from tree import (DEPLOY, GRPC_PORT, HTTP_PORT, ROOT, bytes_of, load_all_yaml, load_yaml, port_of)

KUBERNETES = DEPLOY / "kubernetes"
BASE = KUBERNETES / "base"
NAME = {"app.kubernetes.io/name": "router"}


def kustomizations():
    return sorted(KUBERNETES.rglob("kustomization.yaml"))


def resources_of(folder):
    """The resources of one kustomization, by kind and name."""
    found = {}
    for name in load_yaml(folder / "kustomization.yaml")["resources"]:
        path = folder / name
        if path.is_file():
            for resource in load_all_yaml(path):
                found[resource["kind"], resource["metadata"]["name"]] = resource
    return found


class FilesTest(unittest.TestCase):

    def test_every_file_that_is_named_is_there(self):
        for path in kustomizations():
            content = load_yaml(path)
            named = content.get("resources", []) + content.get("components", [])
            named += [patch["path"] for patch in content.get("patches", [])]
            for generator in content.get("configMapGenerator", []):
                named += generator["files"]
            for name in named:
                target = path.parent / name
                self.assertTrue(target.is_file() or (target / "kustomization.yaml").is_file(),
                                f"{path} names {name}")

    def test_every_file_that_is_there_is_named(self):
        for path in kustomizations():
            text = path.read_text()
            for other in path.parent.glob("*.yaml"):
                if other != path:
                    self.assertIn(other.name, text, path)

    def test_every_file_parses_and_says_what_it_is(self):
        for path in KUBERNETES.rglob("*.yaml"):
            if path.name == "router.yaml":
                continue
            for resource in load_all_yaml(path):
                self.assertIn("kind", resource, path)
                self.assertIn("apiVersion", resource, path)

    def test_the_rules_are_those_of_prometheus(self):
        result = subprocess.run([str(KUBERNETES / "generate_rules.py"), "--check"],
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stderr)


class BaseTest(unittest.TestCase):

    def setUp(self):
        self.resources = resources_of(BASE)
        self.stateful_set = self.resources["StatefulSet", "router"]["spec"]
        self.pod = self.stateful_set["template"]["spec"]
        self.router, = self.pod["containers"]
        self.settings = load_yaml(BASE / "router.yaml")

    def test_selectors_match_the_pods(self):
        labels = self.stateful_set["template"]["metadata"]["labels"]
        selectors = [
            self.stateful_set["selector"]["matchLabels"],
            self.resources["Service", "router"]["spec"]["selector"],
            self.resources["Service", "router-headless"]["spec"]["selector"],
            self.resources["PodDisruptionBudget", "router"]["spec"]["selector"]["matchLabels"],
            self.resources["NetworkPolicy", "router"]["spec"]["podSelector"]["matchLabels"],
        ]
        for selector in selectors:
            self.assertTrue(selector.items() <= labels.items(), selector)

    def test_ports_are_those_of_the_router_and_have_the_same_names_everywhere(self):
        ports = {p["name"]: p["containerPort"] for p in self.router["ports"]}
        self.assertEqual(ports, {"grpc": GRPC_PORT, "http": HTTP_PORT})
        self.assertEqual(port_of(self.settings["grpc"]["listen"]), GRPC_PORT)
        self.assertEqual(port_of(self.settings["http"]["listen"]), HTTP_PORT)
        for name in ("router", "router-headless"):
            for port in self.resources["Service", name]["spec"]["ports"]:
                self.assertEqual(port["port"], ports[port["targetPort"]])
        for rule in self.resources["NetworkPolicy", "router"]["spec"]["ingress"]:
            for port in rule["ports"]:
                self.assertIn(port["port"], ports)

    def test_the_headless_service_is_that_of_the_stateful_set(self):
        service = self.resources["Service", self.stateful_set["serviceName"]]
        self.assertEqual(service["spec"]["clusterIP"], "None")

    def test_probes_ask_what_they_are_meant_to(self):
        paths = {name: self.router[name]["httpGet"] for name in
                 ("startupProbe", "livenessProbe", "readinessProbe")}
        self.assertEqual(paths, {"startupProbe": {"path": "/livez", "port": "http"},
                                 "livenessProbe": {"path": "/livez", "port": "http"},
                                 "readinessProbe": {"path": "/readyz", "port": "http"}})

    def test_the_router_has_time_to_stop(self):
        pause_s = int(self.router["lifecycle"]["preStop"]["exec"]["command"][1])
        needed_s = pause_s + self.settings["shutdown_timeout_ms"] / 1000 + 2
        self.assertGreater(self.pod["terminationGracePeriodSeconds"], needed_s)

    def test_nothing_runs_as_root_or_writes_where_it_need_not(self):
        security = self.pod["securityContext"]
        self.assertTrue(security["runAsNonRoot"])
        dockerfile = (DEPLOY / "docker" / "Dockerfile").read_text()
        self.assertIn(f"USER {security['runAsUser']}:{security['runAsGroup']}\n", dockerfile)
        self.assertEqual(security["fsGroup"], security["runAsGroup"])
        self.assertEqual(security["seccompProfile"], {"type": "RuntimeDefault"})
        self.assertEqual(self.router["securityContext"], {
            "allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]}})
        self.assertFalse(self.pod["automountServiceAccountToken"])

    def test_what_is_mounted_is_a_volume_and_what_is_a_volume_is_mounted(self):
        volumes = {v["name"] for v in self.pod["volumes"]}
        volumes |= {v["metadata"]["name"] for v in self.stateful_set["volumeClaimTemplates"]}
        mounts = {m["name"]: m["mountPath"] for m in self.router["volumeMounts"]}
        self.assertEqual(set(mounts), volumes)
        self.assertEqual(mounts["queue"], self.settings["pending"]["dir"])
        self.assertTrue(self.settings["nats"]["creds_file"].startswith(mounts["nats"] + "/"))
        self.assertEqual(self.router["args"], ["--config", mounts["config"]])
        self.assertFalse(self.pod["enableServiceLinks"])

    def test_the_volume_holds_what_the_queue_may_grow_to(self):
        claim, = self.stateful_set["volumeClaimTemplates"]
        volume = bytes_of(claim["spec"]["resources"]["requests"]["storage"])
        queue = 2 * bytes_of(self.settings["pending"]["max_bytes"]) + (64 << 20)
        self.assertGreater(volume, queue + (256 << 20))  # And pending_min_free_disk_bytes.

    def test_it_asks_for_resources(self):
        self.assertIn("cpu", self.router["resources"]["requests"])
        self.assertGreaterEqual(bytes_of(self.router["resources"]["limits"]["memory"]),
                                bytes_of(self.router["resources"]["requests"]["memory"]))

    def test_the_router_takes_its_settings(self):
        with tempfile.NamedTemporaryFile(dir=os.environ.get("TEST_TMPDIR")) as creds:
            creds.write(b"x")
            creds.flush()
            result = subprocess.run(
                [binary_path(), "--check-config", "--config", str(BASE / "router.yaml"),
                 f"--nats_creds_file={creds.name}"],
                env={}, capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_router_takes_the_arguments_of_the_overlay_to_try_out(self):
        patch = load_yaml(KUBERNETES / "overlays/try_out/stateful_set_patch.yaml")
        container, = patch["spec"]["template"]["spec"]["containers"]
        result = subprocess.run([binary_path(), "--check-config"] + container["args"], env={},
                                capture_output=True, text=True, check=False)
        self.assertEqual(result.returncode, 0, result.stdout + result.stderr)

    def test_the_image_is_of_this_version(self):
        self.assertIn(f'"{self.router["image"].partition(":")[2]}"',
                      (ROOT / "server/base/version.h").read_text())


class MonitoringTest(unittest.TestCase):

    def test_the_monitor_finds_the_port_and_calls_the_job_router(self):
        monitor = load_yaml(KUBERNETES / "components/monitoring/service_monitor.yaml")["spec"]
        service = resources_of(BASE)["Service", "router"]
        self.assertIn(monitor["endpoints"][0]["port"],
                      [port["name"] for port in service["spec"]["ports"]])
        self.assertEqual(monitor["jobLabel"], "app.kubernetes.io/name")
        self.assertEqual(monitor["selector"]["matchLabels"], NAME)
        labels = load_yaml(BASE / "kustomization.yaml")["labels"][0]["pairs"]
        self.assertTrue(NAME.items() <= labels.items())
        jobs = [j["job_name"] for j in
                load_yaml(DEPLOY / "prometheus/prometheus.yml")["scrape_configs"]]
        self.assertIn(NAME["app.kubernetes.io/name"], jobs)


@unittest.skipUnless(shutil.which("kubectl"), "kubectl, which has kustomize in it, is not here")
class KustomizeTest(unittest.TestCase):

    @staticmethod
    def build(overlay):
        result = subprocess.run(["kubectl", "kustomize", str(KUBERNETES / "overlays" / overlay)],
                                capture_output=True, text=True, check=False)
        assert result.returncode == 0, result.stderr
        return {(r["kind"], r["metadata"]["name"]): r for r in yaml.safe_load_all(result.stdout)}

    def test_production(self):
        built = self.build("production")
        stateful_set = built["StatefulSet", "router"]
        self.assertEqual(stateful_set["spec"]["replicas"], 3)
        self.assertIn(("PrometheusRule", "router"), built)
        self.assertIn(("ServiceMonitor", "router"), built)
        self._check(built, "router")
        pod = stateful_set["spec"]["template"]
        for constraint in pod["spec"]["topologySpreadConstraints"]:
            selector = constraint["labelSelector"]["matchLabels"]
            self.assertTrue(selector.items() <= pod["metadata"]["labels"].items())

    def test_try_out(self):
        built = self.build("try_out")
        self.assertNotIn("PrometheusRule", {kind for kind, _ in built})
        self._check(built, "router-try-out")
        volumes = built["StatefulSet", "router"]["spec"]["template"]["spec"]["volumes"]
        nats, = [v for v in volumes if v["name"] == "nats"]
        self.assertTrue(nats["secret"]["optional"])

    def _check(self, built, namespace):
        config, = [name for kind, name in built if kind == "ConfigMap"]
        stateful_set = built["StatefulSet", "router"]
        volumes = {v["name"]: v for v in stateful_set["spec"]["template"]["spec"]["volumes"]}
        self.assertEqual(volumes["config"]["configMap"]["name"], config)
        self.assertEqual(stateful_set["spec"]["selector"]["matchLabels"], NAME)
        for (kind, name), resource in built.items():
            if kind != "Namespace":
                self.assertEqual(resource["metadata"]["namespace"], namespace, (kind, name))
        callers = built["NetworkPolicy", "router"]["spec"]["ingress"][0]["from"][0]
        self.assertEqual(callers["podSelector"]["matchLabels"], {"router-client": "true"})


if __name__ == "__main__":
    unittest.main()
