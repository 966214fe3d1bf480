#include "transports/inproc/inproc_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transports/testing/recording_observer.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using Kind = ConnectionEvent::Kind;

class InprocTransportTest : public ::testing::Test {
 protected:
  void TearDown() override {
    if (transport_ != nullptr) transport_->Stop(absl::ZeroDuration());
    EXPECT_THAT(observer_.BrokenRules(), ::testing::IsEmpty());
  }

  void Start() {
    transport_ = std::make_unique<InprocTransport>(options_, &faults_);
    ASSERT_TRUE(transport_->Start(&observer_).ok());
  }
  void StartAndWaitForUp() {
    Start();
    ASSERT_TRUE(observer_.WaitForEpoch(1));
  }

  void Publish(std::vector<std::string> ids, Guarantee guarantee = Guarantee::kStored,
               absl::Duration timeout = absl::Seconds(30)) {
    std::vector<std::unique_ptr<OwnedDelivery>> batch;
    for (std::string& id : ids) {
      auto owned = std::make_unique<OwnedDelivery>();
      owned->message_id = std::move(id);
      owned->delivery.message.subject = "inproc.test";
      owned->delivery.message.payload = "payload";
      owned->delivery.message.message_id = owned->message_id;
      owned->delivery.message.caller_chose_id = true;
      owned->delivery.message.guarantee = guarantee;
      owned->delivery.deadline =
          std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(timeout);
      batch.push_back(std::move(owned));
    }
    ASSERT_TRUE(observer_.Publish(transport_.get(), std::move(batch)));
  }

  void SetFault(FaultOperation operation, FaultKind kind, int64_t times = 1,
                absl::Duration delay = absl::ZeroDuration()) {
    Fault fault;
    fault.operation = operation;
    fault.kind = kind;
    fault.remaining = times;
    fault.delay = delay;
    faults_.Set(fault);
  }

  std::vector<std::string> StoredIds() const {
    std::vector<std::string> ids;
    for (const InprocStoredMessage& message : transport_->Messages()) {
      ids.push_back(message.message_id);
    }
    return ids;
  }

  int CountSteps(const std::string& name) const {
    const std::vector<std::string> steps = observer_.Steps();
    return static_cast<int>(std::count(steps.begin(), steps.end(), name));
  }

  InprocOptions options_;
  FaultInjector faults_;
  RecordingObserver observer_;
  std::unique_ptr<InprocTransport> transport_;
};

TEST_F(InprocTransportTest, RefusesSettingsThatCannotWork) {
  const auto start_with = [this](InprocOptions options) {
    return InprocTransport(options, nullptr).Start(&observer_).code();
  };
  InprocOptions options;
  options.stream = "";
  EXPECT_EQ(start_with(options), absl::StatusCode::kInvalidArgument);
  options = InprocOptions();
  options.max_in_flight = 0;
  EXPECT_EQ(start_with(options), absl::StatusCode::kInvalidArgument);
  options = InprocOptions();
  options.max_reconnect_delay = options.reconnect_delay / 2;
  EXPECT_EQ(start_with(options), absl::StatusCode::kInvalidArgument);
}

