#include "server/failpoints/failpoints.h"

#include <csignal>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::HasSubstr;

std::vector<FailpointRule> Rules(absl::string_view text) {
  const absl::StatusOr<std::vector<FailpointRule>> rules = ParseFailpoints(text);
  EXPECT_TRUE(rules.ok()) << rules.status();
  return rules.value_or(std::vector<FailpointRule>());
}

TEST(FailpointsTest, StrikesEveryTimeUnlessToldOtherwise) {
  Failpoints failpoints(Rules("publish=swap"));
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(failpoints.Strikes(Failpoint::kSwap));
}

TEST(FailpointsTest, TakesSeveralRules) {
  Failpoints failpoints(Rules("publish=swap#2,settle=forget"));
  EXPECT_FALSE(failpoints.Strikes(Failpoint::kSwap));
  EXPECT_TRUE(failpoints.Strikes(Failpoint::kSwap));
  EXPECT_TRUE(failpoints.Strikes(Failpoint::kForgetSettled));
  EXPECT_TRUE(Rules("").empty());
}

TEST(FailpointsTest, LeavesAllOthersAlone) {
  Failpoints failpoints(Rules("publish=swap"));
  EXPECT_FALSE(failpoints.Strikes(Failpoint::kForgetAppend));
  failpoints.Kill(Failpoint::kKillAfterFsync);
}

TEST(FailpointsTest, StrikesAtTheNthPassingOnly) {
  Failpoints failpoints(Rules("append=forget#3"));
  for (int passing = 1; passing <= 6; ++passing) {
    EXPECT_EQ(failpoints.Strikes(Failpoint::kForgetAppend), passing == 3) << passing;
  }
}

TEST(FailpointsTest, StrikesAboutAsOftenAsItsProbability) {
  Failpoints failpoints(Rules("append=forget@0.25"));
  int strikes = 0;
  for (int i = 0; i < 10000; ++i) strikes += failpoints.Strikes(Failpoint::kForgetAppend) ? 1 : 0;
  EXPECT_GT(strikes, 2000);
  EXPECT_LT(strikes, 3000);
}

TEST(FailpointsDeathTest, KillsAsKillDoes) {
  Failpoints failpoints(Rules("after_fsync=kill#2"));
  failpoints.Kill(Failpoint::kKillAfterFsync);
  EXPECT_EXIT(failpoints.Kill(Failpoint::kKillAfterFsync), ::testing::KilledBySignal(SIGKILL), "");
}

TEST(FailpointsTest, RefusesWhatItDoesNotKnow) {
  for (const char* text : {",", "after_fsync", "after_fsync=die", "nowhere=kill", "@0.1"}) {
    const absl::Status status = ParseFailpoints(text).status();
    EXPECT_THAT(std::string(status.message()), HasSubstr("after_fsync=kill")) << text;
  }
  for (const char* text : {"after_fsync=kill@", "after_fsync=kill@0", "after_fsync=kill@1.5",
                           "after_fsync=kill@nan", "after_fsync=kill#0", "after_fsync=kill#x"}) {
    EXPECT_FALSE(ParseFailpoints(text).ok()) << text;
  }
}

}  // namespace
}  // namespace router
