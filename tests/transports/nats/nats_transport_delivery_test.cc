// What becomes of messages while the connection holds, on a real nats-server.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/transports/nats/nats_transport_test_base.h"

namespace router {
namespace {

using Kind = ConnectionEvent::Kind;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr absl::Duration kShort = absl::Milliseconds(400);

class NatsTransportDeliveryTest : public NatsTransportTest {
 protected:
  void Connect() { ConnectTransport(FastOptions({server_.url()})); }

  NatsServer server_;
  NatsAdmin admin_{server_.url()};
};

TEST_F(NatsTransportDeliveryTest, ConfirmsStoredMessageWithStreamAndSequence) {
  admin_.AddStream({"DEMO", {"demo.>"}});
  Connect();
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  const Outcome outcome = observer_.Outcomes()[0];
  EXPECT_EQ(outcome.verdict, Verdict::kConfirmed);
  EXPECT_EQ(outcome.stream, "DEMO");
  EXPECT_EQ(outcome.sequence, 1);
  EXPECT_FALSE(outcome.duplicate);
  const auto stored = admin_.ReadStream("DEMO");
  ASSERT_THAT(stored, SizeIs(1));
  EXPECT_EQ(stored[0].message_id, "demo.a-1");
  EXPECT_EQ(stored[0].payload, "xxxxxxxxxx");
}

TEST_F(NatsTransportDeliveryTest, ReportsDuplicateOfTheSameMessageId) {
  admin_.AddStream({"DEMO", {"demo.>"}});
  Connect();
  ASSERT_TRUE(Publish("demo.a", 1));
  published_ = 0;
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_TRUE(observer_.Outcomes()[1].duplicate);
  EXPECT_EQ(observer_.Outcomes()[1].verdict, Verdict::kConfirmed);
  EXPECT_EQ(admin_.CountMessages("DEMO"), 1);
}

TEST_F(NatsTransportDeliveryTest, ConfirmsReceivedMessagesByFence) {
  Connect();
  ASSERT_TRUE(Publish("core.a", 100, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(100));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(100));
  EXPECT_EQ(observer_.Outcomes()[0].stream, "");
}

TEST_F(NatsTransportDeliveryTest, KeepsOrderOfManyPipelinedMessages) {
  constexpr int kCount = 20000;
  admin_.AddStream({"DEMO", {"demo.>"}});
  Connect();
  for (int i = 0; i < kCount; i += 100) ASSERT_TRUE(Publish("demo.a", 100));
  ASSERT_TRUE(observer_.WaitForOutcomes(kCount));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(kCount));
  const auto stored = admin_.ReadStream("DEMO");
  ASSERT_THAT(stored, SizeIs(kCount));
  for (int i = 0; i < kCount; ++i) {
    ASSERT_EQ(stored[static_cast<size_t>(i)].message_id, absl::StrCat("demo.a-", i + 1));
  }
}

TEST_F(NatsTransportDeliveryTest, RefusesSubjectThatNoStreamTakes) {
  Connect();
  ASSERT_TRUE(Publish("nowhere", 3));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  for (const Outcome& outcome : observer_.Outcomes()) {
    EXPECT_EQ(outcome.verdict, Verdict::kRefused);
    EXPECT_EQ(outcome.refusal, Refusal::kNoStreamForSubject);
  }
}

TEST_F(NatsTransportDeliveryTest, DeliversInOrderOnceAFullStreamHasRoomAgain) {
  admin_.AddStream({"DEMO", {"demo.>"}, 2, /*discard_new=*/true});
  Connect();
  ASSERT_TRUE(Publish("demo.a", 2));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  ASSERT_TRUE(Publish("demo.a", 2));
  // The answers to these come back in order, behind the refusals.
  ASSERT_TRUE(Publish("core.a", 1, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  admin_.PurgeStream("DEMO");
  ASSERT_TRUE(observer_.WaitForOutcomes(5));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(5));
  const auto stored = admin_.ReadStream("DEMO");
  ASSERT_THAT(stored, SizeIs(2));
  EXPECT_EQ(stored[0].message_id, "demo.a-3");
  EXPECT_EQ(stored[1].message_id, "demo.a-4");
}

TEST_F(NatsTransportDeliveryTest, FailsAtTheDeadlineWhileTheStreamStaysFull) {
  admin_.AddStream({"DEMO", {"demo.>"}, 1, /*discard_new=*/true});
  Connect();
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(Publish("demo.a", 1, {Guarantee::kStored, kShort}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  const Outcome outcome = observer_.Outcomes()[1];
  EXPECT_EQ(outcome.verdict, Verdict::kFailed);
  EXPECT_EQ(outcome.reason, FailureReason::kBrokerError);
  EXPECT_THAT(outcome.error, HasSubstr("maximum messages exceeded"));
}

TEST_F(NatsTransportDeliveryTest, RefusesMessageOverTheStreamsMaximum) {
  NatsAdmin::Stream stream{"DEMO", {"demo.>"}};
  stream.message_bytes_max = 100;
  admin_.AddStream(stream);
  Connect();
  ASSERT_TRUE(Publish("demo.a", 1, {Guarantee::kStored, kShort, 1000}));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kRefused);
  EXPECT_EQ(observer_.Outcomes()[0].refusal, Refusal::kMessageTooLarge);
}

TEST_F(NatsTransportDeliveryTest, RefusesMessageOverTheServersMaximum) {
  admin_.AddStream({"DEMO", {"demo.>"}});
  Connect();
  EXPECT_EQ(transport_->max_payload_bytes(), 1024 * 1024);
  const size_t too_large = 1024 * 1024 + 1;
  ASSERT_TRUE(Publish("demo.a", 1, {Guarantee::kStored, kShort, too_large}));
  ASSERT_TRUE(Publish("core.a", 1, {Guarantee::kReceived, kShort, too_large}));
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_EQ(observer_.Outcomes()[0].refusal, Refusal::kMessageTooLarge);
  EXPECT_EQ(observer_.Outcomes()[1].refusal, Refusal::kMessageTooLarge);
  EXPECT_EQ(observer_.Outcomes()[2].verdict, Verdict::kConfirmed);
}

TEST_F(NatsTransportDeliveryTest, InjectedErrorFailsAtOnceAndSendsNothing) {
  admin_.AddStream({"DEMO", {"demo.>"}});
  Connect();
  faults_.Set({FaultOperation::kPublishWithAck, FaultKind::kError, 1.0, {}});
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kFailed);
  EXPECT_EQ(observer_.Outcomes()[0].reason, FailureReason::kFaultInjected);
  faults_.Clear();
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(admin_.CountMessages("DEMO"), 1);
}

TEST_F(NatsTransportDeliveryTest, InjectedTimeoutEndsInDoubtAtTheDeadline) {
  Connect();
  faults_.Set({FaultOperation::kPublish, FaultKind::kTimeout, 1.0, {}});
  ASSERT_TRUE(Publish("core.a", 1, {Guarantee::kReceived, kShort}));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kInDoubt);
  EXPECT_EQ(observer_.Outcomes()[0].reason, FailureReason::kTimeout);
  EXPECT_EQ(observer_.open_epoch(), 1);
}

TEST_F(NatsTransportDeliveryTest, InjectedDelayHoldsBackWhatComesBehind) {
  Connect();
  faults_.Set({FaultOperation::kPublish, FaultKind::kDelay, 1.0, absl::Milliseconds(200), 1});
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(Publish("core.a", 2, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(2));
  EXPECT_GE(observer_.Outcomes()[0].time - start, std::chrono::milliseconds(200));
}

TEST_F(NatsTransportDeliveryTest, InjectedCloseLosesTheConnectionWithTheMessageInDoubt) {
  admin_.AddStream({"DEMO", {"demo.>"}});
  Connect();
  faults_.Set({FaultOperation::kPublishWithAck, FaultKind::kCloseConnection, 1.0, {}, 1});
  ASSERT_TRUE(Publish("demo.a", 2));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kInDoubt);
  EXPECT_EQ(observer_.Outcomes()[0].reason, FailureReason::kConnectionClosed);
  EXPECT_EQ(observer_.Outcomes()[1].verdict, Verdict::kFailed);
  EXPECT_EQ(observer_.Outcomes()[1].reason, FailureReason::kNotConnected);
  EXPECT_TRUE(observer_.WaitForEpoch(2));
}

TEST_F(NatsTransportTest, StaysTransientWhereJetStreamIsNotEnabled) {
  NatsServer::Options without_jetstream;
  without_jetstream.jetstream = false;
  NatsServer server(without_jetstream);
  ConnectTransport(FastOptions({server.url()}));
  ASSERT_TRUE(Publish("demo.a", 2, {Guarantee::kStored, kShort}));
  ASSERT_TRUE(Publish("core.a", 1, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(1));
  for (const Outcome& outcome : OutcomesWith(Verdict::kFailed)) {
    EXPECT_EQ(outcome.reason, FailureReason::kNoResponders);
  }
  EXPECT_THAT(OutcomesWith(Verdict::kFailed), SizeIs(2));
}

TEST_F(NatsTransportTest, RefusesDeniedSubjectsAndNeverConfirmsThemByFence) {
  NatsServer::Options restricted;
  restricted.config =
      "authorization { users = [ { user: a, password: b, permissions: "
      "{ publish: { deny: [ \"core.denied.>\" ] } } } ] }";
  NatsServer server(restricted);
  NatsOptions options = FastOptions({server.url()});
  options.user = "a";
  options.password = "b";
  ConnectTransport(options);
  ASSERT_TRUE(Publish("core.denied.1", 1, {Guarantee::kReceived}));
  ASSERT_TRUE(Publish("core.denied.2", 1, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(2));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), IsEmpty());
  ASSERT_TRUE(Publish("core.allowed", 1, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(3));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(1));
}

}  // namespace
}  // namespace router
