#include "transports/testing/fake_transport.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "transports/testing/recording_observer.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class FakeTransportTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(transport_.Start(&observer_).ok());
    transport_.Connect();
  }
  void TearDown() override {
    transport_.Stop(absl::ZeroDuration());
    EXPECT_THAT(observer_.BrokenRules(), IsEmpty());
  }

  bool Publish(std::vector<std::string> ids) {
    std::vector<std::unique_ptr<OwnedDelivery>> batch;
    for (std::string& id : ids) {
      auto owned = std::make_unique<OwnedDelivery>();
      owned->message_id = std::move(id);
      owned->delivery.message.subject = "fake.test";
      owned->delivery.message.payload = "payload";
      owned->delivery.message.message_id = owned->message_id;
      owned->delivery.deadline = deadline_;
      batch.push_back(std::move(owned));
    }
    return observer_.Publish(&transport_, std::move(batch));
  }

  std::vector<std::string> StoredIds() const {
    std::vector<std::string> ids;
    for (const InprocStoredMessage& message : transport_.Stored()) {
      ids.push_back(message.message_id);
    }
    return ids;
  }

  SteadyTime deadline_ = SteadyTime::max();
  RecordingObserver observer_;
  FakeTransport transport_{{/*max_in_flight=*/3, /*max_payload_bytes=*/100}};
};

TEST_F(FakeTransportTest, CompletesNothingByItself) {
  ASSERT_TRUE(Publish({"a", "b"}));
  EXPECT_EQ(transport_.unsettled_count(), 2);
  EXPECT_THAT(observer_.Outcomes(), IsEmpty());
  EXPECT_EQ(transport_.Pump(), 2);
  EXPECT_EQ(observer_.Outcomes().size(), 2u);
  EXPECT_EQ(transport_.settled_count(), 2);
}

TEST_F(FakeTransportTest, ReleasesHeldOnesOldestFirst) {
  transport_.HoldCompletions();
  ASSERT_TRUE(Publish({"a", "b", "c"}));
  EXPECT_EQ(transport_.Pump(), 0);
  EXPECT_TRUE(transport_.ReleaseOne());
  ASSERT_EQ(observer_.Outcomes().size(), 1u);
  EXPECT_EQ(observer_.Outcomes()[0].message_id, "a");
  EXPECT_EQ(transport_.ReleaseAll(), 2);
  EXPECT_FALSE(transport_.ReleaseOne());
  transport_.ResumeCompletions();
  ASSERT_TRUE(Publish({"d"}));
  EXPECT_EQ(transport_.Pump(), 1);
}

TEST_F(FakeTransportTest, FailsTheNextOnesAsPlanned) {
  transport_.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  transport_.FailNext(Verdict::kRefused, FailureReason::kBrokerError, Refusal::kNoStreamForSubject);
  ASSERT_TRUE(Publish({"a", "b", "c"}));
  EXPECT_EQ(transport_.ReleaseAll(), 3);
  const std::vector<Outcome> outcomes = observer_.Outcomes();
  EXPECT_EQ(outcomes[0].verdict, Verdict::kFailed);
  EXPECT_EQ(outcomes[0].reason, FailureReason::kNoResponders);
  EXPECT_EQ(outcomes[1].verdict, Verdict::kRefused);
  EXPECT_EQ(outcomes[1].refusal, Refusal::kNoStreamForSubject);
  EXPECT_EQ(outcomes[2].verdict, Verdict::kConfirmed);
  EXPECT_THAT(StoredIds(), ElementsAre("c"));
}

TEST_F(FakeTransportTest, ALostAckLeavesAStoredMessageInDoubt) {
  transport_.LoseNextAck();
  ASSERT_TRUE(Publish({"a"}));
  transport_.Pump();
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kInDoubt);
  EXPECT_THAT(StoredIds(), ElementsAre("a"));
  ASSERT_TRUE(Publish({"a"}));
  transport_.Pump();
  EXPECT_TRUE(observer_.Outcomes()[1].duplicate);
  EXPECT_THAT(StoredIds(), ElementsAre("a"));
}

