#ifndef ROUTER_TRANSPORTS_NATS_SERVER_PROBE_H_
#define ROUTER_TRANSPORTS_NATS_SERVER_PROBE_H_

#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/random/random.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "transports/nats/server_url.h"
#include "transports/transport.h"

namespace router {

// Sleeps through a backoff, and notices a server that comes back meanwhile.
//
// After an outage the delay may have grown long. So about every `interval` each server is knocked
// at: a TCP connection, closed again at its first byte (a NATS server greets with INFO). A server
// that did not greet the last time and greets now ends the sleep. One that greets all along and yet
// cannot be used does not: for it the backoff is meant. Not thread-safe.
class ServerProbe {
 public:
  // `patience`: how long a server is given to greet.
  ServerProbe(absl::Duration interval, absl::Duration patience);

  enum class Outcome { kTimePassed, kWoken, kServerReturned };

  // Sleeps until `until`, or `wake_fd` is readable, or one of `servers` has returned. Blocks for
  // longer only where host names are looked up.
  Outcome Sleep(absl::Span<const ServerUrl> servers, SteadyTime until, int wake_fd);

 private:
  // Knocks at all servers at once. kTimePassed: none has returned.
  Outcome Knock(absl::Span<const ServerUrl> servers, SteadyTime until, int wake_fd);

  const absl::Duration interval_;
  const absl::Duration patience_;
  absl::BitGen random_;
  absl::flat_hash_map<std::string, bool> greeted_;  // By address: the last result.
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_SERVER_PROBE_H_
