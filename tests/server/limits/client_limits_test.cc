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

class ClientLimitsTest : public ::testing::Test {
 protected:
  // "" where the messages may be published, "waits" where they have to wait for that, and the
  // reason where they are refused.
  std::string Enter(const ClientPtr& client, int64_t messages, int64_t bytes) {
    const absl::StatusOr<bool> entered = limits_.Enter(client.get(), {messages, bytes});
    if (!entered.ok()) return error::ReasonOf(entered.status());
    return *entered ? "" : "waits";
  }

  void Answer(const ClientPtr& client, int64_t messages, int64_t bytes) {
    limits_.Leave(client.get(), {messages, bytes}, /*has_started=*/true);
  }

  void Set(int64_t shared_messages, int64_t messages_per_second) {
    ClientLimits::Limits limits = kLimits;
    limits.shared_messages_max = shared_messages;
    limits.client_messages_per_second = messages_per_second;
    limits_.Set(limits);
  }
  void SetRate(int64_t messages_per_second) { Set(1000000, messages_per_second); }

  static constexpr ClientLimits::Limits kLimits = {1000, 600, 10, 1000000, 1000000, 0};

  FakeClock clock_;
  LogCapture capture_;
  Logger log_{{}, &clock_, capture_.AsSink()};
  Metrics metrics_{"test", "test"};
  ClientLimits limits_{kLimits, &clock_, &log_, &metrics_};
  const ClientPtr a_ = limits_.Find("a");
  const ClientPtr b_ = limits_.Find("b");
};

