#include "server/base/steady_wait.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace router {
namespace {

constexpr std::chrono::milliseconds kSlice(20);

}  // namespace

bool WaitSteadily(const absl::Notification& notification, absl::Duration duration) {
  using Clock = std::chrono::steady_clock;
  const Clock::time_point end = Clock::now() + absl::ToChronoNanoseconds(duration);
  while (!notification.HasBeenNotified()) {
    const auto left = std::chrono::duration_cast<std::chrono::nanoseconds>(end - Clock::now());
    if (left.count() <= 0) return false;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kSlice));
  }
  return true;
}

}  // namespace router
