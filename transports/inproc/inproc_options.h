#ifndef ROUTER_TRANSPORTS_INPROC_INPROC_OPTIONS_H_
#define ROUTER_TRANSPORTS_INPROC_INPROC_OPTIONS_H_

#include <cstdint>
#include <string>

#include "absl/time/time.h"

namespace router {

// Settings of the in-process transport. The defaults suit a try-out and tests.
struct InprocOptions {
  std::string stream = "INPROC";  // Name of the one stream; it takes every subject.

  // What the stream keeps; the oldest messages go first.
  int64_t messages_max = 100'000;
  int64_t bytes_max = 64 << 20;  // Subjects, payloads, headers and ids.

  // How long, and how many, message ids are remembered to tell duplicates.
  absl::Duration duplicate_window = absl::Minutes(2);
  int64_t duplicates_max = 100'000;

  int64_t max_payload_bytes = 1 << 20;
  int64_t max_in_flight = 4096;

  // The delay doubles with each attempt, up to the longest. The first attempt after the loss of a
  // stable connection is made at once.
  absl::Duration reconnect_delay = absl::Milliseconds(10);
  absl::Duration max_reconnect_delay = absl::Seconds(1);
  int reconnect_attempts = 10;  // Per outage, before it counts as exhausted. <= 0: no budget.
  // A connection that lasted so long ends the outage before it: the count of attempts restarts.
  absl::Duration stable_after = absl::Seconds(1);

  // How long an attempt takes to fail that gets no answer (which only an injected fault causes).
  absl::Duration connect_timeout = absl::Seconds(1);
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_INPROC_INPROC_OPTIONS_H_
