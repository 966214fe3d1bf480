#!/usr/bin/env bash
# Makes sure that a JetStream stream exists, with nothing but a shell: speaks the NATS protocol.
#
#   ensure_stream.sh HOST PORT STREAM SUBJECT
#
# The stream is created with file storage if it is not there; one of the same name is left as it is.
set -euo pipefail

host=$1 port=$2 stream=$3 subject=$4
inbox="_INBOX.ensure_stream.$$"
config="{\"name\":\"$stream\",\"subjects\":[\"$subject\"],\"storage\":\"file\",\"retention\":\"limits\"}"

exec 3<>"/dev/tcp/$host/$port"
printf 'CONNECT {"verbose":false,"pedantic":false,"headers":true,"no_responders":true,"name":"ensure_stream"}\r\nSUB %s 1\r\nPUB $JS.API.STREAM.CREATE.%s %s %d\r\n%s\r\n' \
  "$inbox" "$stream" "$inbox" "${#config}" "$config" >&3

while IFS= read -r -t 5 line <&3; do
  line=${line%$'\r'}
  case $line in
    PING) printf 'PONG\r\n' >&3 ;;
    -ERR*) echo "ensure_stream: the server says: $line" >&2; exit 1 ;;
    '{'*'"err_code":10058'*) exit 0 ;;  # The name is taken, by a stream with other settings.
    '{'*'"error"'*) echo "ensure_stream: the server refuses the stream: $line" >&2; exit 1 ;;
    '{'*'stream_create_response'*) exit 0 ;;
    HMSG*) echo "ensure_stream: JetStream does not answer; is nats-server started with -js?" >&2; exit 1 ;;
  esac
done
echo "ensure_stream: no answer from $host:$port within 5 s" >&2
exit 1
