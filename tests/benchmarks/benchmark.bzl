"""Microbenchmarks."""

load("@rules_cc//cc:defs.bzl", "cc_binary")

def micro_benchmark(name, deps):
    """One program of Google Benchmark, from the source of the same name.

    Args:
      name: ends with _benchmark.
      deps: what it measures, and what it needs for that.
    """
    cc_binary(
        name = name,
        testonly = True,
        srcs = [name + ".cc"],
        tags = ["micro"],
        deps = deps + ["@system//:benchmark"],
    )
