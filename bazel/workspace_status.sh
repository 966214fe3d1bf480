#!/bin/sh
# What builds with a stamp know about the source tree: the commit, marked where files differ from it.
# $ROUTER_COMMIT says it where there is no repository.
commit=${ROUTER_COMMIT:-$(git rev-parse --short=12 --verify -q HEAD || echo unknown)}
if [ -n "$(git status --porcelain 2>/dev/null)" ]; then
  commit=$commit-modified
fi
echo "STABLE_GIT_COMMIT $commit"
