// The same message id again.
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const MessageSpec kMessage = {"orders.eu", "content", "mine"};
const MessageSpec kOtherContent = {"orders.eu", "other content", "mine"};

void ExpectConflict(Call* call) {
  EXPECT_EQ(call->outcome(), Outcome::kRejected);
  EXPECT_EQ(call->reason(), "MESSAGE_ID_CONFLICT");
  EXPECT_EQ(call->operation().status.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(call->operation().message.message_id, "mine");
}

TEST(DispatcherReplayTest, WaitsForTheFirstThatIsInFlight) {
  RouterRig rig;
  rig.transport.Connect();
  Call& first = rig.Publish(kMessage);
  Call& second = rig.Publish(kMessage);
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  EXPECT_FALSE(second.done());
  rig.transport.Pump();
  EXPECT_EQ(first.outcome(), Outcome::kDelivered);
  EXPECT_FALSE(first.operation().duplicate);
  EXPECT_EQ(second.outcome(), Outcome::kDelivered);
  EXPECT_EQ(second.operation().stream, first.operation().stream);
  EXPECT_EQ(second.operation().sequence, first.operation().sequence);
  EXPECT_TRUE(second.operation().duplicate);
  EXPECT_EQ(rig.transport.HandedOver().size(), 1u);
  EXPECT_EQ(rig.ledger().accepted, 1);
}

TEST(DispatcherReplayTest, GivesTheSameAnswerForADeliveredOne) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"orders.eu", "another"});
  rig.Publish(kMessage);
  rig.transport.Pump();
  rig.transport.Disconnect();
  Call& again = rig.Publish(kMessage);
  EXPECT_EQ(again.outcome(), Outcome::kDelivered);
  EXPECT_EQ(again.operation().sequence, 2u);
  EXPECT_TRUE(again.operation().duplicate);
  EXPECT_EQ(rig.ledger().accepted, 2);
}

TEST(DispatcherReplayTest, GivesTheSameAnswerForAQueuedOneAndForWhatBecameOfIt) {
  RouterRig rig;
  Call& first = rig.Publish(kMessage);
  Call& while_appending = rig.Publish(kMessage);
  rig.queue.Flush();
  Call& while_queued = rig.Publish(kMessage);
  for (Call* call : {&first, &while_appending, &while_queued}) {
    EXPECT_EQ(call->outcome(), Outcome::kQueued);
    EXPECT_EQ(call->operation().operation_id, 1u);
  }
  EXPECT_EQ(rig.ledger().queued_count, 1);
  EXPECT_EQ(rig.ledger().accepted, 1);

  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  Call& delivered = rig.Publish(kMessage);
  EXPECT_EQ(delivered.outcome(), Outcome::kDelivered);
  EXPECT_EQ(delivered.operation().sequence, 1u);
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("content"));
}

TEST(DispatcherReplayTest, AnotherContentIsAConflict) {
  RouterRig rig;
  rig.transport.Connect();
  Call& first = rig.Publish(kMessage);
  ExpectConflict(&rig.Publish(kOtherContent));  // In flight.
  rig.transport.Disconnect();
  rig.queue.Flush();
  EXPECT_EQ(first.outcome(), Outcome::kQueued);
  ExpectConflict(&rig.Publish(kOtherContent));  // Queued.
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  ExpectConflict(&rig.Publish(kOtherContent));  // Delivered.
  EXPECT_EQ(rig.Publish(kMessage).outcome(), Outcome::kDelivered) << "the conflict broke the first";
}

TEST(DispatcherReplayTest, RejectedIdMayBeUsedAnew) {
  RouterRig rig;
  rig.transport.Connect();
  rig.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError);
  Call& rejected = rig.Publish(kMessage);
  rig.transport.Pump();
  EXPECT_EQ(rejected.outcome(), Outcome::kRejected);
  Call& anew = rig.Publish(kOtherContent);
  rig.transport.Pump();
  EXPECT_EQ(anew.outcome(), Outcome::kDelivered);
}

TEST(DispatcherReplayTest, DroppedIdMayBeUsedAnew) {
  RigOptions options;
  options.fail_open = true;
  RouterRig rig(options);
  EXPECT_EQ(rig.Publish(kMessage).outcome(), Outcome::kDropped);
  rig.SetFailOpen(false);
  rig.Queue(kOtherContent);
}

TEST(DispatcherReplayTest, IdOfAQueuedMessageThatWasPurgedMayBeUsedAnew) {
  RouterRig rig;
  rig.Queue(kMessage);
  ASSERT_EQ(*rig.queue.Purge({1}), 1);
  Call& anew = rig.Publish(kMessage);
  EXPECT_FALSE(anew.done()) << "told QUEUED for what is not in the queue";
  rig.queue.Flush();
  EXPECT_EQ(anew.outcome(), Outcome::kQueued);
  EXPECT_EQ(anew.operation().operation_id, 2u);
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("content"));
}

TEST(DispatcherReplayTest, IdOfAQueuedMessageThatWasDroppedOrDeadMayBeUsedAnew) {
  RigOptions options;
  options.dispatcher.full_policy = FullPolicy::kDropOldest;
  options.dispatcher.queue_count_max = 1;
  RouterRig rig(options);
  rig.Queue(kMessage);
  rig.Queue({"orders.us", "pushes it out"});
  rig.Queue(kOtherContent);
  rig.transport.Connect();
  rig.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError);
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), IsEmpty());
  Call& anew = rig.Publish(kMessage);
  rig.transport.Pump();
  EXPECT_EQ(anew.outcome(), Outcome::kDelivered);
}

