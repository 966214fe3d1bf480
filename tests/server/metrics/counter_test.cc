#include "server/metrics/counter.h"

#include <atomic>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace router {
namespace {

TEST(CounterTest, StartsAtZero) { EXPECT_EQ(Counter().Value(), 0u); }

TEST(CounterTest, AddsUp) {
  Counter counter;
  counter.Increment();
  counter.Increment(41);
  EXPECT_EQ(counter.Value(), 42u);
}

TEST(CounterTest, LosesNothingWithMoreThreadsThanCells) {
  constexpr int kThreads = 3 * kMetricShardCount;
  constexpr int kIncrements = 5000;
  Counter counter;
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&counter] {
      for (int j = 0; j < kIncrements; ++j) counter.Increment();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(counter.Value(), uint64_t{kThreads} * kIncrements);
}

TEST(CounterTest, SubsetReadFirstNeverExceedsItsSet) {
  Counter all;
  Counter failures;
  std::atomic<bool> stop{false};
  std::vector<std::thread> threads;
  for (int i = 0; i < 2; ++i) {
    threads.emplace_back([&] {
      while (!stop.load(std::memory_order_relaxed)) {
        all.Increment();
        failures.Increment();
      }
    });
  }
  for (int i = 0; i < 20000; ++i) {
    const uint64_t seen_failures = failures.Value();
    ASSERT_LE(seen_failures, all.Value());
  }
  stop = true;
  for (std::thread& thread : threads) thread.join();
}

TEST(CounterTest, FirstThreadsDoNotShareACell) {
  size_t first = 0;
  size_t second = 0;
  std::thread([&first] { first = MetricShardOfThisThread(); }).join();
  std::thread([&second] { second = MetricShardOfThisThread(); }).join();
  EXPECT_NE(first, second);
  EXPECT_LT(first, kMetricShardCount);
}

}  // namespace
}  // namespace router
