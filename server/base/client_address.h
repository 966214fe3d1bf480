#ifndef ROUTER_SERVER_BASE_CLIENT_ADDRESS_H_
#define ROUTER_SERVER_BASE_CLIENT_ADDRESS_H_

#include <sys/socket.h>

#include <string>

#include "absl/strings/string_view.h"

namespace router {

// Where a client is, as far as limits tell clients apart: its IPv4 address, or the /64 network of
// its IPv6 address, as whoever has one of those addresses has all of them. "unknown" for anything
// else, so that what has no address shares one limit. Thread-safe.

// Of a connection's other end.
std::string ClientAddress(const sockaddr_storage& peer);

// Of a peer as gRPC names it, such as "ipv4:127.0.0.1:5000" or "ipv6:%5B::1%5D:5000".
std::string ClientAddressOfPeer(absl::string_view peer);

}  // namespace router

#endif  // ROUTER_SERVER_BASE_CLIENT_ADDRESS_H_
