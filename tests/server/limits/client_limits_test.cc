#include "server/limits/client_limits.h"

#include <memory>

#include "absl/strings/cord.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

using ClientPtr = std::shared_ptr<ClientLimits::Client>;

absl::Duration RetryAfter(const absl::Status& status) {
  google::rpc::RetryInfo retry;
  const absl::optional<absl::Cord> payload = status.GetPayload(error::kRetryInfoUrl);
  if (!payload.has_value() || !retry.ParseFromString(std::string(*payload))) {
    return absl::ZeroDuration();
  }
  return absl::Seconds(retry.retry_delay().seconds()) +
         absl::Nanoseconds(retry.retry_delay().nanos());
}

// In hand: 1000 bytes of all clients, 600 bytes and 10 messages of one. On the way, of all: 80
// bytes and 8 messages.
ClientLimits::Limits LimitsWithRate(int64_t messages_per_second) {
  return {1000, 600, 10, 80, 8, messages_per_second};
}

class ClientLimitsTest : public ::testing::Test {
 protected:
  // "" where they are taken in, whether or not they have to wait.
  std::string ReasonOfEnter(const ClientPtr& client, ClientLimits::Amount amount) {
    return error::ReasonOf(limits_.Enter(client.get(), amount, false).status());
  }
  // Whether they are taken in and have their turn.
  bool EntersAndStarts(const ClientPtr& client, ClientLimits::Amount amount,
                       bool others_wait = false) {
    const absl::StatusOr<bool> entered = limits_.Enter(client.get(), amount, others_wait);
    EXPECT_TRUE(entered.ok()) << entered.status();
    return entered.ok() && *entered;
  }
  void Leave(const ClientPtr& client, ClientLimits::Amount amount, bool has_turn = true) {
    limits_.Leave(client.get(), amount, has_turn);
  }

  void SetRate(int64_t messages_per_second) { limits_.Set(LimitsWithRate(messages_per_second)); }

  FakeClock clock_;
  LogCapture capture_;
  Logger log_{{}, &clock_, capture_.AsSink()};
  Metrics metrics_{"test", "test"};
  ClientLimits limits_{LimitsWithRate(0), &clock_, &log_, &metrics_};
  const ClientPtr a_ = limits_.Find("a");
  const ClientPtr b_ = limits_.Find("b");
};

