#include "server/base/clock.h"

#include "gtest/gtest.h"
#include "tests/server/base/fake_clock.h"

namespace router {
namespace {

TEST(SystemClockTest, NeverGoesBack) {
  SteadyTime last = SystemClock()->SteadyNow();
  for (int i = 0; i < 1000; ++i) {
    const SteadyTime now = SystemClock()->SteadyNow();
    EXPECT_GE(now, last);
    last = now;
  }
  EXPECT_GT(SystemClock()->WallNow(), absl::FromUnixSeconds(1600000000));
}

TEST(FakeClockTest, MovesOnlyWhenItIsMoved) {
  FakeClock clock;
  const SteadyTime steady = clock.SteadyNow();
  const absl::Time wall = clock.WallNow();
  EXPECT_EQ(clock.SteadyNow(), steady);
  clock.Advance(absl::Milliseconds(1500));
  EXPECT_EQ(clock.SteadyNow() - steady, std::chrono::milliseconds(1500));
  EXPECT_EQ(clock.WallNow() - wall, absl::Milliseconds(1500));
}

TEST(FakeClockTest, AJumpOfTheWallClockLeavesTheSteadyOneAlone) {
  FakeClock clock;
  const SteadyTime steady = clock.SteadyNow();
  clock.SetWall(absl::UnixEpoch());
  EXPECT_EQ(clock.WallNow(), absl::UnixEpoch());
  EXPECT_EQ(clock.SteadyNow(), steady);
}

}  // namespace
}  // namespace router
