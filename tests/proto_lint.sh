#!/bin/sh
# Lints proto/ by the rules of buf.yaml. The linter, buf, comes from npm into .cache/ at the first
# run. Exit status: 0 clean, 1 findings, 77 not checked because buf cannot be had here.
set -eu

BUF_VERSION=1.75.0

cd "$(dirname "$0")/.."
tools="$PWD/.cache/buf-$BUF_VERSION"
buf="$tools/node_modules/.bin/buf"

skip() {
  echo "proto_lint: not checked: $1" >&2
  exit 77
}

if [ ! -x "$buf" ]; then
  command -v npm >/dev/null || skip "npm is missing, and buf comes from it (package: npm)"
  mkdir -p "$tools"
  if ! npm install --prefix "$tools" --no-save --no-audit --no-fund --loglevel=error \
      "@bufbuild/buf@$BUF_VERSION" >"$tools/install.log" 2>&1; then
    skip "npm could not install @bufbuild/buf@$BUF_VERSION, see $tools/install.log"
  fi
fi

export BUF_CACHE_DIR="$PWD/.cache/buf"
if ! "$buf" lint; then
  echo "proto_lint: findings in proto/ (rules: buf.yaml)" >&2
  exit 1
fi
