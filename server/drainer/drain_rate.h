#ifndef ROUTER_SERVER_DRAINER_DRAIN_RATE_H_
#define ROUTER_SERVER_DRAINER_DRAIN_RATE_H_

#include <cstdint>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "transports/transport.h"

namespace router {

// Operations delivered per second, of late: an average in which each second weighs half as much as
// the one after it. Thread-safe.
class DrainRate {
 public:
  void Add(int64_t count, SteadyTime now);
  double PerSecond(SteadyTime now) const;

 private:
  // What of the average is left `now`.
  double Decayed(SteadyTime now) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  mutable absl::Mutex mutex_;
  double rate_ ABSL_GUARDED_BY(mutex_) = 0;
  SteadyTime updated_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_DRAINER_DRAIN_RATE_H_
