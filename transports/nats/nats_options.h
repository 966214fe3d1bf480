#ifndef ROUTER_TRANSPORTS_NATS_NATS_OPTIONS_H_
#define ROUTER_TRANSPORTS_NATS_NATS_OPTIONS_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"

namespace router {

// TLS towards the broker. Server certificates are always verified.
struct NatsTlsOptions {
  bool enabled = false;   // Refuse a server without TLS.
  std::string ca_file;    // PEM. Needed: nats.c trusts no certificate by itself.
  std::string cert_file;  // PEM, with `key_file`: the certificate of this client.
  std::string key_file;
  std::string
      hostname;  // The name the server's certificate must carry. Empty: the host of the URL.
};

// Settings of NatsTransport. Of user and password, token, credentials file and nkey at most one
// kind is used by a server; which one is the server's business.
struct NatsOptions {
  // Tried in this order, one per attempt; then the ones that servers tell of. "nats://host:4222",
  // "tls://host", "host:4222", with "user:password@" or "token@" in front of the host where needed.
  std::vector<std::string> urls = {"nats://127.0.0.1:4222"};

  std::string name = "router";  // Shown in the server's list of connections.
  std::string user;
  std::string password;
  std::string token;
  std::string creds_file;      // A JWT and an NKey seed, as nsc writes it.
  std::string nkey;            // The public key of a user.
  std::string nkey_seed_file;  // Its seed.
  NatsTlsOptions tls;

  // One attempt: TCP, INFO, TLS, CONNECT, PONG. Looking up a host name comes on top.
  absl::Duration connect_timeout = absl::Seconds(2);
  // A server that takes no byte for so long is given up.
  absl::Duration write_deadline = absl::Seconds(2);
  // After so long without a byte from the server it is asked for one; after `max_pings_out` times
  // that without any, it is given up.
  absl::Duration ping_interval = absl::Seconds(5);
  int max_pings_out = 2;

  int reconnect_attempts = 10;  // Attempts per outage until kExhausted. <= 0: never.
  absl::Duration reconnect_delay = absl::Seconds(1);
  absl::Duration max_reconnect_delay = absl::Seconds(30);
  // A connection that lasted so long ends the outage before it: the count of attempts restarts.
  absl::Duration stable_after = absl::Seconds(5);

  // Whether a message is sent only when everything before it of its key is confirmed, or refused
  // for good. Otherwise many of one key are on their way at a time.
  bool strict_order = false;

  // Most deliveries unsettled at a time. Rounded up to a power of two.
  int64_t max_in_flight = 65536;
  // Bytes given to the socket, and taken from it, at a time.
  int64_t io_buffer_bytes = 512 * 1024;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_NATS_OPTIONS_H_
