#include "transports/nats/hold_back.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>

namespace router {
namespace {

using std::chrono::milliseconds;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class HoldBackTest : public ::testing::Test {
 protected:
  void Refuse(uint64_t number) {
    hold_back_.Refused("s", number, FailureReason::kBrokerError, "full", now_);
  }
  std::vector<uint64_t> ProbesAfter(milliseconds time) {
    now_ += time;
    return hold_back_.TakeProbes(now_);
  }

  HoldBack hold_back_;
  SteadyTime now_;
};

TEST_F(HoldBackTest, ProbesWithTheOldestOnly) {
  Refuse(5);
  Refuse(4);
  hold_back_.Wait("s", 9);
  EXPECT_THAT(ProbesAfter(milliseconds(24)), IsEmpty());
  EXPECT_THAT(ProbesAfter(milliseconds(1)), ElementsAre(4));
  EXPECT_THAT(ProbesAfter(milliseconds(500)), IsEmpty());
}

TEST_F(HoldBackTest, DelayDoublesUpToItsMaximum) {
  Refuse(4);
  for (const int delay_ms : {25, 50, 100, 200, 250, 250}) {
    EXPECT_THAT(ProbesAfter(milliseconds(delay_ms - 1)), IsEmpty()) << delay_ms;
    EXPECT_THAT(ProbesAfter(milliseconds(1)), ElementsAre(4)) << delay_ms;
    Refuse(4);
  }
}

TEST_F(HoldBackTest, ConfirmedProbeReleasesAllInOrder) {
  Refuse(4);
  Refuse(6);
  hold_back_.Wait("s", 8);
  ASSERT_THAT(ProbesAfter(milliseconds(25)), ElementsAre(4));
  EXPECT_THAT(hold_back_.Confirmed("s", 5), IsEmpty());  // Was on its way before.
  EXPECT_THAT(hold_back_.Confirmed("s", 4), ElementsAre(6, 8));
  EXPECT_TRUE(hold_back_.empty());
}

TEST_F(HoldBackTest, UnansweredProbeMakesRoomForTheNext) {
  Refuse(4);
  Refuse(6);
  ASSERT_THAT(ProbesAfter(milliseconds(25)), ElementsAre(4));
  EXPECT_THAT(ProbesAfter(milliseconds(1000)), ElementsAre(6));
}

TEST_F(HoldBackTest, SettledProbeMakesRoomAtOnce) {
  Refuse(4);
  Refuse(6);
  ASSERT_THAT(ProbesAfter(milliseconds(25)), ElementsAre(4));
  hold_back_.Forget("s", 4, now_);
  EXPECT_THAT(ProbesAfter(milliseconds(0)), ElementsAre(6));
  hold_back_.Forget("s", 6, now_);
  EXPECT_TRUE(hold_back_.empty());
}

TEST_F(HoldBackTest, SubjectsDoNotHoldOneAnother) {
  Refuse(4);
  EXPECT_TRUE(hold_back_.Holds("s"));
  EXPECT_FALSE(hold_back_.Holds("t"));
}

TEST_F(HoldBackTest, AsksOncePerProbe) {
  Refuse(4);
  const auto question = hold_back_.Ask("s");
  ASSERT_TRUE(question.has_value());
  EXPECT_FALSE(hold_back_.Ask("s").has_value());
  EXPECT_EQ(hold_back_.TakeQuestion(*question), "s");
  EXPECT_FALSE(hold_back_.TakeQuestion(*question).has_value());
  ProbesAfter(milliseconds(25));
  EXPECT_TRUE(hold_back_.Ask("s").has_value());
}

TEST_F(HoldBackTest, DropReturnsWhatWaits) {
  Refuse(4);
  Refuse(6);
  EXPECT_THAT(hold_back_.Drop("s"), ElementsAre(4, 6));
  EXPECT_TRUE(hold_back_.empty());
}

}  // namespace
}  // namespace router