TEST_F(ClientLimitsTest, ClientsDoNotCountForEachOther) {
  EXPECT_EQ(ReasonOfEnter(a_, {10, 100}), "");
  EXPECT_EQ(ReasonOfEnter(a_, {1, 1}), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(ReasonOfEnter(b_, {10, 100}), "");
}

TEST_F(ClientLimitsTest, LimitsBytesOfOneClientAndOfAll) {
  EXPECT_EQ(ReasonOfEnter(a_, {1, 600}), "");
  EXPECT_EQ(ReasonOfEnter(a_, {1, 1}), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(ReasonOfEnter(b_, {1, 400}), "");
  EXPECT_EQ(ReasonOfEnter(b_, {1, 101}), "IN_FLIGHT_LIMIT");
  EXPECT_EQ(limits_.in_flight_bytes(), 1000);
}

TEST_F(ClientLimitsTest, WhoHasLessThanAnEvenPartIsNotRefusedForWhatOthersHave) {
  ASSERT_EQ(ReasonOfEnter(a_, {1, 600}), "");
  ASSERT_EQ(ReasonOfEnter(b_, {1, 400}), "");
  const ClientPtr c = limits_.Find("c");
  EXPECT_EQ(ReasonOfEnter(c, {1, 300}), "");
  EXPECT_EQ(ReasonOfEnter(c, {1, 34}), "IN_FLIGHT_LIMIT");  // More than a third of all.
}

TEST_F(ClientLimitsTest, WhatIsAnsweredMakesRoom) {
  EXPECT_EQ(ReasonOfEnter(a_, {4, 200}), "");
  EXPECT_EQ(ReasonOfEnter(a_, {6, 400}), "");
  Leave(a_, {4, 200});
  EXPECT_EQ(ReasonOfEnter(a_, {4, 200}), "");
  EXPECT_EQ(ReasonOfEnter(a_, {1, 1}), "CLIENT_IN_FLIGHT_LIMIT");
}

TEST_F(ClientLimitsTest, NoCallIsTooLargeForSomebodyWithNothingInHand) {
  EXPECT_TRUE(EntersAndStarts(a_, {5000, 5000}));
  EXPECT_EQ(ReasonOfEnter(a_, {1, 1}), "CLIENT_IN_FLIGHT_LIMIT");
  Leave(a_, {5000, 5000});
  EXPECT_TRUE(EntersAndStarts(a_, {1, 1}));
}

TEST_F(ClientLimitsTest, OneThatIsAloneHasEightTimesTheShare) {
  limits_.Set({100000, 100000, 1000, 100000, 8, 0});
  EXPECT_TRUE(EntersAndStarts(a_, {63, 1}));
  EXPECT_TRUE(EntersAndStarts(a_, {5, 1}));  // There is room for one: it may be exceeded.
  EXPECT_FALSE(EntersAndStarts(a_, {1, 1}));
}

TEST_F(ClientLimitsTest, TheShareOfBytesCountsToo) {
  EXPECT_TRUE(EntersAndStarts(b_, {1, 1}));
  EXPECT_TRUE(EntersAndStarts(a_, {1, 40}));
  EXPECT_FALSE(EntersAndStarts(a_, {1, 1}));
}

TEST_F(ClientLimitsTest, ThoseThatPublishShareEvenly) {
  EXPECT_TRUE(EntersAndStarts(b_, {1, 1}));
  EXPECT_TRUE(EntersAndStarts(a_, {4, 4}));
  EXPECT_FALSE(EntersAndStarts(a_, {1, 1}));
  EXPECT_FALSE(limits_.Start(a_.get(), {1, 1}));
  EXPECT_TRUE(EntersAndStarts(b_, {1, 1}));  // Whatever the other one has.
  Leave(a_, {4, 4});
  EXPECT_FALSE(EntersAndStarts(a_, {2, 2}, /*others_wait=*/true));
  EXPECT_TRUE(limits_.Start(a_.get(), {1, 1}));
  EXPECT_TRUE(limits_.Start(a_.get(), {2, 2}));
  EXPECT_TRUE(EntersAndStarts(a_, {1, 1}));
}

TEST_F(ClientLimitsTest, AClientThatHasStoppedPublishingLeavesItsShare) {
  EXPECT_TRUE(EntersAndStarts(b_, {1, 1}));
  EXPECT_TRUE(EntersAndStarts(a_, {4, 4}));
  EXPECT_FALSE(EntersAndStarts(a_, {1, 1}));
  clock_.Advance(ClientLimits::kActiveTime);
  limits_.Sweep();
  EXPECT_FALSE(limits_.Start(a_.get(), {1, 1})) << "it has something in hand";
  Leave(b_, {1, 1});
  limits_.Sweep();
  EXPECT_TRUE(limits_.Start(a_.get(), {1, 1}));
}

TEST_F(ClientLimitsTest, WhatIsGivenUpWhileItWaitsHoldsUpNobody) {
  EXPECT_TRUE(EntersAndStarts(b_, {1, 1}));
  EXPECT_TRUE(EntersAndStarts(a_, {4, 4}));
  EXPECT_FALSE(EntersAndStarts(a_, {6, 6}));
  Leave(a_, {6, 6}, /*has_turn=*/false);
  Leave(a_, {4, 4});
  EXPECT_TRUE(EntersAndStarts(a_, {1, 1}));
  EXPECT_EQ(limits_.in_flight_bytes(), 2);
}

TEST_F(ClientLimitsTest, CallsLargerThanAShareAreNotTooMuchTogether) {
  limits_.Set({1 << 20, 1 << 20, 1000, 80, 8, 0});
  EXPECT_TRUE(EntersAndStarts(b_, {1, 600}));  // Alone.
  EXPECT_TRUE(EntersAndStarts(a_, {1, 600}));  // 640 may be on the way before such a call.
  const ClientPtr c = limits_.Find("c");
  EXPECT_FALSE(EntersAndStarts(c, {1, 600}));
  EXPECT_TRUE(EntersAndStarts(c, {1, 20})) << "it is in the share";
  Leave(c, {1, 20});
  Leave(a_, {1, 600});
  EXPECT_TRUE(limits_.Start(c.get(), {1, 600}));
}

TEST_F(ClientLimitsTest, AnswersThatAreNotTakenAreInHandAndNotOnTheWay) {
  EXPECT_TRUE(EntersAndStarts(b_, {1, 1}));
  EXPECT_TRUE(EntersAndStarts(a_, {4, 40}));
  EXPECT_FALSE(EntersAndStarts(a_, {1, 1}));
  limits_.EndTurn(a_.get(), {4, 40});
  EXPECT_EQ(limits_.in_flight_bytes(), 2);
  EXPECT_TRUE(limits_.Start(a_.get(), {1, 1}));
  EXPECT_EQ(ReasonOfEnter(a_, {6, 1}), "CLIENT_IN_FLIGHT_LIMIT");
  Leave(a_, {4, 0}, /*has_turn=*/false);
  EXPECT_EQ(ReasonOfEnter(a_, {6, 1}), "");
}

TEST_F(ClientLimitsTest, NobodyGetsInWhereThereIsTwiceAsMuchAsThereMayBe) {
  for (int i = 0; i < 4; ++i) {
    EXPECT_EQ(ReasonOfEnter(limits_.Find(std::to_string(i)), {1, 500}), "") << i;
  }
  EXPECT_EQ(ReasonOfEnter(a_, {1, 1}), "IN_FLIGHT_LIMIT");
  EXPECT_EQ(limits_.in_flight_bytes(), 2000);
}

TEST_F(ClientLimitsTest, ManyClientsHaveAShareEach) {
  for (int i = 0; i < 200; ++i) EXPECT_EQ(ReasonOfEnter(limits_.Find(std::to_string(i)), {}), "");
  EXPECT_TRUE(EntersAndStarts(a_, {1, 1}));
  EXPECT_FALSE(EntersAndStarts(a_, {1, 1}));
}

TEST_F(ClientLimitsTest, RefusalsSayWhenToTryAgain) {
  ASSERT_EQ(ReasonOfEnter(a_, {10, 600}), "");
  const absl::Status refused = limits_.Enter(a_.get(), {1, 1}, false).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(100));
}

TEST_F(ClientLimitsTest, RateIsMadeUpForByTime) {
  SetRate(100);
  EXPECT_EQ(ReasonOfEnter(a_, {100, 0}), "");  // A second's worth is saved up.
  Leave(a_, {100, 0});
  const absl::Status refused = limits_.Enter(a_.get(), {1, 0}, false).status();
  EXPECT_EQ(error::ReasonOf(refused), "CLIENT_RATE_LIMIT");
  EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(10));
  EXPECT_EQ(ReasonOfEnter(b_, {1, 0}), "");
  clock_.Advance(RetryAfter(refused));
  EXPECT_EQ(ReasonOfEnter(a_, {1, 0}), "");
}

