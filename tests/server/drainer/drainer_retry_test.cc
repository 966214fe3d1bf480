// What fails while the connection stays up.
#include <chrono>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/drainer/drainer.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class DrainerRetryTest : public ::testing::Test {
 protected:
  DrainerRetryTest() : rig_(Options()) {}

  static RigOptions Options() {
    RigOptions options;
    options.drainer.retry_delay = absl::Milliseconds(100);
    options.drainer.retry_delay_max = absl::Milliseconds(500);
    return options;
  }

  void FailNext(int count = 1) {
    for (int i = 0; i < count; ++i) {
      rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
    }
  }

  // The head of "k" (operation 1) has failed once, and waits.
  void BlockKey(int more_of_it = 0) {
    for (int i = 0; i <= more_of_it; ++i) rig_.Queue({"k", absl::StrCat("k", i)});
    rig_.transport.Connect();
    rig_.drainer.Step();
    FailNext(1 + more_of_it);
    rig_.transport.ReleaseAll();
    rig_.drainer.Step();
    EXPECT_EQ(rig_.transport.unsettled_count(), 0);
  }

  // How long until something is handed over.
  absl::Duration TimeToRetry() {
    const SteadyTime begin = rig_.clock.SteadyNow();
    while (rig_.transport.unsettled_count() == 0) {
      const SteadyTime wake = rig_.drainer.Step();
      if (rig_.transport.unsettled_count() > 0) break;
      rig_.clock.Advance(absl::FromChrono(wake - rig_.clock.SteadyNow()));
      if (rig_.clock.SteadyNow() - begin > std::chrono::minutes(1)) return absl::InfiniteDuration();
    }
    return absl::FromChrono(rig_.clock.SteadyNow() - begin);
  }

  RouterRig rig_;
};

TEST_F(DrainerRetryTest, RetriesTheHeadWithDoublingDelay) {
  BlockKey();
  for (const int delay_ms : {100, 200, 400, 500, 500}) {
    EXPECT_EQ(TimeToRetry(), absl::Milliseconds(delay_ms));
    FailNext();
    rig_.transport.ReleaseAll();
    rig_.drainer.Step();
  }
  EXPECT_EQ(TimeToRetry(), absl::Milliseconds(500));
  rig_.transport.ReleaseAll();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("k0"));
}

TEST_F(DrainerRetryTest, OnlyTheHeadIsTriedAndTheRestFollowsInOrder) {
  BlockKey(/*more_of_it=*/3);
  rig_.Queue({"k", "k4"});
  EXPECT_LT(TimeToRetry(), absl::InfiniteDuration());
  EXPECT_EQ(rig_.transport.unsettled_count(), 1);
  rig_.transport.ReleaseAll();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("k0", "k1", "k2", "k3", "k4"));
}

TEST_F(DrainerRetryTest, BlockedKeyDoesNotBlockOthers) {
  BlockKey(/*more_of_it=*/2);
  rig_.Queue({"k", "k3"});
  rig_.dispatcher.PauseDelivery();
  rig_.Queue({"j", "other"});
  rig_.dispatcher.ResumeDelivery();
  rig_.drainer.Step();
  EXPECT_EQ(rig_.transport.unsettled_count(), 1);
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("other"));
  Call& direct = rig_.Publish({"j", "direct"});
  rig_.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered);
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("other", "direct", "k0", "k1", "k2", "k3"));
}

TEST_F(DrainerRetryTest, OlderMessageThatFailsLaterBecomesTheHead) {
  for (int i = 0; i < 2; ++i) rig_.Queue({"k", absl::StrCat(i)});
  rig_.transport.Connect();
  rig_.drainer.Step();
  FailNext(2);
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  ASSERT_TRUE(rig_.drainer.FindAttempts(1).has_value());
  EXPECT_FALSE(rig_.drainer.FindAttempts(2).has_value());
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("0", "1"));
}

TEST_F(DrainerRetryTest, RetryNowEndsTheDelay) {
  BlockKey();
  FailNext();
  rig_.drainer.RetryNow({HashOrderingKey("unknown"), HashOrderingKey("k")});
  rig_.drainer.Step();
  EXPECT_EQ(rig_.transport.unsettled_count(), 1);
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  EXPECT_EQ(rig_.drainer.FindAttempts(1)->count, 2);
}

TEST_F(DrainerRetryTest, AttemptsOfTheHeadAreVisible) {
  BlockKey(/*more_of_it=*/1);
  absl::optional<Drainer::Attempts> attempts = rig_.drainer.FindAttempts(1);
  ASSERT_TRUE(attempts.has_value());
  EXPECT_EQ(attempts->count, 1);
  EXPECT_THAT(attempts->last_error, ::testing::HasSubstr("no_responders"));
  EXPECT_FALSE(rig_.drainer.FindAttempts(2).has_value());
  EXPECT_TRUE(rig_.Drain());
  EXPECT_FALSE(rig_.drainer.FindAttempts(1).has_value());
}

