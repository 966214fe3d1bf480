#ifndef ROUTER_SERVER_LISTENER_LISTENER_H_
#define ROUTER_SERVER_LISTENER_LISTENER_H_

#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace router {

// Accepts TCP connections and hands them over.
//
// Never takes the last file descriptors: a connection that would is closed at once, so that the
// process can still open what it needs itself, and accepts again as soon as others have left. The
// listener of gRPC 1.51 does neither: it stops for good when there is no descriptor left.
//
// Watches its sockets: one that does not listen any more, for whatever reason, is replaced by a new
// one at the same address. Connections that were handed over are not touched by that.
class Listener {
 public:
  struct Options {
    // host:port; port 0 takes a free one. A name may stand for several addresses.
    std::string address;
    // Connections whose descriptor has a number from here on are closed. Descriptors are numbered
    // from the lowest free one, so this many are open then. See DescriptorsForConnections.
    int descriptors_max = 0;
  };

  // Takes the address. ALREADY_EXISTS where it is in use, INVALID_ARGUMENT where it is none of this
  // machine's. Connections wait until Start.
  static absl::StatusOr<std::unique_ptr<Listener>> Open(const Options& options);

  // Stops.
  ~Listener();
  Listener(const Listener&) = delete;
  Listener& operator=(const Listener&) = delete;

  // All of them are called on the listener's thread.
  struct Handlers {
    // Takes over a connection, as a non-blocking socket. False: it was not wanted. Then others are
    // looked at after kTick only, so that those who are refused cannot keep the listener busy.
    std::function<bool(int fd, const sockaddr_storage& peer)> on_connection;
    // A connection was closed for want of descriptors.
    std::function<void()> on_refused = [] {};
    // A socket had stopped listening. OK: another one listens in its place. If not, the next
    // attempt follows after kTick; called again only when it succeeds.
    std::function<void(const absl::Status& rebuilt)> on_dead_socket = [](const absl::Status&) {};
    // Every kTick or so. Null: the thread sleeps while nothing happens.
    std::function<void()> on_tick = nullptr;
  };
  static constexpr std::chrono::milliseconds kTick{10};

  // Begins to accept, on a thread of its own. Once.
  void Start(Handlers handlers);

  // Accepts nothing any more. Waits for a handler that is running.
  void Stop();

  int port() const { return port_; }

  // False while a socket does not listen that should. Thread-safe.
  bool is_listening() const { return is_listening_; }

 private:
  struct Socket {
    int fd = -1;          // -1: it is dead, and could not be replaced yet.
    uint64_t number = 0;  // SocketNumber.
    sockaddr_storage address = {};
    socklen_t address_size = 0;
    bool v6_only = false;
  };

  explicit Listener(int descriptors_max);

  absl::Status Listen(const std::string& address);
  void Run();
  enum class Accepted { kAll, kUnwanted, kStarved };
  Accepted AcceptAll(int fd);
  void ReplaceDeadSockets();

  const int descriptors_max_;
  int port_ = 0;
  std::vector<Socket> sockets_;
  std::atomic<bool> is_listening_{true};
  int stop_fd_ = -1;
  Handlers handlers_;
  std::thread thread_;
};

// How many descriptors may be open, all in all, for another connection to be accepted: the limit of
// the process without those that it may need for itself.
int DescriptorsForConnections();

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_LISTENER_H_