TEST_F(ClientLimitsTest, ALargeCallIsTakenInWholeAndMadeUpForAfterwards) {
  SetRate(100);
  EXPECT_EQ(ReasonOfEnter(a_, {400, 0}), "");
  Leave(a_, {400, 0});
  clock_.Advance(absl::Seconds(2.9));
  EXPECT_EQ(ReasonOfEnter(a_, {1, 0}), "CLIENT_RATE_LIMIT");
  clock_.Advance(absl::Seconds(0.2));
  EXPECT_EQ(ReasonOfEnter(a_, {1, 0}), "");
}

TEST_F(ClientLimitsTest, NoMoreThanASecondIsSavedUp) {
  SetRate(10);
  ASSERT_EQ(ReasonOfEnter(a_, {1, 0}), "");
  clock_.Advance(absl::Hours(1));
  ASSERT_EQ(ReasonOfEnter(a_, {9, 0}), "");
  Leave(a_, {10, 0});
  ASSERT_EQ(ReasonOfEnter(a_, {1, 0}), "");
  EXPECT_EQ(ReasonOfEnter(a_, {1, 0}), "CLIENT_RATE_LIMIT");
}

TEST_F(ClientLimitsTest, SweepForgetsWhoHasNothingToMakeUpFor) {
  SetRate(100);
  ASSERT_EQ(ReasonOfEnter(limits_.Find("c"), {150, 0}), "");
  Leave(limits_.Find("c"), {150, 0});
  clock_.Advance(absl::Seconds(1.2));
  limits_.Sweep();
  EXPECT_EQ(limits_.client_count(), 3u) << "it has not saved up what one has that is new";
  clock_.Advance(absl::Seconds(1));
  limits_.Sweep();
  EXPECT_EQ(limits_.client_count(), 2u) << "the two that the test holds";
}

TEST_F(ClientLimitsTest, WhatWasRefusedEntersAgainAsWhatIsNew) {
  ASSERT_EQ(ReasonOfEnter(a_, {10, 10}), "");
  ASSERT_EQ(ReasonOfEnter(a_, {1, 1}), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(limits_.EnterAgain(a_.get(), {1, 1}, false), absl::nullopt);
  Leave(a_, {10, 10});
  EXPECT_EQ(limits_.EnterAgain(a_.get(), {9, 90}, false), true);
  EXPECT_EQ(limits_.EnterAgain(a_.get(), {1, 550}, false), absl::nullopt);
  EXPECT_EQ(limits_.EnterAgain(a_.get(), {1, 500}, false), true);
  EXPECT_EQ(limits_.in_flight_bytes(), 590);
}

TEST_F(ClientLimitsTest, AnotherRateBeginsAnew) {
  SetRate(1);
  ASSERT_EQ(ReasonOfEnter(a_, {9, 0}), "");
  Leave(a_, {9, 0});
  ASSERT_EQ(ReasonOfEnter(a_, {1, 0}), "CLIENT_RATE_LIMIT");
  SetRate(1000);
  EXPECT_EQ(ReasonOfEnter(a_, {1, 0}), "");
}

TEST_F(ClientLimitsTest, AfterStopNothingWaits) {
  ASSERT_EQ(ReasonOfEnter(a_, {10, 600}), "");
  limits_.Stop();
  EXPECT_TRUE(EntersAndStarts(a_, {10, 600}));
}

TEST_F(ClientLimitsTest, RefusalsAreCountedAndLoggedOnce) {
  ASSERT_EQ(ReasonOfEnter(a_, {10, 10}), "");
  ASSERT_EQ(ReasonOfEnter(a_, {1, 1}), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_FALSE(limits_.EnterAgain(a_.get(), {1, 1}, false).has_value());
  EXPECT_EQ(metrics_.limits_exceeded.client_max_in_flight_messages.Value(), 1);
  ASSERT_EQ(capture_.Events("CLIENT_LIMITED").size(), 1);
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED")[0]["client"], "a");
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED")[0]["limit"], "client_max_in_flight_messages");
}

}  // namespace
}  // namespace router