TEST_F(DrainerRetryTest, NewConnectionEndsAllDelays) {
  BlockKey(/*more_of_it=*/1);
  rig_.transport.Disconnect();
  rig_.transport.Connect();
  rig_.drainer.Step();
  EXPECT_EQ(rig_.transport.unsettled_count(), 2);
  EXPECT_FALSE(rig_.drainer.FindAttempts(1).has_value());
  rig_.transport.ReleaseAll();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("k0", "k1"));
}

TEST_F(DrainerRetryTest, ConnectionThatEndsDuringARetryLosesNothing) {
  BlockKey(/*more_of_it=*/1);
  EXPECT_LT(TimeToRetry(), absl::InfiniteDuration());
  rig_.transport.Disconnect();
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("k0", "k1"));
}

TEST_F(DrainerRetryTest, PurgeOfTheBlockedHeadFreesItsKey) {
  BlockKey(/*more_of_it=*/2);
  ASSERT_EQ(*rig_.queue.Purge({1}), 1);
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("k1", "k2"));
  EXPECT_FALSE(rig_.drainer.FindAttempts(1).has_value());
  EXPECT_EQ(rig_.ledger().purged, 1);
  Call& direct = rig_.Publish({"k", "direct"});
  rig_.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered);
}

TEST_F(DrainerRetryTest, PurgeOfAWholeBlockedKeyLeavesNothingBehind) {
  BlockKey(/*more_of_it=*/1);
  ASSERT_EQ(*rig_.queue.Purge({1, 2}), 2);
  rig_.clock.Advance(absl::Seconds(1));
  rig_.drainer.Step();
  EXPECT_FALSE(rig_.drainer.FindAttempts(1).has_value());
  EXPECT_EQ(rig_.drainer.Step(), rig_.clock.SteadyNow() + std::chrono::seconds(1))
      << "it still wants to retry something";
}

// What is in flight fails when a message is moved to the dead letters.
class FailingBroker final : public DrainObserver {
 public:
  void OnDrainStarted(int64_t) override {}
  void OnDeadLetter(const DeadLetterVerdict&) override {
    transport->FailNext(Verdict::kFailed, FailureReason::kNoResponders);
    transport->ReleaseAll();
  }
  void OnDrainEnded(int64_t, int64_t, absl::Duration) override {}

  FakeTransport* transport = nullptr;
};

TEST(DrainerOvertakingTest, WhatCouldNotBeHandedOverStaysBeforeAYoungerOneThatFailed) {
  FailingBroker failing_broker;
  RigOptions options;
  options.drain_observer = &failing_broker;
  RouterRig rig(options);
  failing_broker.transport = &rig.transport;
  MessageSpec head = {"k", "1"};
  head.ttl = absl::Seconds(10);
  rig.Queue(head);
  rig.Queue({"k", "2"});
  rig.Queue({"k", "3"});
  rig.transport.Connect();
  rig.drainer.Step();
  ASSERT_EQ(rig.transport.unsettled_count(), 3);
  for (int i = 0; i < 2; ++i) {
    rig.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
    rig.transport.ReleaseOne();
  }
  rig.clock.Advance(absl::Seconds(10));
  rig.drainer.Step();  // The head expires; the second is about to follow when the third fails.
  EXPECT_EQ(rig.transport.unsettled_count(), 0);
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("2", "3"));
}

TEST_F(DrainerRetryTest, RunsOfRetriesAreTold) {
  BlockKey();
  ASSERT_THAT(rig_.observer.runs, SizeIs(1));
  EXPECT_EQ(rig_.observer.runs[0].failed, 1);
  EXPECT_TRUE(rig_.Drain());
  ASSERT_THAT(rig_.observer.runs, SizeIs(2)) << "the success of a retry was never told";
  EXPECT_EQ(rig_.observer.runs[1].succeeded, 1);
  EXPECT_EQ(rig_.observer.runs[1].failed, 0);
}

TEST_F(DrainerRetryTest, InDoubtWhileConnectedIsRetriedWithTheSameId) {
  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  rig_.transport.LoseNextAck();
  rig_.drainer.Step();
  rig_.transport.ReleaseAll();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1"));
  const auto sent = rig_.transport.HandedOver();
  ASSERT_THAT(sent, SizeIs(2));
  EXPECT_EQ(sent[0].message_id, sent[1].message_id);
}

TEST(DrainerBlockedKeysTest, CursorRestsWhereTooManyKeysAreBlocked) {
  RigOptions options;
  options.drainer.blocked_keys_max = 2;
  RouterRig rig(options);
  rig.Queue({"a", "a"});
  rig.Queue({"b", "b"});
  rig.transport.Connect();
  rig.drainer.Step();
  for (int i = 0; i < 2; ++i) rig.transport.FailNext(Verdict::kFailed, FailureReason::kTimeout);
  rig.transport.ReleaseAll();
  rig.dispatcher.PauseDelivery();
  rig.Queue({"c", "c"});
  rig.dispatcher.ResumeDelivery();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 0);
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), SizeIs(3));
}

}  // namespace
}  // namespace router
