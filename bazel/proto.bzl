"""Protocol buffers with the compilers that Debian packages install.

The proto root is the package that a .proto file belongs to: a file of //proto at
`router/v1/common.proto` is imported under that name, and its C++ header is included as
`router/v1/common.pb.h`.
"""

load("@rules_cc//cc:defs.bzl", "cc_library")

_PROTOC = "/usr/bin/protoc"
_GRPC_CPP_PLUGIN = "/usr/bin/grpc_cpp_plugin"

_ProtoFilesInfo = provider(
    doc = "The definitions that a dependent has to see.",
    fields = {
        "files": "depset of .proto files, dependencies included",
        "roots": "depset of the folders they are imported from",
    },
)

def _root(file):
    parts = [file.owner.workspace_root, file.owner.package]
    return "/".join([part for part in parts if part]) or "."

def _import_name(file):
    root = _root(file)
    return file.path if root == "." else file.path[len(root) + 1:]

def _declare(ctx, suffixes):
    return [
        ctx.actions.declare_file(_import_name(source)[:-len(".proto")] + suffix)
        for suffix in suffixes
        for source in ctx.files.srcs
    ]

def _proto_codegen_impl(ctx):
    dependencies = [dep[_ProtoFilesInfo] for dep in ctx.attr.deps]
    files = depset(ctx.files.srcs, transitive = [info.files for info in dependencies])
    roots = depset(
        [_root(source) for source in ctx.files.srcs],
        transitive = [info.roots for info in dependencies],
    )
    headers = _declare(ctx, [".pb.h"] + ([".grpc.pb.h"] if ctx.attr.grpc else []))
    sources = _declare(ctx, [".pb.cc"] + ([".grpc.pb.cc"] if ctx.attr.grpc else []))
    python = _declare(ctx, ["_pb2.py"]) if ctx.attr.python else []
    descriptors = ctx.actions.declare_file(ctx.attr.name + ".binpb")

    output_folder = ctx.bin_dir.path + "/" + ctx.label.package
    arguments = ctx.actions.args()
    arguments.add_all(roots, before_each = "-I")
    arguments.add("-I/usr/include")
    arguments.add("--cpp_out=" + output_folder)
    if ctx.attr.grpc:
        arguments.add("--plugin=protoc-gen-grpc=" + _GRPC_CPP_PLUGIN)
        arguments.add("--grpc_out=" + output_folder)
    if ctx.attr.python:
        arguments.add("--python_out=" + output_folder)
    arguments.add("--include_imports")
    arguments.add("--include_source_info")
    arguments.add("--descriptor_set_out", descriptors)
    arguments.add_all([_import_name(source) for source in ctx.files.srcs])
    ctx.actions.run(
        executable = _PROTOC,
        arguments = [arguments],
        inputs = files,
        outputs = headers + sources + python + [descriptors],
        mnemonic = "Protoc",
        progress_message = "Generating code for %{label}",
    )
    return [
        DefaultInfo(files = depset([descriptors])),
        OutputGroupInfo(
            headers = depset(headers),
            sources = depset(sources),
            python = depset(python),
        ),
        _ProtoFilesInfo(files = files, roots = roots),
    ]

_proto_codegen = rule(
    implementation = _proto_codegen_impl,
    attrs = {
        "deps": attr.label_list(providers = [_ProtoFilesInfo]),
        "grpc": attr.bool(),
        "python": attr.bool(),
        "srcs": attr.label_list(allow_files = [".proto"], mandatory = True),
    },
)

def _output_group(name, group, codegen):
    native.filegroup(
        name = name,
        srcs = [":" + codegen],
        output_group = group,
        visibility = ["//visibility:private"],
    )

def router_proto_library(
        name,
        srcs,
        deps = [],
        grpc = False,
        python = False,
        visibility = None):
    """A C++ library, and on request Python modules, generated from .proto files.

    Targets: `name`, a cc_library; `name_descriptors`, a serialized FileDescriptorSet with all
    imports and comments; and with `python`, `name_py`, a py_library of the messages.

    Args:
      name: name of the cc_library.
      srcs: .proto files. Imports of google/protobuf/*.proto are always found.
      deps: other router_proto_library targets of the same package whose files are imported.
      grpc: whether to generate gRPC stubs too.
      python: whether to generate Python modules; every one of deps must do so too.
      visibility: of all targets.
    """
    codegen = name + "_descriptors"
    _proto_codegen(
        name = codegen,
        srcs = srcs,
        grpc = grpc,
        python = python,
        visibility = visibility,
        deps = [dep + "_descriptors" for dep in deps],
    )
    _output_group(name + "_headers", "headers", codegen)
    _output_group(name + "_sources", "sources", codegen)
    cc_library(
        name = name,
        srcs = [":" + name + "_sources"],
        hdrs = [":" + name + "_headers"],
        # Generated code is not ours to keep free of warnings. `includes` are system folders to the
        # compiler, so that the headers are quiet where our code includes them.
        copts = ["-w"],
        includes = ["."],
        visibility = visibility,
        deps = deps + ["@system//:grpc" if grpc else "@system//:protobuf"],
    )
    if python:
        _output_group(name + "_modules", "python", codegen)
        native.py_library(
            name = name + "_py",
            srcs = [":" + name + "_modules"],
            imports = ["."],
            visibility = visibility,
            deps = [dep + "_py" for dep in deps],
        )
