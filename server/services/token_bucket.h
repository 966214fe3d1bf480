#ifndef ROUTER_SERVER_SERVICES_TOKEN_BUCKET_H_
#define ROUTER_SERVER_SERVICES_TOKEN_BUCKET_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/clock.h"

namespace router {

// Lets so many things per second happen: what is not used is saved up for one second, no longer.
// Starts full. Thread-safe. Borrows the clock.
class TokenBucket {
 public:
  // `per_second`: at least 1.
  TokenBucket(int64_t per_second, Clock* clock);

  // From now on; what has been saved up beyond it is lost.
  void SetRate(int64_t per_second) ABSL_LOCKS_EXCLUDED(mutex_);
  int64_t per_second() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Takes up to `count_max` tokens, as many as there are.
  int64_t Take(int64_t count_max) ABSL_LOCKS_EXCLUDED(mutex_);
  // Gives back what was taken and not used.
  void Return(int64_t count) ABSL_LOCKS_EXCLUDED(mutex_);

  // How long until enough tokens for a tenth of a second have come together; zero: there are.
  absl::Duration UntilWorthwhile() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Refill() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Clock* const clock_;

  mutable absl::Mutex mutex_;
  double per_second_ ABSL_GUARDED_BY(mutex_);
  double tokens_ ABSL_GUARDED_BY(mutex_);
  SteadyTime filled_at_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_TOKEN_BUCKET_H_
