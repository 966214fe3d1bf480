// What gRPC counts about the connections of a server (channelz). Thread-safe.
#ifndef ROUTER_SERVER_LISTENER_CHANNELZ_H_
#define ROUTER_SERVER_LISTENER_CHANNELZ_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/types/optional.h"
#include "server/listener/flood_meter.h"

namespace router {

struct ChannelzSocket {
  std::string peer;  // Such as "ipv4:127.0.0.1:5000".
  int64_t id = 0;
};

// The server of this process that was built last; 0 where there is none.
int64_t NewestChannelzServer();

// Its connections from this id on, the oldest first. One with TLS is among them after its
// handshake.
std::vector<ChannelzSocket> ListChannelzSockets(int64_t server_id, int64_t first_id);

// All but the bytes. Nothing where the connection has been closed.
absl::optional<ConnectionCounts> ReadChannelzSocket(int64_t id);

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_CHANNELZ_H_
