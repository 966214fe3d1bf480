#ifndef ROUTER_TRANSPORTS_FACTORY_H_
#define ROUTER_TRANSPORTS_FACTORY_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "transports/fault_injector.h"
#include "transports/inproc/inproc_options.h"
#include "transports/nats/nats_options.h"
#include "transports/transport.h"

namespace router {

// Which transport, and the settings of each; only those of the one named are looked at.
struct TransportOptions {
  std::string name = "nats";
  NatsOptions nats;
  InprocOptions inproc;
};

// Creates the transport that `options.name` names, not started. Borrows `faults`, which may be null
// and must outlive the transport. INVALID_ARGUMENT for a name that is not known. Settings are
// checked by Transport::Start.
absl::StatusOr<std::unique_ptr<Transport>> CreateTransport(const TransportOptions& options,
                                                           FaultInjector* faults);

// The names that CreateTransport knows.
std::vector<absl::string_view> TransportNames();

}  // namespace router

#endif  // ROUTER_TRANSPORTS_FACTORY_H_
