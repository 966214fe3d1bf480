#ifndef ROUTER_SERVER_LISTENER_SOCKET_NUMBER_H_
#define ROUTER_SERVER_LISTENER_SOCKET_NUMBER_H_

#include <cstdint>

namespace router {

// The number of the socket behind a descriptor, by which it is told from another one that gets the
// same descriptor later. 0 where there is no socket. Thread-safe.
uint64_t SocketNumber(int fd);

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_SOCKET_NUMBER_H_
