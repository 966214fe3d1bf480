#ifndef ROUTER_TESTS_SERVER_BASE_FAKE_CLOCK_H_
#define ROUTER_TESTS_SERVER_BASE_FAKE_CLOCK_H_

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/clock.h"

namespace router {

// A clock that stands still until a test moves it. Thread-safe. Starts at 2026-01-01 00:00:00 UTC.
class FakeClock : public Clock {
 public:
  SteadyTime SteadyNow() override {
    absl::MutexLock lock(&mutex_);
    return steady_;
  }

  absl::Time WallNow() override {
    absl::MutexLock lock(&mutex_);
    return wall_;
  }

  // Time passes, on both clocks.
  void Advance(absl::Duration duration) {
    absl::MutexLock lock(&mutex_);
    steady_ += absl::ToChronoNanoseconds(duration);
    wall_ += duration;
  }

  // Somebody sets the wall clock; the steady one does not notice.
  void SetWall(absl::Time wall) {
    absl::MutexLock lock(&mutex_);
    wall_ = wall;
  }

 private:
  absl::Mutex mutex_;
  SteadyTime steady_ ABSL_GUARDED_BY(mutex_) = SteadyTime(std::chrono::hours(1));
  absl::Time wall_ ABSL_GUARDED_BY(mutex_) = absl::FromUnixSeconds(1767225600);
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_BASE_FAKE_CLOCK_H_
