"""The directions of dependencies that no build rule can see: which headers are included where."""

import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent
INCLUDE = re.compile(r'^#include [<"]([^>"]+)[>"]', re.MULTILINE)

# Header pattern, the only places that may include it.
ONLY_IN = [
    (r"nats/nats\.h|nats\.h", r"transports/nats/[^/]*\.cc"),
    (r"prometheus/.*", r"server/metrics/.*"),
    (r"sqlite3\.h", r"server/pending/.*"),
    (r"openssl/.*", r"server/tls/.*|server/access/.*"),
    (r"jwt\.h", r"server/access/jwt_verifier\.cc"),
    (r"microhttpd\.h", r"server/http/http_server\.cc"),
    (r"gnutls/.*", r"server/tls/http_tls_credentials\.cc"),
    (r"curl/.*", r"server/tracing/http_post\.cc"),
    (r"yaml-cpp/.*", r"server/config/.*|server/access/.*|clients/.*"),
    (r"grpcpp/.*|grpc/.*|.*\.grpc\.pb\.h",
     r"server/services/.*|server/errors/status_conversion\..*|server/grpc_server\..*|server/options\..*|server/main\.cc|"
     r"server/security\..*|server/tls/grpc_.*|server/listener/(grpc_connections|channelz)\..*|"
     r"clients/.*|bazel/tsan/.*"),
]

# Place, headers that must not be included there.
NEVER_IN = [
    (r"transports/.*", r"server/.*|.*\.pb\.h"),
    (r"clients/.*", r"server/(?!pending/pending_inspection\.h).*|transports/.*"),
    (r"clients/(?!cli/spool_command\.cc).*", r"server/.*"),
    (r"server/(dispatcher|drainer|pending|mode|audit|base)/.*", r"router/v1/.*"),
]


def sources():
    for folder in ("server", "transports", "clients"):
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in (".h", ".cc"):
                yield path.relative_to(ROOT).as_posix(), INCLUDE.findall(path.read_text())


class ArchitectureTest(unittest.TestCase):
    def test_there_are_sources_to_look_at(self):
        self.assertGreater(len(list(sources())), 50)

    def test_libraries_are_included_only_where_they_belong(self):
        for path, headers in sources():
            for pattern, places in ONLY_IN:
                for header in headers:
                    if re.fullmatch(pattern, header):
                        self.assertRegex(path, rf"^(?:{places})$", f"{path} includes {header}")

    def test_dependencies_point_one_way(self):
        for path, headers in sources():
            for places, pattern in NEVER_IN:
                if not re.fullmatch(places, path):
                    continue
                for header in headers:
                    self.assertNotRegex(header, rf"^(?:{pattern})$", f"{path} includes {header}")


if __name__ == "__main__":
    unittest.main()
