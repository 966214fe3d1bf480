#include "server/base/clock.h"

#include "absl/time/clock.h"

namespace router {
namespace {

class RealClock : public Clock {
 public:
  SteadyTime SteadyNow() override { return SteadyTime::clock::now(); }
  absl::Time WallNow() override { return absl::Now(); }
};

}  // namespace

Clock* SystemClock() {
  static Clock* const clock = new RealClock;
  return clock;
}

}  // namespace router
