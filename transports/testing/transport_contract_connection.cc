// What transport.h promises about the connection, its events and Stop.
#include <gmock/gmock.h>

#include <thread>

#include "transports/testing/transport_contract.h"

namespace router {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;
using Kind = ConnectionEvent::Kind;

// The n-th (from 0) event of a kind. The test fails where there is none.
ConnectionEvent EventOf(const RecordingObserver& observer, Kind kind, int n = 0) {
  for (const ConnectionEvent& event : observer.Events()) {
    if (event.kind == kind && n-- == 0) return event;
  }
  ADD_FAILURE() << "no event of kind " << static_cast<int>(kind);
  return {};
}

TEST_P(TransportContractTest, IsEstablishedThenUpThenConfirms) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  ASSERT_NO_FATAL_FAILURE(PublishMany("a", 10));
  ASSERT_TRUE(observer_.WaitForOutcomes(10));

  ASSERT_GE(StepIndex("established"), 0);
  EXPECT_LT(StepIndex("established"), StepIndex("up"));
  EXPECT_LT(StepIndex("up"), StepIndex("settled"));
  EXPECT_EQ(StepIndex("restored"), -1) << "nothing was lost";
  const ConnectionEvent established = EventOf(observer_, Kind::kEstablished);
  EXPECT_EQ(established.epoch, 1u);
  EXPECT_THAT(established.url, Not(IsEmpty()));
  EXPECT_THAT(established.server_name, Not(IsEmpty()));
}

TEST_P(TransportContractTest, ReportsALossAndTheRestorationInOrder) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("attempt_failed") >= 0; }));
  harness_->SetBrokerUp(true);
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("restored") >= 0; }));

  EXPECT_LT(StepIndex("down"), StepIndex("lost"));
  EXPECT_LT(StepIndex("lost"), StepIndex("reconnect_attempt"));
  EXPECT_LT(StepIndex("reconnect_attempt"), StepIndex("attempt_failed"));
  EXPECT_LT(StepIndex("attempt_failed"), StepIndex("established", 1));
  EXPECT_LT(StepIndex("established", 1), StepIndex("restored"));
  EXPECT_LT(StepIndex("established", 1), StepIndex("up", 1));
  EXPECT_EQ(EventOf(observer_, Kind::kEstablished, 1).epoch, 2u);
}

TEST_P(TransportContractTest, FillsTheFieldsOfItsEvents) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("attempt_failed") >= 0; }));
  harness_->SetBrokerUp(true);
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("restored") >= 0; }));

  EXPECT_THAT(EventOf(observer_, Kind::kLost).reason, Not(IsEmpty()));
  const ConnectionEvent attempt = EventOf(observer_, Kind::kReconnectAttempt);
  EXPECT_EQ(attempt.attempts, 1);
  EXPECT_TRUE(attempt.is_reconnect);
  const ConnectionEvent failed = EventOf(observer_, Kind::kAttemptFailed);
  EXPECT_EQ(failed.attempts, 1);
  EXPECT_TRUE(failed.is_reconnect);
  EXPECT_THAT(failed.reason, Not(IsEmpty()));
  const ConnectionEvent restored = EventOf(observer_, Kind::kRestored);
  EXPECT_GE(restored.attempts, 2);
  EXPECT_GT(restored.outage, absl::ZeroDuration());
}

TEST_P(TransportContractTest, ComesUpOnceABrokerThatWasAwayIsThere) {
  harness_->SetBrokerUp(false);
  const absl::Status started = harness_->Start(&observer_);
  ASSERT_TRUE(started.ok()) << started;
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("attempt_failed") >= 0; }));
  EXPECT_EQ(observer_.open_epoch(), 0u);
  EXPECT_EQ(transport().GetStatus().state, ConnectionState::kDisconnected);
  EXPECT_EQ(transport().GetStatus().epoch, 0u);
  const ConnectionEvent failed = EventOf(observer_, Kind::kAttemptFailed);
  EXPECT_FALSE(failed.is_reconnect);
  EXPECT_EQ(failed.attempts, 1);

  harness_->SetBrokerUp(true);
  ASSERT_TRUE(observer_.WaitForEpoch(1));
  EXPECT_TRUE(EventOf(observer_, Kind::kReconnectAttempt).is_reconnect);
  EXPECT_EQ(StepIndex("restored"), -1) << "nothing was lost";
}

TEST_P(TransportContractTest, ReconnectBeginsTheNextEpoch) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  for (uint64_t epoch = 2; epoch <= 4; ++epoch) {
    transport().Reconnect();
    ASSERT_TRUE(observer_.WaitForEpoch(epoch));
  }
  EXPECT_EQ(observer_.down_count(), 3);
  ASSERT_NO_FATAL_FAILURE(PublishMany("a", 10));
  ASSERT_TRUE(observer_.WaitForOutcomes(10));
  for (const Outcome& outcome : observer_.Outcomes()) {
    EXPECT_EQ(outcome.verdict, Verdict::kConfirmed) << outcome.error;
    EXPECT_EQ(outcome.epoch, 4u);
  }
}

