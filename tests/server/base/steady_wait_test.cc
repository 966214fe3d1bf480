#include "server/base/steady_wait.h"

#include <gtest/gtest.h>

#include <chrono>
#include <thread>

namespace router {
namespace {

using Clock = std::chrono::steady_clock;

TEST(WaitSteadilyTest, EndsWithTheNotification) {
  absl::Notification notification;
  std::thread notifier([&] { notification.Notify(); });
  EXPECT_TRUE(WaitSteadily(notification, absl::Minutes(1)));
  notifier.join();
  EXPECT_TRUE(WaitSteadily(notification, absl::ZeroDuration()));
}

TEST(WaitSteadilyTest, EndsWhenItsTimeIsOver) {
  absl::Notification notification;
  const Clock::time_point begin = Clock::now();
  EXPECT_FALSE(WaitSteadily(notification, absl::Milliseconds(50)));
  EXPECT_GE(Clock::now() - begin, std::chrono::milliseconds(50));
}

TEST(WaitSteadilyTest, NoTimeIsALook) {
  absl::Notification notification;
  EXPECT_FALSE(WaitSteadily(notification, absl::ZeroDuration()));
  EXPECT_FALSE(WaitSteadily(notification, -absl::Seconds(1)));
}

}  // namespace
}  // namespace router
