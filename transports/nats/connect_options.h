#ifndef ROUTER_TRANSPORTS_NATS_CONNECT_OPTIONS_H_
#define ROUTER_TRANSPORTS_NATS_CONNECT_OPTIONS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "transports/nats/nats_options.h"
#include "transports/nats/server_url.h"

struct __natsOptions;

namespace router {

struct NatsLibraryOptionsDeleter {
  void operator()(__natsOptions* options) const;
};
using NatsLibraryOptions = std::unique_ptr<__natsOptions, NatsLibraryOptionsDeleter>;

// The library's options for one connection to `server`, but for the event loop and the callbacks.
// INVALID_ARGUMENT, without secrets, where the library refuses one, or a file cannot be read.
absl::StatusOr<NatsLibraryOptions> MakeLibraryOptions(const NatsOptions& options,
                                                      const ServerUrl& server);

// `text` with every secret of the settings replaced: what the library says may quote a URL.
std::string WithoutSecrets(absl::string_view text, const NatsOptions& options,
                           const ServerUrl& server);

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_CONNECT_OPTIONS_H_