TEST(DispatcherReplayTest, FirstThatIsRejectedMakesTheSecondTry) {
  RouterRig rig;
  rig.transport.Connect();
  rig.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError);
  Call& first = rig.Publish(kMessage);
  Call& second = rig.Publish(kMessage);
  Call& third = rig.Publish(kMessage);
  rig.transport.ReleaseOne();
  EXPECT_EQ(first.outcome(), Outcome::kRejected);
  EXPECT_FALSE(second.done());
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  rig.transport.ReleaseOne();
  EXPECT_EQ(second.outcome(), Outcome::kDelivered);
  EXPECT_FALSE(second.operation().duplicate);
  EXPECT_EQ(third.outcome(), Outcome::kDelivered);
  EXPECT_TRUE(third.operation().duplicate);
}

TEST(DispatcherReplayTest, FailedCommitMakesTheSecondTry) {
  RouterRig rig;
  Call& first = rig.Publish(kMessage);
  Call& second = rig.Publish(kMessage);
  rig.queue.FailNextAppend(absl::UnavailableError("fsync failed"));
  rig.queue.Flush();
  EXPECT_EQ(first.outcome(), Outcome::kRejected);
  rig.queue.Flush();
  EXPECT_EQ(second.outcome(), Outcome::kQueued);
}

TEST(DispatcherReplayTest, SecondGoesOnWaitingForRoomWhenTheFirstGaveUp) {
  RigOptions options;
  options.dispatcher.full_policy = FullPolicy::kBlock;
  options.dispatcher.queue_count_max = 1;
  RouterRig rig(options);
  rig.Queue({"j", "fills the queue"});
  Call& first = rig.Publish(kMessage, absl::Seconds(1));
  Call& between = rig.Publish({"k", "between"}, absl::Seconds(5));
  Call& second = rig.Publish(kMessage, absl::Seconds(10));
  rig.clock.Advance(absl::Seconds(1));
  rig.dispatcher.Tick();
  EXPECT_EQ(first.outcome(), Outcome::kRejected);
  EXPECT_FALSE(second.done());
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_EQ(between.outcome(), Outcome::kQueued);
  EXPECT_EQ(second.outcome(), Outcome::kQueued);
}

TEST(DispatcherReplayTest, SameAnswerAlsoWhileTheRouterStops) {
  RouterRig rig;
  rig.transport.Connect();
  Call& first = rig.Publish(kMessage);
  rig.dispatcher.StopAccepting();
  Call& second = rig.Publish(kMessage);
  rig.transport.Pump();
  EXPECT_EQ(first.outcome(), Outcome::kDelivered);
  EXPECT_EQ(second.outcome(), Outcome::kDelivered);
}

TEST(DispatcherReplayTest, SameAnswerAlsoWhileTheDiskDoesNotKeepUp) {
  RigOptions options;
  options.dispatcher.waiting_bytes_max = 500;
  RouterRig rig(options);
  rig.Queue(kMessage);
  rig.Publish({"j", std::string(600, 'x')});
  EXPECT_EQ(rig.Publish({"j", "too much"}).reason(), "WINDOW_FULL");
  for (int i = 0; i < 2; ++i) {
    Call& again = rig.Publish(kMessage);
    EXPECT_EQ(again.outcome(), Outcome::kQueued);
    EXPECT_EQ(again.operation().operation_id, 1u);
  }
  rig.queue.Flush();
  rig.Queue({"j", "there is room again"});
}

TEST(DispatcherReplayTest, IdIsForgottenWhenItsWindowIsOver) {
  RigOptions options;
  options.dispatcher.recent.window = absl::Minutes(1);
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish(kMessage);
  rig.transport.Pump();
  rig.clock.Advance(absl::Minutes(1));
  ExpectConflict(&rig.Publish(kOtherContent));
  rig.clock.Advance(absl::Milliseconds(1));
  Call& anew = rig.Publish(kOtherContent);
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  rig.transport.Pump();
  EXPECT_EQ(anew.outcome(), Outcome::kDelivered);
}

TEST(DispatcherReplayTest, InOneBatchTheSecondGetsTheAnswerOfTheFirst) {
  RouterRig rig;
  Call& call = rig.PublishBatch({kMessage, kMessage, kOtherContent});
  rig.queue.Flush();
  EXPECT_EQ(call.outcome(0), Outcome::kQueued);
  EXPECT_EQ(call.outcome(1), Outcome::kQueued);
  EXPECT_EQ(call.operation(1).operation_id, 1u);
  EXPECT_EQ(call.outcome(2), Outcome::kRejected);
  EXPECT_EQ(call.done_count(), 1);
}

TEST(DispatcherReplayTest, KnowsTheIdsOfWhatAnEarlierRunHasQueued) {
  MemoryPendingQueue::Contents contents;
  RigOptions options;
  options.contents = &contents;
  {
    RouterRig before(options);
    before.Queue({"orders.eu", "another"});
    before.Queue(kMessage);
  }
  RouterRig after(options);
  Call& again = after.Publish(kMessage);
  EXPECT_EQ(again.outcome(), Outcome::kQueued);
  EXPECT_EQ(again.operation().operation_id, 2u);
  ExpectConflict(&after.Publish(kOtherContent));
  after.transport.Connect();
  EXPECT_TRUE(after.Drain());
  EXPECT_THAT(after.StoredPayloads(), ElementsAre("another", "content"));
  EXPECT_EQ(after.Publish(kMessage).outcome(), Outcome::kDelivered);
  ExpectConflict(&after.Publish(kOtherContent));
}

}  // namespace
}  // namespace router
