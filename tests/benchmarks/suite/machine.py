"""What the figures were measured on."""

import os
import platform
import subprocess

from suite import folders

_PACKAGES = ["libgrpc++1.51", "libnats3.4", "libsqlite3-0", "nats-server"]


def _cpu_model():
    with open("/proc/cpuinfo", encoding="utf-8") as f:
        for line in f:
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()


def _package_versions():
    listed = subprocess.run(["dpkg-query", "-W", "-f", "${Package} ${Version}\n"] + _PACKAGES,
                            capture_output=True, text=True, check=False).stdout
    return dict(line.split(" ") for line in listed.splitlines())


def describe(folder):
    with open("/proc/meminfo", encoding="ascii") as f:
        memory_kb = int(f.readline().split()[1])
    return {"cores": os.cpu_count(), "cpu": _cpu_model(), "memory_mb": memory_kb // 1024,
            "kernel": platform.release(), "file_system": folders.file_system(folder),
            "versions": _package_versions()}
