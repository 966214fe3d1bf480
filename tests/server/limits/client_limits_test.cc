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
  std::string ReasonOfTake(const ClientPtr& client, int64_t messages, int64_t bytes) {
    return error::ReasonOf(limits_.Take(client.get(), messages, bytes));
  }

  void SetRate(int64_t messages_per_second) { limits_.Set({1000, 600, 10, messages_per_second}); }

  FakeClock clock_;
  LogCapture capture_;
  Logger log_{{}, &clock_, capture_.AsSink()};
  Metrics metrics_{"test", "test"};
  ClientLimits limits_{{1000, 600, 10, 0}, &clock_, &log_, &metrics_};
  const ClientPtr a_ = limits_.Find("a");
  const ClientPtr b_ = limits_.Find("b");
};

TEST_F(ClientLimitsTest, ClientsDoNotCountForEachOther) {
  EXPECT_EQ(ReasonOfTake(a_, 10, 100), "");
  EXPECT_EQ(ReasonOfTake(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(ReasonOfTake(b_, 10, 100), "");
}

TEST_F(ClientLimitsTest, LimitsBytesOfOneClientAndOfAll) {
  EXPECT_EQ(ReasonOfTake(a_, 1, 600), "");
  EXPECT_EQ(ReasonOfTake(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_EQ(ReasonOfTake(b_, 1, 400), "");
  EXPECT_EQ(ReasonOfTake(b_, 1, 1), "IN_FLIGHT_LIMIT");
  EXPECT_EQ(limits_.in_flight_bytes(), 1000);
}

TEST_F(ClientLimitsTest, WhatIsAnsweredMakesRoom) {
  EXPECT_EQ(ReasonOfTake(a_, 10, 600), "");
  limits_.Release(a_.get(), 4, 200);
  EXPECT_EQ(ReasonOfTake(a_, 4, 200), "");
  EXPECT_EQ(ReasonOfTake(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
}

TEST_F(ClientLimitsTest, NoCallIsTooLargeForSomebodyWithNothingInHand) {
  EXPECT_EQ(ReasonOfTake(a_, 5000, 5000), "");
  EXPECT_EQ(ReasonOfTake(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  limits_.Release(a_.get(), 5000, 5000);
  EXPECT_EQ(ReasonOfTake(a_, 1, 1), "");
}

TEST_F(ClientLimitsTest, RefusalsSayWhenToTryAgain) {
  ASSERT_EQ(ReasonOfTake(a_, 10, 600), "");
  const absl::Status refused = limits_.Take(a_.get(), 1, 1);
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(100));
}

TEST_F(ClientLimitsTest, RateIsMadeUpForByTime) {
  SetRate(100);
  EXPECT_EQ(ReasonOfTake(a_, 100, 0), "");  // A second's worth is saved up.
  limits_.Release(a_.get(), 100, 0);
  const absl::Status refused = limits_.Take(a_.get(), 1, 0);
  EXPECT_EQ(error::ReasonOf(refused), "CLIENT_RATE_LIMIT");
  EXPECT_EQ(RetryAfter(refused), absl::Milliseconds(10));
  EXPECT_EQ(ReasonOfTake(b_, 1, 0), "");
  clock_.Advance(RetryAfter(refused));
  EXPECT_EQ(ReasonOfTake(a_, 1, 0), "");
}

TEST_F(ClientLimitsTest, ALargeCallIsTakenInWholeAndMadeUpForAfterwards) {
  SetRate(100);
  EXPECT_EQ(ReasonOfTake(a_, 400, 0), "");
  limits_.Release(a_.get(), 400, 0);
  clock_.Advance(absl::Seconds(2.9));
  EXPECT_EQ(ReasonOfTake(a_, 1, 0), "CLIENT_RATE_LIMIT");
  clock_.Advance(absl::Seconds(0.2));
  EXPECT_EQ(ReasonOfTake(a_, 1, 0), "");
}

TEST_F(ClientLimitsTest, NoMoreThanASecondIsSavedUp) {
  SetRate(10);
  ASSERT_EQ(ReasonOfTake(a_, 1, 0), "");
  clock_.Advance(absl::Hours(1));
  ASSERT_EQ(ReasonOfTake(a_, 9, 0), "");
  EXPECT_EQ(ReasonOfTake(a_, 0, 0), "");
  limits_.Release(a_.get(), 10, 0);
  ASSERT_EQ(ReasonOfTake(a_, 1, 0), "");
  EXPECT_EQ(ReasonOfTake(a_, 1, 0), "CLIENT_RATE_LIMIT");
}

TEST_F(ClientLimitsTest, SweepForgetsWhoHasNothingToMakeUpFor) {
  SetRate(100);
  limits_.Take(limits_.Find("c").get(), 150, 0).IgnoreError();
  limits_.Release(limits_.Find("c").get(), 150, 0);
  limits_.Sweep();
  EXPECT_EQ(limits_.client_count(), 3);
  EXPECT_EQ(ReasonOfTake(limits_.Find("c"), 1, 0), "CLIENT_RATE_LIMIT");
  clock_.Advance(absl::Seconds(2));
  limits_.Sweep();
  EXPECT_EQ(limits_.client_count(), 2);  // The two that the test holds.
}

TEST_F(ClientLimitsTest, AnotherRateBeginsAnew) {
  SetRate(1);
  ASSERT_EQ(ReasonOfTake(a_, 9, 0), "");
  limits_.Release(a_.get(), 9, 0);
  ASSERT_EQ(ReasonOfTake(a_, 1, 0), "CLIENT_RATE_LIMIT");
  SetRate(1000);
  EXPECT_EQ(ReasonOfTake(a_, 1, 0), "");
}

TEST_F(ClientLimitsTest, AfterStopNothingWaits) {
  ASSERT_EQ(ReasonOfTake(a_, 10, 600), "");
  limits_.Stop();
  EXPECT_EQ(ReasonOfTake(a_, 10, 600), "");
}

TEST_F(ClientLimitsTest, RefusalsAreCountedAndLoggedOnce) {
  ASSERT_EQ(ReasonOfTake(a_, 10, 10), "");
  ASSERT_EQ(ReasonOfTake(a_, 1, 1), "CLIENT_IN_FLIGHT_LIMIT");
  EXPECT_FALSE(limits_.TakeAgain(a_.get(), 1, 1));
  EXPECT_EQ(metrics_.limits_exceeded.client_max_in_flight_messages.Value(), 1);
  ASSERT_EQ(capture_.Events("CLIENT_LIMITED").size(), 1);
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED")[0]["client"], "a");
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED")[0]["limit"], "client_max_in_flight_messages");
}

}  // namespace
}  // namespace router
