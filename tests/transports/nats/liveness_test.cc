#include "transports/nats/liveness.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>

namespace router {
namespace {

using std::chrono::milliseconds;
using ::testing::HasSubstr;

class LivenessTest : public ::testing::Test {
 protected:
  // Lets time pass in steps of the transport's loop; pings where it would. "" while alive.
  std::string Pass(milliseconds time) {
    for (const SteadyTime end = now_ + time; now_ < end;) {
      now_ += milliseconds(100);
      if (liveness_.WantsPing(now_)) liveness_.PingSent(now_);
      const absl::string_view dead = liveness_.Check(now_);
      if (!dead.empty()) return std::string(dead);
    }
    return "";
  }

  SteadyTime now_;
  Liveness liveness_{{absl::Seconds(5), 2, absl::Seconds(2)}, now_};
};

TEST_F(LivenessTest, SilentServerIsDeadAfterThePingBudget) {
  EXPECT_EQ(Pass(milliseconds(9900)), "");
  EXPECT_THAT(Pass(milliseconds(100)), HasSubstr("silent"));
}

TEST_F(LivenessTest, AnsweredPingsKeepItAlive) {
  for (int i = 0; i < 10; ++i) {
    EXPECT_EQ(Pass(milliseconds(6000)), "");
    liveness_.Received(now_);
    liveness_.PingAnswered(/*more=*/false, now_);
  }
}

TEST_F(LivenessTest, UnansweredPingIsTheEndWhateverElseArrives) {
  liveness_.PingSent(now_);
  for (int i = 0; i < 9; ++i) {
    EXPECT_EQ(Pass(milliseconds(1000)), "");
    liveness_.Received(now_);
  }
  EXPECT_THAT(Pass(milliseconds(1000)), HasSubstr("no ping"));
}

TEST_F(LivenessTest, SocketThatTakesNothingIsDeadAfterTheWriteDeadline) {
  liveness_.WriteState(/*waiting=*/true, /*progress=*/true, now_);
  EXPECT_EQ(Pass(milliseconds(1900)), "");
  liveness_.WriteState(true, /*progress=*/false, now_);
  EXPECT_THAT(Pass(milliseconds(100)), HasSubstr("write deadline"));
}

TEST_F(LivenessTest, ProgressRestartsTheWriteDeadline) {
  for (int i = 0; i < 4; ++i) {
    liveness_.WriteState(/*waiting=*/true, /*progress=*/true, now_);
    liveness_.Received(now_);
    EXPECT_EQ(Pass(milliseconds(1900)), "");
  }
  liveness_.Received(now_);
  liveness_.WriteState(/*waiting=*/false, /*progress=*/true, now_);
  EXPECT_EQ(Pass(milliseconds(2500)), "");
}

TEST_F(LivenessTest, TimeInWhichTheProcessStoodStillCountsForNothing) {
  EXPECT_EQ(Pass(milliseconds(6000)), "");
  now_ += std::chrono::hours(1);
  EXPECT_EQ(liveness_.Check(now_), "");
  EXPECT_EQ(Pass(milliseconds(3900)), "");
}

}  // namespace
}  // namespace router
