#ifndef ROUTER_TRANSPORTS_NATS_SERVER_POOL_H_
#define ROUTER_TRANSPORTS_NATS_SERVER_POOL_H_

#include <cstddef>
#include <string>
#include <vector>

#include "absl/types/span.h"
#include "transports/nats/server_url.h"

namespace router {

// The servers that may be tried: the configured ones in their order, then those that the connected
// server told of. One of them is the current one. Never empty. Not thread-safe.
class ServerPool {
 public:
  // `configured` must not be empty.
  explicit ServerPool(std::vector<ServerUrl> configured);

  const ServerUrl& current() const { return servers_[current_]; }
  const std::vector<ServerUrl>& servers() const { return servers_; }

  // Goes on to the next one, after the last to the first.
  void Advance() { current_ = (current_ + 1) % servers_.size(); }

  // Replaces what was told before by `urls` ("host:port" or URLs). Those that cannot be read, and
  // those known already, are left out; scheme and credentials are the current server's. The current
  // server stays the current one.
  void SetDiscovered(absl::Span<const std::string> urls);

 private:
  size_t configured_count_;
  std::vector<ServerUrl> servers_;
  size_t current_ = 0;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_SERVER_POOL_H_
