// What a caller is told, situation by situation, in both modes.
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class DispatcherOutcomeTest : public ::testing::TestWithParam<bool> {
 protected:
  DispatcherOutcomeTest() : rig_(Options()) {}

  static RigOptions Options() {
    RigOptions options;
    options.fail_open = GetParam();
    options.dispatcher.queue_count_max = 2;
    return options;
  }

  // What becomes of a message that cannot be delivered now.
  static Outcome Undeliverable() { return GetParam() ? Outcome::kDropped : Outcome::kQueued; }

  Call& PublishAndCommit(const MessageSpec& spec) {
    Call& call = rig_.Publish(spec);
    rig_.transport.Pump();
    rig_.queue.Flush();
    return call;
  }

  void ExpectRefused(Refusal refusal, const std::string& reason) {
    rig_.transport.Connect();
    rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError, refusal);
    Call& call = PublishAndCommit({});
    EXPECT_EQ(call.outcome(), Outcome::kRejected);
    EXPECT_EQ(call.reason(), reason);
    EXPECT_EQ(call.operation().status.code(), absl::StatusCode::kFailedPrecondition);
    EXPECT_EQ(rig_.ledger().queued_count, 0);
    EXPECT_EQ(rig_.ledger().accepted, 0);
  }

  RouterRig rig_;
};

INSTANTIATE_TEST_SUITE_P(BothModes, DispatcherOutcomeTest, ::testing::Bool(),
                         [](const ::testing::TestParamInfo<bool>& info) {
                           return info.param ? "FailOpen" : "FailClosed";
                         });

TEST_P(DispatcherOutcomeTest, DeliversWhileConnected) {
  rig_.transport.Connect();
  Call& call = rig_.Publish({"orders.eu", "a"});
  EXPECT_FALSE(call.done());
  EXPECT_EQ(rig_.ledger().in_flight_count, 1);
  rig_.transport.Pump();
  EXPECT_EQ(call.outcome(), Outcome::kDelivered);
  EXPECT_EQ(call.operation().stream, "fake");
  EXPECT_EQ(call.operation().sequence, 1u);
  EXPECT_FALSE(call.operation().duplicate);
  EXPECT_EQ(rig_.ledger().delivered_direct, 1);
  EXPECT_EQ(rig_.ledger().in_flight_count, 0);
  EXPECT_EQ(rig_.ledger().in_flight_bytes, 0);
}

TEST_P(DispatcherOutcomeTest, RejectsWithoutStream) {
  ExpectRefused(Refusal::kNoStreamForSubject, "NO_STREAM_FOR_SUBJECT");
}

TEST_P(DispatcherOutcomeTest, RejectsTooLargeForTheStream) {
  ExpectRefused(Refusal::kMessageTooLarge, "BROKER_REFUSED");
}

TEST_P(DispatcherOutcomeTest, RejectsWrongExpectation) {
  ExpectRefused(Refusal::kOther, "BROKER_REFUSED");
}

TEST_P(DispatcherOutcomeTest, KeepsOrDropsWhenTheAckTimesOut) {
  rig_.transport.Connect();
  rig_.transport.LoseNextAck();
  Call& call = PublishAndCommit({"orders.eu", "a"});
  EXPECT_EQ(call.outcome(), Undeliverable());
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("a"));  // Resent with the same id: once.
}

TEST_P(DispatcherOutcomeTest, KeepsOrDropsWhenTheConnectionDropsInFlight) {
  rig_.transport.Connect();
  Call& call = rig_.Publish({"orders.eu", "a"});
  rig_.transport.Disconnect("reset", FakeTransport::Fate::kStored);
  rig_.queue.Flush();
  EXPECT_EQ(call.outcome(), Undeliverable());
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("a"));
  EXPECT_EQ(rig_.observer.redelivered, GetParam() ? 0 : 1);
}

TEST_P(DispatcherOutcomeTest, KeepsOrDropsAfterATransientRefusal) {
  rig_.transport.Connect();
  rig_.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  Call& call = PublishAndCommit({"orders.eu", "a"});
  EXPECT_EQ(call.outcome(), Undeliverable());
  EXPECT_EQ(call.operation().reason, FailureReason::kNoResponders);
  EXPECT_FALSE(call.operation().behind_backlog);
}