TEST_F(ClientLimitsTest, ClientsDoNotCountForEachOther) {
  EXPECT_EQ(Enter(a_, 10, 100), "");
  EXPECT_EQ(Enter(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(Enter(b_, 10, 100), "");
}

TEST_F(ClientLimitsTest, LimitsBytesOfOneClientAndOfAll) {
  EXPECT_EQ(Enter(a_, 1, 600), "");
  EXPECT_EQ(Enter(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(Enter(b_, 1, 400), "");
  EXPECT_EQ(Enter(b_, 1, 1), "IN_FLIGHT_LIMIT");
  EXPECT_EQ(limits_.in_flight_bytes(), 1000);
}

TEST_F(ClientLimitsTest, WhatIsAnsweredMakesRoom) {
  EXPECT_EQ(Enter(a_, 6, 400), "");
  EXPECT_EQ(Enter(a_, 4, 200), "");
  EXPECT_EQ(Enter(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  Answer(a_, 4, 200);
  EXPECT_EQ(Enter(a_, 4, 200), "");
  EXPECT_EQ(Enter(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
}

TEST_F(ClientLimitsTest, NoCallIsTooLargeForSomebodyWithNothingInHand) {
  EXPECT_EQ(Enter(a_, 5000, 5000), "");
  EXPECT_EQ(Enter(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  Answer(a_, 5000, 5000);
  EXPECT_EQ(Enter(a_, 1, 1), "");
}

TEST_F(ClientLimitsTest, RefusalsSayWhenToTryAgain) {
  ASSERT_EQ(Enter(a_, 10, 600), "");
  const absl::Status refused = limits_.Enter(a_.get(), {1, 1}).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(100));
}

TEST_F(ClientLimitsTest, SeveralClientsShareWhatMayBeOnItsWay) {
  Set(4, 0);
  EXPECT_EQ(Enter(a_, 1, 1), "");
  EXPECT_EQ(Enter(b_, 1, 1), "");
  EXPECT_EQ(Enter(a_, 1, 1), "");
  EXPECT_EQ(Enter(a_, 1, 1), "waits");
  EXPECT_EQ(Enter(b_, 1, 1), "");
  EXPECT_EQ(Enter(b_, 1, 1), "waits");
}

TEST_F(ClientLimitsTest, OneThatIsAloneHasEightTimesAsMuch) {
  Set(1, 0);
  for (int i = 0; i < 8; ++i) EXPECT_EQ(Enter(a_, 1, 1), "") << i;
  EXPECT_EQ(Enter(a_, 1, 1), "waits");
}

TEST_F(ClientLimitsTest, TurnsComeInOrder) {
  Set(2, 0);
  ASSERT_EQ(Enter(b_, 1, 1), "");
  ASSERT_EQ(Enter(a_, 1, 1), "");
  ASSERT_EQ(Enter(a_, 1, 1), "waits");
  EXPECT_FALSE(limits_.Start(a_.get(), {1, 1}));
  Answer(a_, 1, 1);
  EXPECT_EQ(Enter(a_, 1, 1), "waits");  // Behind the one that waits already.
  EXPECT_TRUE(limits_.Start(a_.get(), {1, 1}));
  EXPECT_FALSE(limits_.Start(a_.get(), {1, 1}));
}

TEST_F(ClientLimitsTest, WhatIsGivenUpWhileItWaitsIsNotInHand) {
  Set(1, 0);
  ASSERT_EQ(Enter(b_, 1, 100), "");
  ASSERT_EQ(Enter(a_, 1, 100), "");
  ASSERT_EQ(Enter(a_, 1, 100), "waits");
  limits_.Leave(a_.get(), {1, 100}, /*has_started=*/false);
  EXPECT_EQ(limits_.in_flight_bytes(), 200);
  Answer(a_, 1, 100);
  EXPECT_EQ(Enter(a_, 1, 100), "");
}

TEST_F(ClientLimitsTest, OthersCountForASecondAfterTheyHavePublished) {
  Set(1, 0);
  ASSERT_EQ(Enter(b_, 1, 1), "");
  Answer(b_, 1, 1);
  ASSERT_EQ(Enter(a_, 1, 1), "");
  EXPECT_EQ(Enter(a_, 1, 1), "waits");
  clock_.Advance(ClientLimits::kActiveTime);
  limits_.Sweep();
  EXPECT_TRUE(limits_.Start(a_.get(), {1, 1}));
}

TEST_F(ClientLimitsTest, RateIsMadeUpForByTime) {
  SetRate(100);
  EXPECT_EQ(Enter(a_, 100, 0), "");  // A second's worth is saved up.
  Answer(a_, 100, 0);
  const absl::Status refused = limits_.Enter(a_.get(), {1, 0}).status();
  EXPECT_EQ(error::ReasonOf(refused), "CLIENT_RATE_LIMIT");
  EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(10));
  EXPECT_EQ(Enter(b_, 1, 0), "");
  clock_.Advance(RetryAfter(refused));
  EXPECT_EQ(Enter(a_, 1, 0), "");
}

TEST_F(ClientLimitsTest, ALargeCallIsTakenInWholeAndMadeUpForAfterwards) {
  SetRate(100);
  EXPECT_EQ(Enter(a_, 400, 0), "");
  Answer(a_, 400, 0);
  clock_.Advance(absl::Seconds(2.9));
  EXPECT_EQ(Enter(a_, 1, 0), "CLIENT_RATE_LIMIT");
  clock_.Advance(absl::Seconds(0.2));
  EXPECT_EQ(Enter(a_, 1, 0), "");
}

TEST_F(ClientLimitsTest, NoMoreThanASecondIsSavedUp) {
  SetRate(5);
  ASSERT_EQ(Enter(a_, 1, 0), "");
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(Enter(a_, 5, 0), "");
  EXPECT_EQ(Enter(a_, 1, 0), "CLIENT_RATE_LIMIT");
}

TEST_F(ClientLimitsTest, SweepForgetsWhoHasNothingToMakeUpFor) {
  SetRate(100);
  ASSERT_EQ(Enter(limits_.Find("c"), 150, 0), "");
  Answer(limits_.Find("c"), 150, 0);
  clock_.Advance(ClientLimits::kActiveTime - absl::Milliseconds(600));
  limits_.Sweep();
  EXPECT_EQ(limits_.client_count(), 3);
  EXPECT_EQ(Enter(limits_.Find("c"), 1, 0), "CLIENT_RATE_LIMIT");
  clock_.Advance(absl::Seconds(2));
  limits_.Sweep();
  EXPECT_EQ(limits_.client_count(), 2);  // The two that the test holds.
}

TEST_F(ClientLimitsTest, AnotherRateBeginsAnew) {
  SetRate(1);
  ASSERT_EQ(Enter(a_, 9, 0), "");
  Answer(a_, 9, 0);
  ASSERT_EQ(Enter(a_, 1, 0), "CLIENT_RATE_LIMIT");
  SetRate(1000);
  EXPECT_EQ(Enter(a_, 1, 0), "");
}

TEST_F(ClientLimitsTest, AfterStopNothingWaits) {
  Set(1, 0);
  ASSERT_EQ(Enter(b_, 1, 1), "");
  ASSERT_EQ(Enter(a_, 10, 600), "");
  limits_.Stop();
  EXPECT_EQ(Enter(a_, 10, 600), "");
}

TEST_F(ClientLimitsTest, RefusalsAreCountedAndLoggedOnce) {
  ASSERT_EQ(Enter(a_, 10, 10), "");
  ASSERT_EQ(Enter(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_FALSE(limits_.Enter(a_.get(), {1, 1}, /*is_first=*/false).ok());
  EXPECT_EQ(metrics_.limits_exceeded.client_max_in_flight_messages.Value(), 1);
  ASSERT_EQ(capture_.Events("CLIENT_LIMITED").size(), 1);
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED")[0]["client"], "a");
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED")[0]["limit"], "client_max_in_flight_messages");
}

}  // namespace
}  // namespace router
