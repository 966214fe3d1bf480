"""External repositories, all of them made of files that Debian packages install."""

load("//bazel:rules_cc.bzl", "debian_rules_cc")
load("//bazel:system_libraries.bzl", "system_libraries")

def _coverage_tools_stub_impl(repository_ctx):
    repository_ctx.file("BUILD.bazel", "\n".join([
        "filegroup(name = \"%s\", visibility = [\"//visibility:public\"])" % name
        for name in ["coverage_output_generator", "coverage_report_generator", "lcov_merger"]
    ]) + "\n")

# Every test depends on @remote_coverage_tools, which Bazel would download. Coverage is not
# collected here, so empty targets do.
_coverage_tools_stub = repository_rule(implementation = _coverage_tools_stub_impl)

def debian_repositories():
    """Defines every external repository of the workspace. Downloads nothing."""
    native.local_repository(name = "bazel_skylib", path = "/usr/share/bazel/tools/skylib")
    native.local_repository(name = "platforms", path = "/usr/share/bazel/platforms")
    native.local_repository(name = "rules_java", path = "/usr/share/bazel/rules/java")
    native.local_repository(name = "rules_proto", path = "/usr/share/bazel/rules/proto")
    debian_rules_cc(name = "rules_cc")
    _coverage_tools_stub(name = "remote_coverage_tools")
    system_libraries(name = "system")