TEST_F(InprocTransportTest, StartsOnlyOnce) {
  ASSERT_NO_FATAL_FAILURE(Start());
  EXPECT_EQ(transport_->Start(&observer_).code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(InprocTransportTest, NamesItsStream) {
  options_.stream = "ORDERS";
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  ASSERT_NO_FATAL_FAILURE(Publish({"a"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  EXPECT_EQ(observer_.Outcomes()[0].stream, "ORDERS");
  EXPECT_EQ(observer_.Outcomes()[0].sequence, 1u);
}

TEST_F(InprocTransportTest, ExhaustsItsAttemptsOnceAndRecoversAllTheSame) {
  options_.reconnect_attempts = 3;
  options_.reconnect_delay = absl::Milliseconds(1);
  options_.max_reconnect_delay = absl::Milliseconds(4);
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  transport_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitUntil([this] { return CountSteps("attempt_failed") >= 6; }));
  EXPECT_EQ(transport_->GetStatus().state, ConnectionState::kExhausted);
  EXPECT_EQ(CountSteps("exhausted"), 1);
  transport_->SetBrokerUp(true);
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  EXPECT_EQ(transport_->GetStatus().state, ConnectionState::kConnected);
  EXPECT_GE(transport_->GetStatus().attempts, 6);
}

TEST_F(InprocTransportTest, CountsAttemptsAnewAfterAStableConnection) {
  options_.stable_after = absl::ZeroDuration();
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  for (uint64_t epoch = 2; epoch <= 3; ++epoch) {
    transport_->Reconnect();
    ASSERT_TRUE(observer_.WaitForEpoch(epoch));
    EXPECT_EQ(transport_->GetStatus().attempts, 0);
  }
  for (const ConnectionEvent& event : observer_.Events()) EXPECT_LE(event.attempts, 1);
}

TEST_F(InprocTransportTest, CountsAttemptsOnThroughAFlappingConnection) {
  options_.stable_after = absl::Hours(1);
  options_.reconnect_attempts = 3;
  SetFault(FaultOperation::kConnect, FaultKind::kCloseConnection, 3);
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_TRUE(observer_.WaitForEpoch(4));
  EXPECT_EQ(transport_->GetStatus().attempts, 3);
}

TEST_F(InprocTransportTest, DelaysDoubleUpToTheLongest) {
  options_.reconnect_delay = absl::Milliseconds(2);
  options_.max_reconnect_delay = absl::Milliseconds(7);
  options_.reconnect_attempts = 0;
  options_.stable_after = absl::ZeroDuration();
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  transport_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitUntil([this] { return CountSteps("attempt_failed") >= 6; }));
  std::vector<int64_t> delays_ms;
  for (const ConnectionEvent& event : observer_.Events()) {
    if (event.kind != Kind::kReconnectAttempt || delays_ms.size() == 6) continue;
    delays_ms.push_back(absl::ToInt64Milliseconds(event.delay));
  }
  EXPECT_THAT(delays_ms, ElementsAre(0, 4, 7, 7, 7, 7));
}

TEST_F(InprocTransportTest, ReconnectEndsARunningBackoff) {
  options_.reconnect_delay = absl::Hours(1);
  options_.max_reconnect_delay = absl::Hours(1);
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  transport_->SetBrokerUp(false);
  ASSERT_TRUE(observer_.WaitUntil([this] { return CountSteps("reconnect_attempt") >= 1; }));
  transport_->SetBrokerUp(true);
  transport_->Reconnect();
  EXPECT_TRUE(observer_.WaitForEpoch(2));
}

TEST_F(InprocTransportTest, InjectedErrorFailsAtOnceAndStoresNothing) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  SetFault(FaultOperation::kPublishWithAck, FaultKind::kError);
  ASSERT_NO_FATAL_FAILURE(Publish({"a", "b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kFailed);
  EXPECT_EQ(observer_.Outcomes()[0].reason, FailureReason::kFaultInjected);
  EXPECT_EQ(observer_.Outcomes()[1].verdict, Verdict::kConfirmed);
  EXPECT_THAT(StoredIds(), ElementsAre("b"));
}

TEST_F(InprocTransportTest, FaultsOfPublishStrikeReceivedMessagesOnly) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  SetFault(FaultOperation::kPublish, FaultKind::kError, /*times=*/-1);
  ASSERT_NO_FATAL_FAILURE(Publish({"stored"}));
  ASSERT_NO_FATAL_FAILURE(Publish({"received"}, Guarantee::kReceived));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kConfirmed);
  EXPECT_EQ(observer_.Outcomes()[1].verdict, Verdict::kFailed);
  EXPECT_EQ(observer_.Outcomes()[1].reason, FailureReason::kFaultInjected);
}

TEST_F(InprocTransportTest, InjectedTimeoutRunsIntoItsDeadlineWhileOthersGoOn) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  SetFault(FaultOperation::kPublishWithAck, FaultKind::kTimeout);
  ASSERT_NO_FATAL_FAILURE(Publish({"stuck", "b"}, Guarantee::kStored, absl::Milliseconds(100)));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(observer_.Outcomes()[0].message_id, "b");
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kConfirmed);
  EXPECT_EQ(observer_.Outcomes()[1].verdict, Verdict::kInDoubt);
  EXPECT_EQ(observer_.Outcomes()[1].reason, FailureReason::kTimeout);
  EXPECT_THAT(StoredIds(), ElementsAre("b"));
}

TEST_F(InprocTransportTest, InjectedCloseEndsTheEpochWithTheMessageInDoubt) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  SetFault(FaultOperation::kPublishWithAck, FaultKind::kCloseConnection);
  ASSERT_NO_FATAL_FAILURE(Publish({"a", "b"}));
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  const std::vector<Outcome> outcomes = observer_.Outcomes();
  ASSERT_EQ(outcomes.size(), 2u);
  EXPECT_TRUE(outcomes[0].handed_back);
  EXPECT_EQ(outcomes[0].verdict, Verdict::kInDoubt);
  EXPECT_EQ(outcomes[0].reason, FailureReason::kConnectionClosed);
  EXPECT_EQ(outcomes[1].verdict, Verdict::kFailed) << "it was behind and not sent";

  ASSERT_NO_FATAL_FAILURE(Publish({"a", "b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(4));
  EXPECT_TRUE(observer_.Outcomes()[2].duplicate);
  EXPECT_THAT(StoredIds(), ElementsAre("a", "b"));
}

TEST_F(InprocTransportTest, InjectedDelayHoldsBackAllBehindIt) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  SetFault(FaultOperation::kPublishWithAck, FaultKind::kDelay, 1, absl::Milliseconds(100));
  const SteadyTime before = std::chrono::steady_clock::now();
  ASSERT_NO_FATAL_FAILURE(Publish({"a", "b"}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  for (const Outcome& outcome : observer_.Outcomes()) {
    EXPECT_EQ(outcome.verdict, Verdict::kConfirmed);
    EXPECT_GE(outcome.time - before, std::chrono::milliseconds(100));
  }
  EXPECT_THAT(StoredIds(), ElementsAre("a", "b"));
}

TEST_F(InprocTransportTest, DeadlineEndsAnInjectedDelay) {
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  SetFault(FaultOperation::kPublishWithAck, FaultKind::kDelay, 1, absl::Hours(1));
  ASSERT_NO_FATAL_FAILURE(Publish({"a", "b"}, Guarantee::kStored, absl::Milliseconds(50)));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  for (const Outcome& outcome : observer_.Outcomes()) {
    EXPECT_EQ(outcome.verdict, Verdict::kFailed);
    EXPECT_EQ(outcome.reason, FailureReason::kTimeout);
  }
  EXPECT_TRUE(StoredIds().empty());
}

TEST_F(InprocTransportTest, InjectedConnectFaultsFailTheAttempt) {
  options_.connect_timeout = absl::Milliseconds(10);
  for (const FaultKind kind : {FaultKind::kError, FaultKind::kTimeout}) {
    RecordingObserver observer;
    SetFault(FaultOperation::kConnect, kind, 2);
    InprocTransport transport(options_, &faults_);
    ASSERT_TRUE(transport.Start(&observer).ok());
    ASSERT_TRUE(observer.WaitForEpoch(1));
    EXPECT_THAT(observer.Steps(),
                ElementsAre("attempt_failed", "reconnect_attempt", "attempt_failed",
                            "reconnect_attempt", "established", "up"));
    transport.Stop(absl::ZeroDuration());
    EXPECT_THAT(observer.BrokenRules(), ::testing::IsEmpty());
  }
}

TEST_F(InprocTransportTest, InjectedConnectCloseLosesTheConnectionAtOnce) {
  SetFault(FaultOperation::kConnect, FaultKind::kCloseConnection);
  ASSERT_NO_FATAL_FAILURE(Start());
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  EXPECT_THAT(observer_.Steps(), ElementsAre("established", "up", "down", "lost",
                                             "reconnect_attempt", "established", "restored", "up"));
}

TEST_F(InprocTransportTest, InjectedConnectDelayPutsTheConnectionOff) {
  SetFault(FaultOperation::kConnect, FaultKind::kDelay, 1, absl::Milliseconds(100));
  const SteadyTime before = std::chrono::steady_clock::now();
  ASSERT_NO_FATAL_FAILURE(StartAndWaitForUp());
  EXPECT_GE(std::chrono::steady_clock::now() - before, std::chrono::milliseconds(100));
}

}  // namespace
}  // namespace router
