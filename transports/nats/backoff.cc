#include "transports/nats/backoff.h"

#include <algorithm>

#include "absl/random/random.h"

namespace router {

absl::Duration BackoffBound(const BackoffPolicy& policy, int attempt) {
  constexpr int kMaxDoublings = 62;
  const int doublings = std::clamp(attempt - 1, 0, kMaxDoublings);
  const absl::Duration bound = policy.base * (int64_t{1} << doublings);  // Saturates.
  return std::max(absl::ZeroDuration(), std::min(policy.cap, bound));
}

absl::Duration BackoffDelay(const BackoffPolicy& policy, int attempt, absl::BitGenRef random) {
  const int64_t bound_us = absl::ToInt64Microseconds(BackoffBound(policy, attempt));
  return absl::Microseconds(absl::Uniform<int64_t>(absl::IntervalClosed, random, 0, bound_us));
}

}  // namespace router
