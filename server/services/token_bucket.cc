#include "server/services/token_bucket.h"

#include <algorithm>

namespace router {

TokenBucket::TokenBucket(int64_t per_second, Clock* clock)
    : clock_(clock),
      per_second_(static_cast<double>(per_second)),
      tokens_(per_second_),
      filled_at_(clock->SteadyNow()) {}

void TokenBucket::SetRate(int64_t per_second) {
  absl::MutexLock lock(&mutex_);
  Refill();
  per_second_ = static_cast<double>(per_second);
  tokens_ = std::min(tokens_, per_second_);
}

int64_t TokenBucket::per_second() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(per_second_);
}

int64_t TokenBucket::Take(int64_t count_max) {
  absl::MutexLock lock(&mutex_);
  Refill();
  const int64_t taken = std::min(count_max, static_cast<int64_t>(tokens_));
  tokens_ -= static_cast<double>(taken);
  return taken;
}

void TokenBucket::Return(int64_t count) {
  absl::MutexLock lock(&mutex_);
  tokens_ = std::min(per_second_, tokens_ + static_cast<double>(count));
}

absl::Duration TokenBucket::UntilWorthwhile() {
  absl::MutexLock lock(&mutex_);
  Refill();
  const double missing = std::max(1.0, per_second_ / 10) - tokens_;
  return absl::Seconds(std::max(0.0, missing) / per_second_);
}

void TokenBucket::Refill() {
  const SteadyTime now = clock_->SteadyNow();
  const double seconds = absl::ToDoubleSeconds(absl::FromChrono(now - filled_at_));
  tokens_ = std::min(per_second_, tokens_ + seconds * per_second_);
  filled_at_ = now;
}

}  // namespace router
