#!/bin/sh
# The program as scripts see it, without a router.
set -u
routerctl=$1
failures=0

# expect EXIT_CODE ARGUMENTS...: runs routerctl and compares its exit code.
expect() {
  expected=$1
  shift
  "$routerctl" "$@" </dev/null >stdout.txt 2>stderr.txt
  actual=$?
  if [ "$actual" -ne "$expected" ]; then
    echo "routerctl $*: exit code $actual, not $expected"
    failures=$((failures + 1))
  fi
}

# contains FILE TEXT: whether what was printed contains a text.
contains() {
  if ! grep -qF -- "$2" "$1"; then
    echo "$1 does not contain: $2"
    cat "$1"
    failures=$((failures + 1))
  fi
}

cd "$(mktemp -d)" || exit 1
routerctl="$OLDPWD/$routerctl"

expect 0 version
contains stdout.txt "routerctl "
expect 0 --help
contains stdout.txt "failopen enable"
expect 2 stauts
contains stderr.txt 'did you mean "status"?'
expect 3 status --address 127.0.0.1:1 --timeout 5s
contains stderr.txt "no router answers at 127.0.0.1:1"
ROUTERCTL_ADDRESS=127.0.0.1:2 expect 3 status
contains stderr.txt "127.0.0.1:2"
expect 3 check --address 127.0.0.1:1
contains stdout.txt "ROUTER UNKNOWN"
expect 2 pending purge --all --reason r --force
if [ "$(wc -l <stderr.txt)" -ne 1 ]; then
  echo "an error is more than one line:"
  cat stderr.txt
  failures=$((failures + 1))
fi
if "$routerctl" --help >/dev/full 2>/dev/null; then
  echo "a full disk behind stdout was not noticed"
  failures=$((failures + 1))
fi
exit "$failures"
