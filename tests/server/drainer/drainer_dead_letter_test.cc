// What can never be delivered.
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

class DrainerDeadLetterTest : public ::testing::Test {
 protected:
  DrainerDeadLetterTest() : rig_(Options()) {}

  RigOptions Options() {
    RigOptions options;
    options.contents = &contents_;
    return options;
  }

  // The first of two messages of a key is refused; the second is delivered all the same.
  void ExpectDeadLetter(Refusal refusal, const std::string& reason) {
    rig_.Queue({"k", "1"});
    rig_.Queue({"k", "2"});
    rig_.transport.Connect();
    rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError, refusal);
    EXPECT_TRUE(rig_.Drain());
    EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2"));
    ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
    EXPECT_EQ(rig_.observer.dead_letters[0].operation_id, 1u);
    EXPECT_EQ(rig_.observer.dead_letters[0].reason.reason, reason);
    EXPECT_EQ(rig_.observer.dead_letters[0].reason.error, "fake: broker_error");
    EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, 1);
    ASSERT_THAT(contents_.dead_letters, SizeIs(1));
    EXPECT_EQ(contents_.dead_letters[1].stored.record.payload, "1");
    EXPECT_EQ(rig_.ledger().dead_lettered, 1);
    EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
    Call& direct = rig_.Publish({"k", "3"});
    rig_.transport.Pump();
    EXPECT_EQ(direct.outcome(), Outcome::kDelivered) << "the key is stuck";
  }

  MemoryPendingQueue::Contents contents_;
  RouterRig rig_;
};

TEST_F(DrainerDeadLetterTest, RefusedForGood) { ExpectDeadLetter(Refusal::kOther, "refused"); }

TEST_F(DrainerDeadLetterTest, NoStreamIsBelievedAfterSeveralAttemptsOnly) {
  const int attempts_max = DrainerOptions().no_stream_attempts_max;
  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  for (int attempt = 1; attempt <= attempts_max; ++attempt) {
    EXPECT_THAT(rig_.observer.dead_letters, SizeIs(0)) << "after " << attempt - 1 << " attempts";
    rig_.clock.Advance(absl::Seconds(10));
    rig_.drainer.Step();
    rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError,
                            Refusal::kNoStreamForSubject);
    rig_.transport.ReleaseAll();
    rig_.drainer.Step();
  }
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.reason, "no_stream");
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, attempts_max);
  EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
}

TEST_F(DrainerDeadLetterTest, StreamThatComesLateTakesTheMessage) {
  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  rig_.drainer.Step();
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError,
                          Refusal::kNoStreamForSubject);
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  rig_.clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1"));
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(0));
}

TEST_F(DrainerDeadLetterTest, TooLarge) {
  ExpectDeadLetter(Refusal::kMessageTooLarge, "too_large");
}

TEST_F(DrainerDeadLetterTest, ExpiredIsNotSent) {
  MessageSpec spec = {"k", "1"};
  spec.ttl = absl::Seconds(10);
  rig_.Queue(spec);
  rig_.Queue({"k", "2"});
  rig_.clock.Advance(absl::Seconds(10));
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2"));
  EXPECT_THAT(rig_.transport.HandedOver(), SizeIs(1));
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.reason, "expired");
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, 0);
}

TEST_F(DrainerDeadLetterTest, DeliversWhatHasNotExpiredYet) {
  MessageSpec spec = {"k", "1"};
  spec.ttl = absl::Seconds(10);
  rig_.Queue(spec);
  rig_.clock.Advance(absl::Seconds(9));
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1"));
}

TEST_F(DrainerDeadLetterTest, HeadThatExpiresWhileItIsRetriedIsNotSentAgain) {
  MessageSpec spec = {"k", "1"};
  spec.ttl = absl::Seconds(10);
  rig_.Queue(spec);
  rig_.Queue({"k", "2"});
  rig_.transport.Connect();
  rig_.drainer.Step();
  for (int i = 0; i < 2; ++i) {
    rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  }
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  rig_.clock.Advance(absl::Seconds(10));
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2"));
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.reason, "expired");
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, 1);
  EXPECT_FALSE(rig_.drainer.FindAttempts(1).has_value());
}

TEST_F(DrainerDeadLetterTest, HeadThatIsRefusedAfterRetriesTellsItsAttempts) {
  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  rig_.drainer.Step();
  rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError, Refusal::kOther);
  EXPECT_TRUE(rig_.Drain());
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, 2);
}

TEST_F(DrainerDeadLetterTest, KeepsTheFirstErrorAndTheLast) {
  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  rig_.drainer.Step();
  rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError, Refusal::kOther);
  EXPECT_TRUE(rig_.Drain());
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.first_error, "fake: no_responders");
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.error, "fake: broker_error");
}

