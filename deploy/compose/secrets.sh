#!/bin/sh
# Makes the passwords for docker-compose.yml, in the folder secrets/ beside it: those that are not there
# yet. Run it again to fill a gap; remove a file first to get another one. A new password of NATS also makes
# nats_users.conf anew; restart nats and router then.
set -eu
umask 077
cd "$(dirname "$0")"
mkdir -p secrets/alertmanager

new_password() { od -An -N24 -tx1 /dev/urandom | tr -d ' \n'; }

for name in nats_router_password nats_admin_password grafana_admin_password; do
  [ -s "secrets/$name" ] || new_password >"secrets/$name"
done

has_password() { grep -qF "\"$(cat "secrets/$1")\"" secrets/nats_users.conf; }

# The router needs to publish, to look up streams, and to read what a stream has got of it; never to delete
# or purge.
if [ ! -s secrets/nats_users.conf ] || ! has_password nats_router_password || ! has_password nats_admin_password; then
  rm -f secrets/nats_users.conf
  cat >secrets/nats_users.conf <<END
authorization {
  users = [
    {
      user: router
      password: "$(cat secrets/nats_router_password)"
      permissions {
        publish {
          allow: ["events.>", "_INBOX.>", "\$JS.API.STREAM.NAMES", "\$JS.API.STREAM.INFO.*",
                  "\$JS.API.CONSUMER.CREATE.*", "\$JS.API.CONSUMER.MSG.NEXT.*.*",
                  "\$JS.API.CONSUMER.DELETE.*.*"]
        }
        subscribe { allow: ["_INBOX.>"] }
      }
    }
    { user: admin, password: "$(cat secrets/nats_admin_password)" }
  ]
}
END
fi

# Yours to fill: what Alertmanager needs to reach people.
for name in pagerduty_routing_key slack_api_url smtp_password deadman_token; do
  [ -e "secrets/alertmanager/$name" ] || : >"secrets/alertmanager/$name"
  [ -s "secrets/alertmanager/$name" ] || echo "secrets.sh: secrets/alertmanager/$name is empty; Alertmanager cannot tell anybody that way" >&2
done

# The containers run as users of their own, who have to read the files; nobody else gets into the folder.
chmod 700 secrets
chmod 755 secrets/alertmanager
find secrets -maxdepth 1 -type f -exec chmod 444 {} +
find secrets/alertmanager -type f -exec chmod 644 {} +
