#!/bin/sh
# Makes the stream that the router publishes to, if it is not there. Run by the service `streams`.
set -eu
password=$(cat /run/secrets/nats_admin_password)
nats_admin() { nats --server nats://nats:4222 --user admin --password "$password" "$@"; }

nats_admin stream info EVENTS >/dev/null 2>&1 ||
  nats_admin stream add EVENTS --subjects 'events.>' --storage file --dupe-window 2m --defaults