TEST_F(DrainerDeadLetterTest, ExpiresWhileTheBrokerIsAway) {
  MessageSpec expiring = {"k", "1"};
  expiring.ttl = absl::Seconds(10);
  MessageSpec later = {"k", "2"};
  later.ttl = absl::Seconds(20);
  rig_.Queue(later);
  rig_.Queue(expiring);
  rig_.Queue({"k", "3"});
  rig_.clock.Advance(absl::Seconds(9));
  rig_.drainer.Step();
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(0));
  rig_.clock.Advance(absl::Seconds(1));
  rig_.drainer.Step();
  EXPECT_THAT(rig_.QueuedPayloads(), ElementsAre("2", "3"));
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.reason, "expired");
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, 0);
  EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2", "3"));
}

TEST_F(DrainerDeadLetterTest, ExpiredMessagesAreMovedInSmallSlices) {
  for (int i = 0; i < 600; ++i) {
    MessageSpec spec = {"k", "1"};
    spec.ttl = absl::Seconds(10);
    rig_.Queue(spec);
  }
  rig_.clock.Advance(absl::Seconds(10));
  const SteadyTime wake = rig_.drainer.Step();
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(256));
  EXPECT_LE(wake, rig_.clock.SteadyNow() + std::chrono::milliseconds(10)) << "it has more to do";
  while (rig_.ledger().queued_count > 0) rig_.drainer.Step();
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(600));
  rig_.drainer.Step();
  EXPECT_EQ(rig_.drainer.Step(), rig_.clock.SteadyNow() + std::chrono::seconds(1));
}

TEST_F(DrainerDeadLetterTest, DiskThatRefusesAnExpiredOneDoesNotHoldUpTheOthers) {
  MessageSpec spec = {"k", "1"};
  spec.ttl = absl::Seconds(10);
  rig_.Queue(spec);
  rig_.Queue({"k", "2"});
  rig_.Queue({"other", "3"});
  rig_.clock.Advance(absl::Seconds(10));
  rig_.queue.FailDeadLetters(absl::ResourceExhaustedError("disk full"));
  rig_.transport.Connect();
  rig_.drainer.Step();
  EXPECT_EQ(rig_.transport.ReleaseAll(), 2);
  EXPECT_GE(rig_.drainer.Step(), rig_.clock.SteadyNow() + std::chrono::milliseconds(100));
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2", "3"));
  EXPECT_THAT(contents_.dead_letters, SizeIs(0));
  rig_.queue.FailDeadLetters(absl::OkStatus());
  rig_.clock.Advance(absl::Seconds(1));
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2", "3"));
  EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
}

TEST_F(DrainerDeadLetterTest, WhatTheDiskKeptIsDeliveredOnceTheClockSaysThatItHasNotExpired) {
  MessageSpec spec = {"k", "1"};
  spec.ttl = absl::Seconds(10);
  rig_.Queue(spec);
  const absl::Time before = rig_.clock.WallNow();
  rig_.clock.Advance(absl::Seconds(10));
  rig_.queue.FailDeadLetters(absl::ResourceExhaustedError("disk full"));
  rig_.transport.Connect();
  rig_.drainer.Step();
  rig_.queue.FailDeadLetters(absl::OkStatus());
  rig_.clock.Advance(absl::Seconds(1));
  rig_.clock.SetWall(before);
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1"));
}

TEST_F(DrainerDeadLetterTest, ExpiresBehindABlockedHeadAndTheHeadItself) {
  MessageSpec head = {"k", "1"};
  head.ttl = absl::Seconds(10);
  MessageSpec behind = {"k", "2"};
  behind.ttl = absl::Seconds(2);
  rig_.Queue(head);
  rig_.Queue(behind);
  rig_.Queue({"k", "3"});
  rig_.transport.Connect();
  rig_.drainer.Step();
  for (int i = 0; i < 3; ++i) {
    rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  }
  rig_.transport.ReleaseAll();
  rig_.drainer.Step();
  rig_.dispatcher.PauseDelivery();
  rig_.clock.Advance(absl::Seconds(3));
  rig_.drainer.Step();
  EXPECT_THAT(rig_.QueuedPayloads(), ElementsAre("1", "3"));
  rig_.clock.Advance(absl::Seconds(7));
  rig_.drainer.Step();
  EXPECT_THAT(rig_.QueuedPayloads(), ElementsAre("3"));
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(2));
  EXPECT_EQ(rig_.observer.dead_letters[1].reason.attempts, 1);
  EXPECT_EQ(rig_.observer.dead_letters[1].reason.error, "fake: no_responders");
  EXPECT_FALSE(rig_.drainer.FindAttempts(1).has_value());
  rig_.dispatcher.ResumeDelivery();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("3"));
}

class DrainerAttemptsTest : public ::testing::Test {
 protected:
  DrainerAttemptsTest() : rig_(Options()) {}

  static RigOptions Options() {
    RigOptions options;
    options.drainer.attempts_max = 3;
    return options;
  }

  // Everything in flight fails; time passes until it is due again.
  void FailAll(FailureReason reason, Verdict verdict = Verdict::kFailed) {
    rig_.drainer.Step();
    for (int64_t left = rig_.transport.unsettled_count(); left > 0; --left) {
      rig_.transport.FailNext(verdict, reason);
    }
    rig_.transport.ReleaseAll();
    rig_.drainer.Step();
    rig_.clock.Advance(absl::Seconds(5));
  }