TEST_F(FakeTransportTest, DisconnectHandsBackStoredOrNot) {
  ASSERT_TRUE(Publish({"a"}));
  transport_.Disconnect();
  EXPECT_EQ(observer_.Outcomes()[0].verdict, Verdict::kInDoubt);
  EXPECT_TRUE(observer_.Outcomes()[0].handed_back);
  EXPECT_THAT(StoredIds(), IsEmpty());
  EXPECT_FALSE(Publish({"b"})) << "there is no epoch";

  transport_.Connect();
  EXPECT_EQ(observer_.open_epoch(), 2u);
  ASSERT_TRUE(Publish({"c"}));
  transport_.Disconnect("broker died", FakeTransport::Fate::kStored);
  EXPECT_THAT(StoredIds(), ElementsAre("c"));
  EXPECT_EQ(transport_.GetStatus().last_error, "broker died");
}

TEST_F(FakeTransportTest, ReportsAttemptsAndExhaustion) {
  transport_.Disconnect();
  transport_.FailAttempt("refused");
  transport_.FailAttempt("refused");
  EXPECT_EQ(transport_.GetStatus().attempts, 2);
  transport_.Exhaust();
  transport_.Exhaust();
  EXPECT_EQ(transport_.GetStatus().state, ConnectionState::kExhausted);
  transport_.Connect();
  EXPECT_THAT(observer_.Steps(),
              ElementsAre("established", "up", "down", "lost", "reconnect_attempt",
                          "attempt_failed", "reconnect_attempt", "attempt_failed", "exhausted",
                          "reconnect_attempt", "established", "restored", "up"));
}

TEST_F(FakeTransportTest, CarriesOutReconnectWhenPumped) {
  transport_.Reconnect();
  EXPECT_EQ(observer_.open_epoch(), 1u);
  EXPECT_EQ(transport_.reconnect_count(), 1);
  transport_.Pump();
  EXPECT_EQ(observer_.open_epoch(), 2u);
}

TEST_F(FakeTransportTest, ExpiresByTheGivenTime) {
  deadline_ = SteadyTime(std::chrono::seconds(10));
  ASSERT_TRUE(Publish({"a"}));
  deadline_ = SteadyTime(std::chrono::seconds(20));
  ASSERT_TRUE(Publish({"b"}));
  EXPECT_EQ(transport_.ExpireUntil(SteadyTime(std::chrono::seconds(9))), 0);
  EXPECT_EQ(transport_.ExpireUntil(SteadyTime(std::chrono::seconds(10))), 1);
  EXPECT_EQ(observer_.Outcomes()[0].message_id, "a");
  EXPECT_EQ(observer_.Outcomes()[0].reason, FailureReason::kTimeout);
  EXPECT_EQ(transport_.unsettled_count(), 1);
}

TEST_F(FakeTransportTest, KeepsCopiesOfWhatItWasHanded) {
  ASSERT_TRUE(Publish({"a"}));
  transport_.Disconnect();
  transport_.Connect();
  ASSERT_TRUE(Publish({"b"}));
  const std::vector<FakeMessage> handed_over = transport_.HandedOver();
  ASSERT_EQ(handed_over.size(), 2u);
  EXPECT_EQ(handed_over[0].subject, "fake.test");
  EXPECT_EQ(handed_over[0].payload, "payload");
  EXPECT_EQ(handed_over[0].message_id, "a");
  EXPECT_EQ(handed_over[0].epoch, 1u);
  EXPECT_EQ(handed_over[1].epoch, 2u);
  transport_.ForgetHistory();
  EXPECT_THAT(transport_.HandedOver(), IsEmpty());
}

using FakeTransportDeathTest = FakeTransportTest;

TEST_F(FakeTransportDeathTest, AbortsOnMoreThanMaxInFlight) {
  EXPECT_DEATH(Publish({"a", "b", "c", "d"}), "no more than max_in_flight");
}

TEST_F(FakeTransportDeathTest, AbortsOnPublishOutsideAnEpoch) {
  transport_.Disconnect();
  Delivery delivery;
  Delivery* const batch[] = {&delivery};
  EXPECT_DEATH(transport_.Publish(batch), "only between OnUp and OnDown");
}

}  // namespace
}  // namespace router
