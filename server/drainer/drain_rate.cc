#include "server/drainer/drain_rate.h"

#include <chrono>
#include <cmath>

namespace router {
namespace {

constexpr double kHalfLifeSeconds = 1.0;
// A burst of n raises a rate that decays with this constant by n / constant.
const double kTimeConstantSeconds = kHalfLifeSeconds / std::log(2.0);

}  // namespace

double DrainRate::Decayed(SteadyTime now) const {
  const double seconds = std::chrono::duration<double>(now - updated_).count();
  return rate_ * std::exp(-seconds / kTimeConstantSeconds);
}

void DrainRate::Add(int64_t count, SteadyTime now) {
  absl::MutexLock lock(&mutex_);
  rate_ = Decayed(now) + static_cast<double>(count) / kTimeConstantSeconds;
  updated_ = now;
}

double DrainRate::PerSecond(SteadyTime now) const {
  absl::MutexLock lock(&mutex_);
  return rate_ == 0 ? 0 : Decayed(now);
}

}  // namespace router
