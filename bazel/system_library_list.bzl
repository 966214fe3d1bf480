"""What `@system//` offers. A new system library is one entry here and one in deploy/packages.sh."""

def _library(name, modules = [], linkopts = [], headers = [], deps = []):
    """One library.

    Args:
      name: the target, `@system//:name`.
      modules: pkg-config modules that name the linker flags.
      linkopts: linker flags of a library without a .pc file.
      headers: headers below /usr/include that must exist, where no .pc file says so.
      deps: names of other entries.

    Returns:
      the entry.
    """
    return struct(
        name = name,
        modules = modules,
        linkopts = linkopts,
        headers = headers,
        deps = deps,
    )

# The modules of Abseil that this project uses.
_ABSL_MODULES = ["absl_" + module for module in [
    "any_invocable",
    "base",
    "bind_front",
    "btree",
    "cleanup",
    "cord",
    "core_headers",
    "failure_signal_handler",
    "fixed_array",
    "flags",
    "flags_parse",
    "flags_reflection",
    "flags_usage",
    "flat_hash_map",
    "flat_hash_set",
    "function_ref",
    "hash",
    "inlined_vector",
    "int128",
    "leak_check",
    "memory",
    "node_hash_map",
    "node_hash_set",
    "numeric",
    "optional",
    "random_bit_gen_ref",
    "random_distributions",
    "random_random",
    "span",
    "stacktrace",
    "status",
    "statusor",
    "str_format",
    "strings",
    "symbolize",
    "synchronization",
    "time",
    "type_traits",
    "utility",
    "variant",
]]

SYSTEM_LIBRARIES = [
    _library("absl", modules = _ABSL_MODULES),
    _library("benchmark", modules = ["benchmark"]),
    _library("crypto", modules = ["libcrypto"]),
    _library("ssl", modules = ["libssl"]),
    # The headers alone: it is loaded when it is wanted.
    _library("curl", headers = ["x86_64-linux-gnu/curl/curl.h"]),
    _library("gnutls", linkopts = ["-lgnutls"], headers = ["gnutls/gnutls.h"]),
    _library("grpc", modules = ["grpc++"], deps = ["absl", "protobuf"]),
    _library("gtest", modules = ["gtest", "gmock"]),
    _library("gtest_main", modules = ["gmock_main", "gmock", "gtest"]),
    _library("json", modules = ["nlohmann_json"]),
    _library("jwt", modules = ["libjwt"]),
    _library("microhttpd", linkopts = ["-lmicrohttpd"], headers = ["microhttpd.h"]),
    _library("nats", modules = ["libnats"]),
    _library("prometheus", modules = ["prometheus-cpp-core"]),
    _library("protobuf", modules = ["protobuf"]),
    _library("sqlite3", modules = ["sqlite3"]),
    _library("xxhash", modules = ["libxxhash"]),
    _library("yaml_cpp", modules = ["yaml-cpp"]),
]

# Protocol definitions that packages install: path in @system → path on this machine.
PROTO_FILES = {
    "grpc/health/v1/health.proto": "/usr/share/grpc-proto/grpc/health/v1/health.proto",
    "grpc/reflection/v1/reflection.proto": "/usr/share/grpc-proto/grpc/reflection/v1/reflection.proto",
    "grpc/reflection/v1alpha/reflection.proto": "/usr/share/grpc-proto/grpc/reflection/v1alpha/reflection.proto",
}
