"""Targets of libFuzzer."""

load("@rules_cc//cc:defs.bzl", "cc_binary")

def fuzz_target(name, deps):
    """A binary that libFuzzer feeds; its code is <name>.cc, its seeds are in corpus/<name>.

    It is `manual`, since it can only be linked with --config=fuzz.

    Args:
      name: the target.
      deps: what it fuzzes.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = [
            name + ".cc",
            "require.h",
        ],
        linkopts = ["-fsanitize=fuzzer"],
        tags = ["manual"],
        deps = deps,
    )
