"""`@system//:…`: the libraries that Debian packages install, one cc_library each.

The linker flags come from pkg-config, or are named here where a library has no .pc file. Headers
are in /usr/include, which the compiler searches by itself and in which it reports no warnings.
"""

load("//bazel:system_library_list.bzl", "PROTO_FILES", "SYSTEM_LIBRARIES")

def _is_default_include(path):
    """Whether the compiler searches the folder by itself: this one, or that of the architecture."""
    return path == "/usr/include" or (path.startswith("/usr/include/") and path.endswith("-linux-gnu"))

def _pkg_config(repository_ctx, library, flag):
    result = repository_ctx.execute(["pkg-config", flag] + library.modules)
    if result.return_code != 0:
        fail("pkg-config does not know %s: run deploy/packages.sh build\n%s" %
             (" ".join(library.modules), result.stderr))
    return [flag for flag in result.stdout.strip().split(" ") if flag]

def _build_rule(repository_ctx, library):
    """Returns the text of one cc_library."""
    linkopts = list(library.linkopts)
    defines = []
    if library.modules:
        linkopts += _pkg_config(repository_ctx, library, "--libs")
        for flag in _pkg_config(repository_ctx, library, "--cflags"):
            if flag.startswith("-D"):
                defines.append(flag[2:])
            elif flag.startswith("-I") and not _is_default_include(flag[2:]):
                fail("%s has its headers in %s, which is not supported" % (library.name, flag[2:]))
    for header in library.headers:
        if not repository_ctx.path("/usr/include/" + header).exists:
            fail("/usr/include/%s is missing: run deploy/packages.sh build" % header)
    return "\n".join([
        "cc_library(",
        "    name = \"%s\"," % library.name,
        "    defines = %r," % defines,
        "    linkopts = %r," % linkopts,
        "    deps = %r," % [":" + dep for dep in library.deps],
        ")",
    ])

def _system_libraries_impl(repository_ctx):
    for file, source in PROTO_FILES.items():
        if not repository_ctx.path(source).exists:
            fail("%s is missing: run deploy/packages.sh build" % source)
        repository_ctx.symlink(source, file)
    rules = [_build_rule(repository_ctx, library) for library in SYSTEM_LIBRARIES]
    repository_ctx.file("BUILD.bazel", "\n\n".join([
        "load(\"@rules_cc//cc:defs.bzl\", \"cc_library\")",
        "package(default_visibility = [\"//visibility:public\"])",
        "exports_files(%r)" % PROTO_FILES.keys(),
    ] + rules) + "\n")

# Local, so that installed, upgraded and removed packages are seen when the Bazel server starts next.
system_libraries = repository_rule(implementation = _system_libraries_impl, local = True)
