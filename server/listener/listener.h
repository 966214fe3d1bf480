#ifndef ROUTER_SERVER_LISTENER_LISTENER_H_
#define ROUTER_SERVER_LISTENER_LISTENER_H_

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

  // Hands each connection over, on a thread of its own, as a non-blocking socket that belongs to
  // `on_connection` from then on. `on_refused` is called after a connection was closed for want of
  // descriptors. Once.
  void Start(std::function<void(int fd)> on_connection, std::function<void()> on_refused);

  // Accepts nothing any more. Waits for a call of `on_connection` that is under way.
  void Stop();

  int port() const { return port_; }

 private:
  explicit Listener(int descriptors_max);

  absl::Status Listen(const std::string& address);
  void Run();
  bool AcceptAll(int socket);

  const int descriptors_max_;
  int port_ = 0;
  std::vector<int> sockets_;
  int stop_fd_ = -1;
  std::function<void(int fd)> on_connection_;
  std::function<void()> on_refused_;
  std::thread thread_;
};

// How many descriptors may be open, all in all, for another connection to be accepted: the limit of
// the process without those that it may need for itself.
int DescriptorsForConnections();

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_LISTENER_H_