TEST_P(DispatcherOutcomeTest, KeepsOrDropsWhileNotConnected) {
  Call& call = rig_.Publish({"orders.eu", "a"});
  EXPECT_EQ(call.done(), GetParam()) << "told QUEUED before it was committed";
  rig_.queue.Flush();
  EXPECT_EQ(call.outcome(), Undeliverable());
  EXPECT_EQ(call.operation().reason, FailureReason::kNotConnected);
  EXPECT_EQ(call.operation().operation_id, GetParam() ? 0u : 1u);
  EXPECT_EQ(rig_.ledger().queued_count, GetParam() ? 0 : 1);
  EXPECT_EQ(rig_.ledger().dropped_fail_open, GetParam() ? 1 : 0);
}

TEST_P(DispatcherOutcomeTest, RejectsOrDropsWhenTheQueueIsFull) {
  for (int i = 0; i < 2; ++i) PublishAndCommit({});
  Call& call = PublishAndCommit({});
  if (GetParam()) {
    EXPECT_EQ(call.outcome(), Outcome::kDropped);
    return;
  }
  EXPECT_EQ(call.outcome(), Outcome::kRejected);
  EXPECT_EQ(call.reason(), "PENDING_QUEUE_FULL");
  EXPECT_EQ(call.operation().status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(call.operation().status.GetPayload(error::kRetryInfoUrl).has_value());
}

TEST_P(DispatcherOutcomeTest, LeavesMalformedMessagesRejected) {
  MessageSpec malformed;
  malformed.valid = false;
  malformed.caller_id = "mine";
  rig_.transport.Connect();
  Call& call = rig_.PublishBatch({malformed, {"orders.eu", "good"}});
  rig_.transport.Pump();
  EXPECT_EQ(call.outcome(0), Outcome::kRejected);
  EXPECT_EQ(call.operation(0).status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(call.operation(0).message.message_id, "mine");
  EXPECT_EQ(call.outcome(1), Outcome::kDelivered);
  EXPECT_EQ(rig_.observer.asked, 1) << "a malformed message counts as a publish";
  EXPECT_EQ(rig_.ledger().rejected, 1);
}

TEST_P(DispatcherOutcomeTest, QueuesBehindABacklogAlsoInFailOpenMode) {
  rig_.SetFailOpen(false);
  rig_.Queue({"orders.eu", "a"});
  rig_.SetFailOpen(GetParam());
  rig_.transport.Connect();
  Call& call = PublishAndCommit({"orders.eu", "b"});
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
  EXPECT_TRUE(call.operation().behind_backlog);
  Call& other = PublishAndCommit({"orders.us", "c"});
  EXPECT_EQ(other.outcome(), Outcome::kDelivered) << "keys block one another";
}

TEST_P(DispatcherOutcomeTest, QueuesWhilePausedInBothModes) {
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.dispatcher.PauseDelivery());
  EXPECT_FALSE(rig_.dispatcher.PauseDelivery());
  Call& call = PublishAndCommit({"orders.eu", "a"});
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
  for (int i = 0; i < 3; ++i) rig_.Turn();
  EXPECT_THAT(rig_.transport.HandedOver(), IsEmpty());
  EXPECT_TRUE(rig_.ledger().paused);

  EXPECT_TRUE(rig_.dispatcher.ResumeDelivery());
  EXPECT_FALSE(rig_.dispatcher.ResumeDelivery());
  EXPECT_TRUE(rig_.Drain());
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("a"));
  EXPECT_EQ(PublishAndCommit({}).outcome(), Outcome::kDelivered);
}

TEST_P(DispatcherOutcomeTest, QueuesWhilePausedAndNotConnected) {
  rig_.dispatcher.PauseDelivery();
  EXPECT_EQ(PublishAndCommit({}).outcome(), Outcome::kQueued);
}

TEST_P(DispatcherOutcomeTest, RejectsOnceItStoppedAccepting) {
  rig_.transport.Connect();
  Call& before = rig_.Publish({"orders.eu", "a"});
  rig_.dispatcher.StopAccepting();
  Call& after = PublishAndCommit({"orders.eu", "b"});
  EXPECT_EQ(before.outcome(), Outcome::kDelivered);
  EXPECT_EQ(after.outcome(), Outcome::kRejected);
  EXPECT_EQ(after.reason(), "DRAINING");
  EXPECT_THAT(rig_.StoredPayloads(), ElementsAre("a"));
}

