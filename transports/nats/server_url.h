#ifndef ROUTER_TRANSPORTS_NATS_SERVER_URL_H_
#define ROUTER_TRANSPORTS_NATS_SERVER_URL_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace router {

// The address of one NATS server.
struct ServerUrl {
  std::string scheme = "nats";  // "nats" or "tls".
  std::string user_info;        // "user:password" or "token", as written. A secret.
  std::string host;             // An IPv6 address without its brackets.
  int port = 4222;

  std::string Address() const;   // "host:port".
  std::string Redacted() const;  // "nats://host:port": what logs and status pages show.
  std::string Full() const;      // With the secret, for the connection itself.
};

// Reads "[scheme://][user_info@]host[:port]". INVALID_ARGUMENT otherwise, never naming the secret.
absl::StatusOr<ServerUrl> ParseServerUrl(absl::string_view text);

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_SERVER_URL_H_
