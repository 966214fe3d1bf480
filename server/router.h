#ifndef ROUTER_SERVER_ROUTER_H_
#define ROUTER_SERVER_ROUTER_H_

#include <functional>
#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/config/config.h"

namespace router {

// A running router: every part, made from the settings and put together, in the order in which they
// depend on each other.
class Router {
 public:
  // Opens the queue, starts the transport and listens. That the broker cannot be reached is no
  // error. Errors say what is wrong and what to do: a port in use, a folder that another router has
  // open. `load` reads the configuration again, from the same sources, on any thread.
  static absl::StatusOr<std::unique_ptr<Router>> Start(
      const LoadedConfig& config, std::function<absl::StatusOr<LoadedConfig>()> load);

  // Stops at once if Stop was not called.
  ~Router();

  // NOT_SERVING, then finishes the calls in hand, confirms or queues what is in flight, and closes
  // everything: within the setting `shutdown_timeout_ms`, and a second or two for the answers to
  // get out and the disk to sync. Idempotent.
  void Stop();

  // Reads the configuration again, as ReloadConfig does, on behalf of a signal. What comes of it is
  // in the log. Waits for the disk. Thread-safe, until Stop.
  void Reload();

  // The ports it really listens at.
  int grpc_port() const;
  int http_port() const;

 private:
  struct Parts;

  explicit Router(std::unique_ptr<Parts> parts);

  const std::unique_ptr<Parts> parts_;
};

}  // namespace router

#endif  // ROUTER_SERVER_ROUTER_H_