TEST_P(DispatcherOutcomeTest, KeepsTheCallersIdWhateverTheOutcome) {
  const auto expect_kept = [](Call& call) {
    EXPECT_TRUE(call.done());
    EXPECT_EQ(call.operation().message.message_id, "mine");
  };
  MessageSpec spec = {"orders.eu", "a", "mine"};
  expect_kept(PublishAndCommit(spec));  // Queued or dropped.
  expect_kept(PublishAndCommit({"orders.eu", "another", "mine"}));
  rig_.transport.Connect();
  EXPECT_TRUE(rig_.Drain());
  expect_kept(PublishAndCommit(spec));  // Delivered.
  rig_.dispatcher.StopAccepting();
  expect_kept(PublishAndCommit({"orders.us", "b", "mine"}));  // Rejected.
}

TEST_P(DispatcherOutcomeTest, AnswersEveryMessageOfABatchOnceAndTogether) {
  rig_.transport.Connect();
  rig_.transport.FailNext(Verdict::kConfirmed, FailureReason::kNone);
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError);
  rig_.transport.FailNext(Verdict::kInDoubt, FailureReason::kTimeout);
  Call& call = rig_.PublishBatch({{"a.a"}, {"b.b"}, {"c.c"}});
  rig_.transport.ReleaseOne();
  rig_.transport.ReleaseOne();
  EXPECT_FALSE(call.done());
  rig_.transport.ReleaseOne();
  rig_.queue.Flush();
  EXPECT_EQ(call.outcome(0), Outcome::kDelivered);
  EXPECT_EQ(call.outcome(1), Outcome::kRejected);
  EXPECT_EQ(call.outcome(2), Undeliverable());
  EXPECT_EQ(call.done_count(), 1);
  EXPECT_EQ(rig_.observer.answered.size(), 3u);
}

TEST_P(DispatcherOutcomeTest, TakesTheBacklogOfAnEarlierRunIntoTheBooks) {
  MemoryPendingQueue::Contents contents;
  RigOptions options;
  options.contents = &contents;
  int64_t bytes = 0;
  {
    RouterRig before(options);
    before.Queue({"orders.eu", "a"});
    before.Queue({"orders.eu", "b"});
    bytes = before.ledger().queued_bytes;
  }
  options.fail_open = GetParam();
  RouterRig after(options);
  EXPECT_EQ(after.ledger().recovered, 2);
  EXPECT_EQ(after.ledger().queued_count, 2);
  EXPECT_EQ(after.ledger().queued_bytes, bytes);
  EXPECT_EQ(after.ledger().Unaccounted(), 0);
  after.transport.Connect();
  Call& call =
      after.Publish({"orders.eu", "c", "of the second run"});  // Behind the recovered ones.
  EXPECT_TRUE(after.Drain());
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
  EXPECT_THAT(after.StoredPayloads(), ElementsAre("a", "b", "c"));
  EXPECT_EQ(after.ledger().delivered_from_queue, 3);
}

TEST_P(DispatcherOutcomeTest, PassesConnectionEventsOn) {
  rig_.transport.Connect();
  rig_.transport.Disconnect();
  rig_.transport.Connect();
  using Kind = ConnectionEvent::Kind;
  EXPECT_THAT(rig_.observer.events,
              ElementsAre(Kind::kEstablished, Kind::kLost, Kind::kReconnectAttempt,
                          Kind::kEstablished, Kind::kRestored));
}

TEST(DispatcherSpoolTest, RejectsEveryMessageOfACommitThatFailed) {
  RouterRig rig;
  rig.queue.FailNextAppend(absl::UnavailableError("fsync failed"));
  Call& io_error = rig.PublishBatch({{"orders.eu", "a"}, {"orders.us", "b"}});
  rig.queue.Flush();
  for (int i : {0, 1}) {
    EXPECT_EQ(io_error.outcome(i), Outcome::kRejected);
    EXPECT_EQ(io_error.reason(i), "SPOOL_IO_ERROR");
  }
  rig.queue.FailNextAppend(absl::ResourceExhaustedError("disk full"));
  Call& full = rig.Publish({"orders.eu", "a"});
  rig.queue.Flush();
  EXPECT_EQ(full.outcome(), Outcome::kRejected);
  EXPECT_EQ(full.reason(), "SPOOL_FULL");
  EXPECT_TRUE(full.operation().status.GetPayload(error::kRetryInfoUrl).has_value());

  EXPECT_EQ(rig.ledger().queued_count, 0);
  EXPECT_EQ(rig.ledger().appending_count, 0);
  EXPECT_EQ(rig.ledger().appending_bytes, 0);
  EXPECT_EQ(rig.ledger().accepted, 0);
  rig.transport.Connect();
  Call& direct = rig.Publish({"orders.eu", "a"});
  rig.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered) << "the key is stuck";
}

}  // namespace
}  // namespace router
