"""deploy/docker/Dockerfile, as far as it can be checked without Docker: its stages, what it copies, who
it runs as, and what it depends on."""

import fnmatch
import json
import re
import subprocess
import unittest

from tree import DEPLOY, GRPC_PORT, HTTP_PORT, ROOT

_KNOWN = {"FROM", "WORKDIR", "COPY", "RUN", "ARG", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL",
          "HEALTHCHECK", "ENTRYPOINT", "ENV", "LABEL", "CMD"}


def instructions():
    """(instruction, arguments) in order, with continued lines joined."""
    text = (DEPLOY / "docker" / "Dockerfile").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    joined = re.sub(r"\\\n\s*", " ", "\n".join(lines))
    return [tuple(line.split(" ", 1)) for line in joined.splitlines()]


def stages():
    """The instructions of each stage, by its name."""
    found = {}
    for name, arguments in instructions():
        if name == "FROM":
            image, as_word, stage = arguments.split()
            assert as_word == "AS", arguments
            found[stage] = [("FROM", image)]
        else:
            found[stage].append((name, arguments))
    return found


class DockerfileTest(unittest.TestCase):

    def setUp(self):
        self.stages = stages()
        self.runtime = self.stages["runtime"]

    def of_runtime(self, name):
        return [arguments for n, arguments in self.runtime if n == name]

    def test_every_instruction_is_one(self):
        for name, arguments in instructions():
            self.assertIn(name, _KNOWN, arguments)

    def test_builds_in_one_stage_and_runs_in_another(self):
        self.assertEqual(list(self.stages), ["build", "runtime"])
        for stage, content in self.stages.items():
            image = content[0][1]
            self.assertRegex(image, r"^debian:12\.\d+-slim$", stage)  # The release, never `latest`.

    def test_what_it_copies_is_there_and_not_ignored(self):
        ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines()
                   if line and not line.startswith("#")]
        for content in self.stages.values():
            for name, arguments in content:
                if name != "COPY" or arguments.startswith("--from="):
                    continue
                source = arguments.split()[0]
                self.assertTrue((ROOT / source).exists(), source)
                self.assertFalse([p for p in ignored if fnmatch.fnmatch(source, p)], source)

    def test_secrets_and_results_of_builds_stay_outside(self):
        ignored = (ROOT / ".dockerignore").read_text().splitlines()
        for path in (".git", ".bazelrc.user", "bazel-*", "deploy/compose/secrets"):
            self.assertIn(path, ignored)

    def test_copies_from_a_stage_that_there_is(self):
        froms = [a for a in self.of_runtime("COPY") if a.startswith("--from=")]
        self.assertEqual([a.split()[0] for a in froms], ["--from=build"])
        built = " ".join(arguments for _, arguments in self.stages["build"])
        for binary in ("/out/usr/bin/routerd", "/out/usr/bin/routerctl"):
            self.assertIn(binary, built)

    def test_installs_what_runs_the_router_and_nothing_else(self):
        run = " ".join(self.of_runtime("RUN"))
        scopes = re.findall(r"packages\.sh ([a-z ]+?) *(?:&&|$)", run)
        self.assertEqual(scopes, ["router"])
        self.assertIn("rm -rf /tmp/packages.sh /var/lib/apt/lists/*", run)
        self.assertEqual([a for _, a in self.stages["build"] if "packages.sh build" in a],
                         ["deploy/packages.sh build"])

    def test_runs_as_a_user_of_its_own_who_owns_the_queue(self):
        uid, gid = self.of_runtime("USER")[-1].split(":")
        self.assertGreater(int(uid), 0)
        run = " ".join(self.of_runtime("RUN"))
        self.assertIn(f"--uid {uid} ", run)
        self.assertIn(f"--gid {gid} ", run)
        volume, = self.of_runtime("VOLUME")
        self.assertIn(f"-m 700 -o router -g router {volume}", run)
        names = [name for name, _ in self.runtime]
        self.assertLess(names.index("USER"), names.index("ENTRYPOINT"))

    def test_ports_and_health_are_those_of_the_router(self):
        self.assertEqual(self.of_runtime("EXPOSE"), [f"{GRPC_PORT} {HTTP_PORT}"])
        health, = self.of_runtime("HEALTHCHECK")
        command = json.loads(health.split("CMD ", 1)[1])
        self.assertEqual(command[0], "curl")
        self.assertEqual(command[-1], f"http://127.0.0.1:{HTTP_PORT}/readyz")
        self.assertEqual(json.loads(self.of_runtime("ENTRYPOINT")[0]), ["/usr/bin/routerd"])

    def test_what_the_programs_are_linked_with_is_installed(self):
        packages = re.search(r'^ROUTER="(.*?)"', (DEPLOY / "packages.sh").read_text(),
                             re.MULTILINE | re.DOTALL).group(1).split()
        self.assertIn("curl", packages)  # For the health check.
        needed = set()
        for name in ("server/routerd", "clients/cli/routerctl"):
            output = subprocess.run(["objdump", "-p", name], capture_output=True, text=True,
                                    check=True).stdout
            needed |= set(re.findall(r"NEEDED\s+(\S+)", output))
        self.assertGreater(len(needed), 10)
        closure = self._closure(packages)
        output = subprocess.run(["dpkg", "-S"] + [f"*/{library}" for library in sorted(needed)],
                                capture_output=True, text=True, check=True).stdout
        for library in sorted(needed):
            owners = {line.split(":")[0] for line in output.splitlines()
                      if line.endswith(f"/{library}")}
            self.assertTrue(owners & closure, f"{library} of {owners} is not in the image")

    @staticmethod
    def _closure(packages):
        """The packages, and what they depend on, as far as it is installed here."""
        output = subprocess.run(
            ["dpkg-query", "-W", "-f", "${Package}\t${Depends}, ${Pre-Depends}\n"],
            capture_output=True, text=True, check=True).stdout
        depends = {}
        for line in output.splitlines():
            package, _, text = line.partition("\t")
            depends[package] = re.findall(r"(?:^|[,|])\s*([a-z0-9.+-]+)", text)
        found, todo = set(), list(packages) + ["libc6", "libstdc++6", "libgcc-s1"]
        while todo:
            package = todo.pop()
            if package in found or package not in depends:
                continue
            found.add(package)
            todo += depends[package]
        return found


if __name__ == "__main__":
    unittest.main()
