#include "server/log/rate_limiter.h"

#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace router {
namespace {

SteadyTime At(int milliseconds) { return SteadyTime(std::chrono::milliseconds(milliseconds)); }

TEST(RateLimiterTest, LetsTheFirstOfEachSecondThroughAndCountsTheRest) {
  RateLimiter limiter(2);
  EXPECT_EQ(limiter.Admit("A", At(5000)), 0u);
  EXPECT_EQ(limiter.Admit("A", At(5100)), 0u);
  EXPECT_EQ(limiter.Admit("A", At(5200)), absl::nullopt);
  EXPECT_EQ(limiter.Admit("A", At(5999)), absl::nullopt);
  EXPECT_EQ(limiter.Admit("A", At(6000)), 2u);
  EXPECT_EQ(limiter.Admit("A", At(6001)), 0u);
  EXPECT_EQ(limiter.Admit("A", At(6002)), absl::nullopt);
}

TEST(RateLimiterTest, LimitsEachCodeByItself) {
  RateLimiter limiter(1);
  EXPECT_EQ(limiter.Admit("A", At(0)), 0u);
  EXPECT_EQ(limiter.Admit("B", At(0)), 0u);
  EXPECT_EQ(limiter.Admit("A", At(0)), absl::nullopt);
  EXPECT_EQ(limiter.Admit("B", At(0)), absl::nullopt);
}

TEST(RateLimiterTest, ThreadWithAnOlderTimeDoesNotReopenTheWindow) {
  RateLimiter limiter(1);
  EXPECT_EQ(limiter.Admit("A", At(2000)), 0u);
  EXPECT_EQ(limiter.Admit("A", At(1999)), absl::nullopt);
  EXPECT_EQ(limiter.Admit("A", At(2001)), absl::nullopt);
}

TEST(RateLimiterTest, ZeroIsNoLimit) {
  RateLimiter limiter(0);
  for (int i = 0; i < 1000; ++i) ASSERT_EQ(limiter.Admit("A", At(0)), 0u);
}

TEST(RateLimiterTest, TooManyCodesShareOneAllowance) {
  RateLimiter limiter(1);
  for (size_t i = 0; i < RateLimiter::kCodeCountMax; ++i) {
    ASSERT_EQ(limiter.Admit(std::to_string(i), At(0)), 0u) << i;
  }
  EXPECT_EQ(limiter.Admit("one more", At(0)), 0u);
  EXPECT_EQ(limiter.Admit("and another", At(0)), absl::nullopt);
  EXPECT_EQ(limiter.Admit("7", At(0)), absl::nullopt);
}

TEST(RateLimiterTest, ThreadsShareTheAllowanceAndLoseNoCount) {
  constexpr int kThreads = 8;
  constexpr int kEvents = 2000;
  RateLimiter limiter(100);
  std::atomic<int> admitted{0};
  std::atomic<uint64_t> reported{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&] {
      for (int j = 0; j < kEvents; ++j) {
        if (const auto suppressed = limiter.Admit("A", At(0)); suppressed.has_value()) {
          ++admitted;
          reported += *suppressed;
        }
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(admitted, 100);
  EXPECT_EQ(reported + *limiter.Admit("A", At(1000)), uint64_t{kThreads * kEvents - 100});
}

}  // namespace
}  // namespace router
