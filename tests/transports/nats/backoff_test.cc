#include "transports/nats/backoff.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>

#include "absl/random/random.h"

namespace router {
namespace {

constexpr BackoffPolicy kPolicy = {absl::Seconds(1), absl::Seconds(30)};

TEST(BackoffTest, BoundDoublesWithEachAttempt) {
  EXPECT_EQ(BackoffBound(kPolicy, 1), absl::Seconds(1));
  EXPECT_EQ(BackoffBound(kPolicy, 2), absl::Seconds(2));
  EXPECT_EQ(BackoffBound(kPolicy, 3), absl::Seconds(4));
  EXPECT_EQ(BackoffBound(kPolicy, 5), absl::Seconds(16));
}

TEST(BackoffTest, BoundStopsAtTheCap) {
  EXPECT_EQ(BackoffBound(kPolicy, 6), absl::Seconds(30));
  EXPECT_EQ(BackoffBound(kPolicy, 1000), absl::Seconds(30));
  EXPECT_EQ(BackoffBound(kPolicy, std::numeric_limits<int>::max()), absl::Seconds(30));
}

TEST(BackoffTest, CapBelowBaseWins) {
  EXPECT_EQ(BackoffBound({absl::Seconds(5), absl::Seconds(2)}, 1), absl::Seconds(2));
}

TEST(BackoffTest, NoDelayWhereNoneIsConfigured) {
  absl::BitGen random;
  EXPECT_EQ(BackoffDelay({absl::ZeroDuration(), absl::Seconds(30)}, 9, random),
            absl::ZeroDuration());
}

TEST(BackoffTest, DelaysFillTheWholeRangeUpToTheBound) {
  absl::BitGen random;
  for (const int attempt : {1, 3, 6, 20}) {
    const absl::Duration bound = BackoffBound(kPolicy, attempt);
    absl::Duration least = absl::InfiniteDuration();
    absl::Duration most = absl::ZeroDuration();
    absl::Duration sum;
    constexpr int kDraws = 10000;
    for (int i = 0; i < kDraws; ++i) {
      const absl::Duration delay = BackoffDelay(kPolicy, attempt, random);
      least = std::min(least, delay);
      most = std::max(most, delay);
      sum += delay;
    }
    EXPECT_GE(least, absl::ZeroDuration());
    EXPECT_LT(least, bound * 0.05);
    EXPECT_LE(most, bound);
    EXPECT_GT(most, bound * 0.95);
    EXPECT_NEAR(absl::FDivDuration(sum / kDraws, bound), 0.5, 0.05);
  }
}

}  // namespace
}  // namespace router