  RouterRig rig_;
};

TEST_F(DrainerAttemptsTest, HeadThatFailsTooOftenIsADeadLetterAndItsKeyGoesOn) {
  rig_.Queue({"k", "1"});
  rig_.Queue({"k", "2"});
  rig_.transport.Connect();
  FailAll(FailureReason::kNoResponders);
  FailAll(FailureReason::kTimeout, Verdict::kInDoubt);
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(0));
  FailAll(FailureReason::kBrokerError);
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  const DeadLetterReason& reason = rig_.observer.dead_letters[0].reason;
  EXPECT_EQ(reason.reason, "attempts");
  EXPECT_EQ(reason.attempts, 3);
  EXPECT_EQ(reason.first_error, "fake: no_responders");
  EXPECT_EQ(reason.error, "fake: broker_error");
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("2"));
  EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
}

TEST_F(DrainerAttemptsTest, WhatFailsBehindAnOlderMessageOfItsKeyHasNotBeenTried) {
  for (int i = 0; i < 3; ++i) rig_.Queue({"k", absl::StrCat(i)});
  rig_.transport.Connect();
  for (int i = 0; i < 3; ++i) FailAll(FailureReason::kNoResponders);
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].operation_id, 1u);
  FailAll(FailureReason::kNoResponders);
  FailAll(FailureReason::kNoResponders);
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1", "2"));
}

TEST_F(DrainerAttemptsTest, LostConnectionsDoNotCount) {
  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  for (int i = 0; i < 5; ++i) FailAll(FailureReason::kConnectionClosed, Verdict::kInDoubt);
  for (int i = 0; i < 2; ++i) FailAll(FailureReason::kTimeout, Verdict::kInDoubt);
  for (int i = 0; i < 5; ++i) {
    rig_.drainer.Step();
    rig_.transport.Disconnect();
    rig_.transport.Connect();
  }
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1"));
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(0));
}

TEST_F(DrainerAttemptsTest, AttemptsCountOverConnections) {
  rig_.Queue({"k", "1"});
  for (int i = 0; i < 2; ++i) {
    rig_.transport.Connect();
    FailAll(FailureReason::kTimeout, Verdict::kInDoubt);
    rig_.transport.Disconnect();
    rig_.drainer.Step();
  }
  rig_.transport.Connect();
  FailAll(FailureReason::kTimeout, Verdict::kInDoubt);
  ASSERT_THAT(rig_.observer.dead_letters, SizeIs(1));
  EXPECT_EQ(rig_.observer.dead_letters[0].reason.attempts, 3);
}

TEST_F(DrainerAttemptsTest, WhatTheDiskDoesNotTakeAsADeadLetterStaysTheHeadOfItsKey) {
  rig_.Queue({"k", "1"});
  rig_.Queue({"k", "2"});
  rig_.transport.Connect();
  for (int i = 0; i < 2; ++i) FailAll(FailureReason::kTimeout, Verdict::kInDoubt);
  rig_.transport.Disconnect();
  rig_.transport.Connect();
  rig_.queue.FailDeadLetters(absl::ResourceExhaustedError("disk full"));
  rig_.drainer.Step();
  ASSERT_EQ(rig_.transport.unsettled_count(), 2) << "both are tried again";
  FailAll(FailureReason::kTimeout, Verdict::kInDoubt);
  EXPECT_THAT(rig_.observer.dead_letters, SizeIs(0));
  ASSERT_TRUE(rig_.drainer.FindAttempts(1).has_value());
  EXPECT_EQ(rig_.drainer.FindAttempts(1)->count, 3);
  EXPECT_EQ(rig_.transport.unsettled_count(), 0) << "it is not tried again at once";
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("1", "2"));
  EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
}

TEST_F(DrainerAttemptsTest, WithoutALimitItIsTriedForEver) {
  RouterRig rig;
  rig.Queue({"k", "1"});
  rig.transport.Connect();
  for (int i = 0; i < 50; ++i) {
    rig.drainer.Step();
    rig.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
    rig.transport.ReleaseAll();
    rig.drainer.Step();
    rig.clock.Advance(absl::Seconds(5));
  }
  EXPECT_THAT(rig.observer.dead_letters, SizeIs(0));
  EXPECT_TRUE(rig.Drain());
}

TEST_F(DrainerDeadLetterTest, RecordThatIsDamagedOnDiskLeavesTheBooksAsDamaged) {
  rig_.Queue({"k", "1"});
  const RemovedRecord record = {1, HashOrderingKey("k"), rig_.ledger().queued_bytes};
  contents_.records.clear();
  rig_.dispatcher.OnRemoved({record}, RemovalCause::kDamaged);
  EXPECT_EQ(rig_.ledger().damaged, 1);
  EXPECT_EQ(rig_.ledger().queued_count, 0);
  EXPECT_EQ(rig_.ledger().queued_bytes, 0);
  EXPECT_EQ(rig_.ledger().Unaccounted(), 0);
}

}  // namespace
}  // namespace router
