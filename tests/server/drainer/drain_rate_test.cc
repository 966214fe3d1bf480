#include "server/drainer/drain_rate.h"

#include <chrono>

#include "gtest/gtest.h"

namespace router {
namespace {

constexpr SteadyTime kStart = SteadyTime(std::chrono::hours(1));

TEST(DrainRateTest, IsZeroBeforeAnything) {
  DrainRate rate;
  EXPECT_EQ(rate.PerSecond(kStart), 0);
}

TEST(DrainRateTest, ComesToASteadyRate) {
  DrainRate rate;
  SteadyTime now = kStart;
  for (int i = 0; i < 2000; ++i) {
    now += std::chrono::milliseconds(10);
    rate.Add(5, now);
  }
  EXPECT_NEAR(rate.PerSecond(now), 500, 5);
}

TEST(DrainRateTest, HalvesWithEverySecondOfRest) {
  DrainRate rate;
  rate.Add(1000, kStart);
  const double before = rate.PerSecond(kStart);
  EXPECT_GT(before, 0);
  EXPECT_NEAR(rate.PerSecond(kStart + std::chrono::seconds(1)), before / 2, 1);
  EXPECT_NEAR(rate.PerSecond(kStart + std::chrono::seconds(2)), before / 4, 1);
  EXPECT_LT(rate.PerSecond(kStart + std::chrono::minutes(1)), 0.01);
}

}  // namespace
}  // namespace router
