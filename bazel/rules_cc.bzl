"""Debian's rules_cc, adapted to Debian's Bazel.

The package bazel-rules-cc (0.0.4) is one step ahead of bazel-bootstrap (4.2.3): two of its files
load `use_cpp_toolchain`, which that Bazel does not have yet. In this Bazel the function would be
the list of one toolchain type, so that list is what its calls are replaced with.
"""

_SOURCE = "/usr/share/bazel/rules/cc"

_AHEAD_OF_BAZEL = [
    "cc/private/rules_impl/cc_flags_supplier.bzl",
    "cc/private/rules_impl/compiler_flag.bzl",
]

def _adapt(repository_ctx, file):
    text = repository_ctx.read(file)
    text = text.replace(", \"use_cpp_toolchain\")", ")")
    text = text.replace("use_cpp_toolchain()", "[\"@bazel_tools//tools/cpp:toolchain_type\"]")
    repository_ctx.file(file, text, executable = False)

def _debian_rules_cc_impl(repository_ctx):
    if not repository_ctx.path(_SOURCE).exists:
        fail("%s is missing: run deploy/packages.sh build" % _SOURCE)
    result = repository_ctx.execute(["cp", "-RL", _SOURCE + "/.", "."])
    if result.return_code != 0:
        fail("cannot copy %s: %s" % (_SOURCE, result.stderr))
    for file in _AHEAD_OF_BAZEL:
        _adapt(repository_ctx, file)

# Local, so that an upgrade of the package is seen when the Bazel server starts next.
debian_rules_cc = repository_rule(implementation = _debian_rules_cc_impl, local = True)
