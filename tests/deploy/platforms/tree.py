"""The source tree, and what the tests of deploy/ read from it."""

import pathlib
import re

import yaml

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent.parent
DEPLOY = ROOT / "deploy"


def load_yaml(path):
    with open(path, encoding="utf-8") as f:
        return yaml.safe_load(f)


def load_all_yaml(path):
    with open(path, encoding="utf-8") as f:
        return [document for document in yaml.safe_load_all(f) if document]


def default_of(setting):
    """The default of a setting, as docs/configuration.md has it."""
    text = (ROOT / "docs" / "configuration.md").read_text(encoding="utf-8")
    return re.search(rf"^\| `{setting}` \| [^|]* \| `([^`]*)` \|", text, re.MULTILINE).group(1)


def port_of(address):
    return int(address.rpartition(":")[2])


_UNITS = {"": 1, "Ki": 1 << 10, "Mi": 1 << 20, "Gi": 1 << 30, "Ti": 1 << 40}


def bytes_of(text):
    """Of a size as the router (4GiB) or Kubernetes (4Gi) has it."""
    number, unit = re.fullmatch(r"(\d+)(|Ki|Mi|Gi|Ti)B?", str(text)).groups()
    return int(number) * _UNITS[unit]


def seconds_of(text):
    """Of a duration such as 20s or 1m30s."""
    parts = re.findall(r"(\d+)([hms])", text)
    assert parts and "".join(n + u for n, u in parts) == text, text
    return sum(int(n) * {"h": 3600, "m": 60, "s": 1}[u] for n, u in parts)


GRPC_PORT = port_of(default_of("grpc_listen"))
HTTP_PORT = port_of(default_of("http_listen"))
SHUTDOWN_TIMEOUT_S = int(default_of("shutdown_timeout_ms")) / 1000