TEST_P(TransportContractTest, NoticesABrokerThatRestarts) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  for (uint64_t epoch = 2; epoch <= 3; ++epoch) {
    harness_->SetBrokerUp(false);
    harness_->SetBrokerUp(true);
    ASSERT_TRUE(observer_.WaitForEpoch(epoch));
  }
}

TEST_P(TransportContractTest, StatusFollowsTheConnection) {
  EXPECT_EQ(transport().GetStatus().state, ConnectionState::kDisconnected);
  EXPECT_EQ(transport().GetStatus().epoch, 0u);
  EXPECT_THAT(transport().GetStatus().server_url, IsEmpty());

  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  ConnectionStatus status = transport().GetStatus();
  EXPECT_EQ(status.state, ConnectionState::kConnected);
  EXPECT_EQ(status.epoch, 1u);
  EXPECT_EQ(status.server_url, EventOf(observer_, Kind::kEstablished).url);
  EXPECT_EQ(status.server_name, EventOf(observer_, Kind::kEstablished).server_name);

  harness_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("attempt_failed") >= 0; }));
  status = transport().GetStatus();
  EXPECT_EQ(status.state, ConnectionState::kReconnecting);
  EXPECT_EQ(status.epoch, 1u);
  EXPECT_THAT(status.server_url, IsEmpty());
  EXPECT_THAT(status.last_error, Not(IsEmpty()));
  EXPECT_GE(status.attempts, 1);
  EXPECT_LE(status.since, absl::Now());

  transport().Stop(absl::ZeroDuration());
  EXPECT_EQ(transport().GetStatus().state, ConnectionState::kStopped);
}

TEST_P(TransportContractTest, KnowsItsLimits) {
  EXPECT_GT(transport().max_payload_bytes(), 0);
  const int64_t max_in_flight = transport().max_in_flight();
  EXPECT_GT(max_in_flight, 0);
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  EXPECT_GT(transport().max_payload_bytes(), 0);
  EXPECT_EQ(transport().max_in_flight(), max_in_flight);
}

TEST_P(TransportContractTest, StopWaitsForWhatIsUnsettled) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  const int count = static_cast<int>(std::min<int64_t>(transport().max_in_flight(), 2000));
  ASSERT_NO_FATAL_FAILURE(PublishMany("last", count));
  transport().Stop(absl::Seconds(20));

  EXPECT_EQ(observer_.down_count(), 1);
  ASSERT_EQ(observer_.Outcomes().size(), static_cast<size_t>(count));
  for (const Outcome& outcome : observer_.Outcomes()) {
    ASSERT_EQ(outcome.verdict, Verdict::kConfirmed) << outcome.message_id << ": " << outcome.error;
    ASSERT_FALSE(outcome.handed_back);
  }
}

TEST_P(TransportContractTest, StopHandsBackWhatIsUnsettledAfterItsTimeout) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  harness_->HoldAcks(true);
  ASSERT_NO_FATAL_FAILURE(PublishMany("held", 100));
  const SteadyTime before = std::chrono::steady_clock::now();
  transport().Stop(absl::Milliseconds(100));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));

  EXPECT_EQ(observer_.down_count(), 1);
  ASSERT_EQ(observer_.Outcomes().size(), 100u);
  for (const Outcome& outcome : observer_.Outcomes()) EXPECT_TRUE(outcome.handed_back);
}

TEST_P(TransportContractTest, StopIsIdempotent) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  transport().Stop(absl::Seconds(1));
  transport().Stop(absl::Seconds(1));
  std::thread other([this] { transport().Stop(absl::ZeroDuration()); });
  other.join();
  EXPECT_EQ(observer_.down_count(), 1);
  EXPECT_EQ(StepIndex("lost"), -1) << "to stop is no loss";
}

TEST_P(TransportContractTest, StopsBeforeItIsStarted) {
  transport().Stop(absl::Seconds(1));
  EXPECT_EQ(transport().GetStatus().state, ConnectionState::kStopped);
}

TEST_P(TransportContractTest, StopsWhileItHasNeverConnected) {
  harness_->SetBrokerUp(false);
  ASSERT_TRUE(harness_->Start(&observer_).ok());
  ASSERT_TRUE(observer_.WaitUntil([this] { return StepIndex("attempt_failed") >= 0; }));
  const SteadyTime before = std::chrono::steady_clock::now();
  transport().Stop(absl::Seconds(20));
  EXPECT_LT(std::chrono::steady_clock::now() - before, std::chrono::seconds(5));
  EXPECT_EQ(observer_.up_count(), 0);
  EXPECT_EQ(observer_.down_count(), 0);
}

}  // namespace
}  // namespace router
