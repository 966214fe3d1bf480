#!/bin/sh
# The Debian packages that the router needs: installs those that are missing, and prints nothing
# when none is. Uses sudo when not root.
#
#   deploy/packages.sh router|runtime|build|test|fuzz...
#
#   router   run a built router
#   runtime  run one beside a NATS server
#   build    build it
#   test     run every check; includes runtime and build
#   fuzz     fuzz its parsers; includes build
set -eu

ROUTER="
  ca-certificates
  curl
  libabsl20220623
  libcurl4
  libgnutls30
  libgrpc++1.51
  libjwt0
  libmicrohttpd12
  libnats3.4
  libprometheus-cpp-core1.0
  libprotobuf32
  libsqlite3-0
  libssl3
  libxxhash0
  libyaml-cpp0.7
"

RUNTIME="
  nats-server
"

BUILD="
  bazel-bootstrap
  bazel-platforms
  bazel-rules-cc
  bazel-rules-java
  bazel-rules-proto
  bazel-skylib
  g++
  grpc-proto
  libabsl-dev
  libbenchmark-dev
  libcurl4-openssl-dev
  libgmock-dev
  libgnutls28-dev
  libgrpc++-dev
  libgtest-dev
  libjwt-dev
  libmicrohttpd-dev
  libnats-dev
  libprotobuf-dev
  libsqlite3-dev
  libssl-dev
  libxxhash-dev
  libyaml-cpp-dev
  nlohmann-json3-dev
  pkgconf
  prometheus-cpp-dev
  protobuf-compiler
  protobuf-compiler-grpc
  python3
"

TEST="
  clang-14
  clang-format-14
  docker-compose
  iproute2
  jq
  openssl
  prometheus
  prometheus-alertmanager
  python3-grpcio
  python3-protobuf
  python3-yaml
  sqlite3
  strace
  systemd
"

FUZZ="
  clang-14
  libclang-rt-14-dev
"

# Packages that bring a system service along. The router starts these programs itself, on ports and
# in folders of its own, and a service started behind the operator's back would hold their ports.
WITH_SERVICE="nats-server prometheus prometheus-alertmanager"

POLICY=/usr/sbin/policy-rc.d

fail() {
  echo "packages: $*" >&2
  exit 1
}

packages_of() {
  case "$1" in
    router) echo "$ROUTER" ;;
    runtime) echo "$ROUTER $RUNTIME" ;;
    build) echo "$BUILD" ;;
    test) echo "$ROUTER $RUNTIME $BUILD $TEST" ;;
    fuzz) echo "$BUILD $FUZZ" ;;
    *) fail "unknown scope '$1': use router, runtime, build, test or fuzz" ;;
  esac
}

# Prints those of its arguments that are not installed, each once.
missing_of() {
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
  missing=
  for package in "$@"; do
    case "$installed" in *" installed:$package "*) continue ;; esac
    case "$missing " in *" $package "*) continue ;; esac
    missing="$missing $package"
  done
  echo "$missing"
}

as_root() {
  if [ "$(id -u)" -eq 0 ]; then "$@"; else sudo "$@"; fi
}

apt_install() {
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends "$@" \
    >>"$log" 2>&1
}

# Ends with the reason that apt-get gave.
fail_with_log() {
  grep '^E:' "$log" >&2 || true
  fail "$*, see $log"
}

# Keeps services from being started while the packages are installed, unless the machine has a
# policy of its own.
hold_services() {
  if [ -e "$POLICY" ]; then return; fi
  as_root sh -c "printf '#!/bin/sh\nexit 101\n' >$POLICY && chmod 755 $POLICY"
  trap 'as_root rm -f "$POLICY"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM
}

# Keeps the services of the packages just installed from starting with the machine.
disable_services() {
  command -v systemctl >/dev/null || return 0
  for package in $WITH_SERVICE; do
    case " $* " in
      *" $package "*) as_root systemctl disable "$package.service" >>"$log" 2>&1 || true ;;
    esac
  done
}

[ $# -gt 0 ] || fail "usage: deploy/packages.sh router|runtime|build|test|fuzz..."
wanted=
for scope in "$@"; do
  wanted="$wanted $(packages_of "$scope")"
done

command -v dpkg-query >/dev/null || fail "this is not Debian; these have to be there:" $wanted
missing=$(missing_of $wanted)
[ -n "$missing" ] || exit 0

if [ "$(id -u)" -ne 0 ] && ! command -v sudo >/dev/null; then
  fail "not root and no sudo; as root, run: apt-get install --no-install-recommends$missing"
fi
log=$(mktemp "${TMPDIR:-/tmp}/router-packages.XXXXXX")
echo "packages: installing$missing" >&2
hold_services
# The package lists of a fresh machine are empty or old: they are read only when that is in the way.
if ! apt_install $missing; then
  as_root apt-get update >>"$log" 2>&1 || fail_with_log "apt-get update failed"
  apt_install $missing || fail_with_log "apt-get could not install all of them"
fi
disable_services $missing
rm -f "$log"
