#include "server/metrics/histogram.h"

#include <cmath>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::ElementsAre;

std::vector<absl::Duration> Bounds() {
  return {absl::Milliseconds(1), absl::Milliseconds(10), absl::Milliseconds(100)};
}

TEST(HistogramTest, CountsIntoCumulativeBucketsWithInclusiveBounds) {
  Histogram histogram(Bounds());
  histogram.Observe(absl::Milliseconds(1));
  histogram.Observe(absl::Milliseconds(1) + absl::Nanoseconds(1));
  histogram.Observe(absl::Milliseconds(100));
  histogram.Observe(absl::Seconds(5));
  const Histogram::Snapshot snapshot = histogram.Fold();
  EXPECT_THAT(snapshot.cumulative_counts, ElementsAre(1, 2, 3));
  EXPECT_EQ(snapshot.count, 4u);
  EXPECT_NEAR(snapshot.sum_seconds, 5.102, 1e-6);
}

TEST(HistogramTest, CountsManyAtOnce) {
  Histogram histogram(Bounds());
  histogram.Observe(absl::Milliseconds(5), 1000);
  histogram.Observe(absl::Milliseconds(5), 0);
  const Histogram::Snapshot snapshot = histogram.Fold();
  EXPECT_THAT(snapshot.cumulative_counts, ElementsAre(0, 1000, 1000));
  EXPECT_NEAR(snapshot.sum_seconds, 5.0, 1e-9);
}

TEST(HistogramTest, CountsNegativeDurationsAsZero) {
  Histogram histogram(Bounds());
  histogram.Observe(-absl::Seconds(1));
  const Histogram::Snapshot snapshot = histogram.Fold();
  EXPECT_THAT(snapshot.cumulative_counts, ElementsAre(1, 1, 1));
  EXPECT_EQ(snapshot.sum_seconds, 0);
}

TEST(HistogramTest, KeepsItsSumFiniteWhenADurationIsNot) {
  Histogram histogram(Bounds());
  histogram.Observe(absl::InfiniteDuration());
  const Histogram::Snapshot snapshot = histogram.Fold();
  EXPECT_EQ(snapshot.count, 1u);
  EXPECT_TRUE(std::isfinite(snapshot.sum_seconds));
}

TEST(HistogramTest, LosesNothingWithMoreThreadsThanCells) {
  constexpr int kThreads = 2 * kMetricShardCount;
  constexpr int kObservations = 5000;
  Histogram histogram(Bounds());
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&histogram] {
      for (int j = 0; j < kObservations; ++j) histogram.Observe(absl::Milliseconds(2));
    });
  }
  for (std::thread& thread : threads) thread.join();
  const Histogram::Snapshot snapshot = histogram.Fold();
  EXPECT_EQ(snapshot.count, uint64_t{kThreads} * kObservations);
  EXPECT_NEAR(snapshot.sum_seconds, kThreads * kObservations * 0.002, 1e-6);
}

}  // namespace
}  // namespace router
