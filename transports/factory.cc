#include "transports/factory.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "transports/inproc/inproc_transport.h"
#include "transports/nats/nats_transport.h"

namespace router {
namespace {

using Create = std::unique_ptr<Transport> (*)(const TransportOptions& options,
                                              FaultInjector* faults);

struct Entry {
  absl::string_view name;
  Create create;
};

std::unique_ptr<Transport> CreateNats(const TransportOptions& options, FaultInjector* faults) {
  return std::make_unique<NatsTransport>(options.nats, faults);
}

std::unique_ptr<Transport> CreateInproc(const TransportOptions& options, FaultInjector* faults) {
  return std::make_unique<InprocTransport>(options.inproc, faults);
}

// Every transport there is.
constexpr Entry kTransports[] = {
    {"nats", &CreateNats},
    {"inproc", &CreateInproc},
};

}  // namespace

absl::StatusOr<std::unique_ptr<Transport>> CreateTransport(const TransportOptions& options,
                                                           FaultInjector* faults) {
  for (const Entry& entry : kTransports) {
    if (entry.name == options.name) return entry.create(options, faults);
  }
  return absl::InvalidArgumentError(absl::StrCat("unknown transport \"", options.name,
                                                 "\"; known are ",
                                                 absl::StrJoin(TransportNames(), ", ")));
}

std::vector<absl::string_view> TransportNames() {
  std::vector<absl::string_view> names;
  for (const Entry& entry : kTransports) names.push_back(entry.name);
  return names;
}

}  // namespace router
