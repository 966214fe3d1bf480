#ifndef ROUTER_TRANSPORTS_NATS_BACKOFF_H_
#define ROUTER_TRANSPORTS_NATS_BACKOFF_H_

#include "absl/random/bit_gen_ref.h"
#include "absl/time/time.h"

namespace router {

// Exponential backoff with full jitter.
struct BackoffPolicy {
  absl::Duration base;  // Longest delay before attempt 1.
  absl::Duration cap;   // Longest delay of all.
};

// The longest delay before attempt `attempt` (from 1): min(cap, base * 2^(attempt - 1)).
absl::Duration BackoffBound(const BackoffPolicy& policy, int attempt);

// A delay drawn evenly from [0, BackoffBound(policy, attempt)], so that routers that lost the same
// server at the same moment do not come back at the same moment.
absl::Duration BackoffDelay(const BackoffPolicy& policy, int attempt, absl::BitGenRef random);

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_BACKOFF_H_
