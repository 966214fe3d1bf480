#include "transports/nats/server_pool.h"

#include <algorithm>
#include <utility>

#include "absl/status/statusor.h"

namespace router {
namespace {

bool Contains(const std::vector<ServerUrl>& servers, const ServerUrl& server) {
  return std::any_of(servers.begin(), servers.end(), [&](const ServerUrl& known) {
    return known.host == server.host && known.port == server.port;
  });
}

}  // namespace

ServerPool::ServerPool(std::vector<ServerUrl> configured)
    : configured_count_(configured.size()), servers_(std::move(configured)) {}

void ServerPool::SetDiscovered(absl::Span<const std::string> urls) {
  const ServerUrl current = this->current();
  const bool current_was_discovered = current_ >= configured_count_;
  servers_.resize(configured_count_);
  if (current_was_discovered) {
    current_ = servers_.size();
    servers_.push_back(current);
  }
  for (const std::string& url : urls) {
    absl::StatusOr<ServerUrl> server = ParseServerUrl(url);
    if (!server.ok() || Contains(servers_, *server)) continue;
    server->scheme = current.scheme;
    server->user_info = current.user_info;
    servers_.push_back(*std::move(server));
  }
}

}  // namespace router
