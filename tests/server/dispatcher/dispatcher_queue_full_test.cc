// The policies for a queue that is full.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;

RigOptions Policy(FullPolicy policy, int64_t count_max = 2) {
  RigOptions options;
  options.dispatcher.full_policy = policy;
  options.dispatcher.queue_count_max = count_max;
  return options;
}

TEST(DispatcherQueueFullTest, RejectTakesMessagesAgainWhenThereIsRoom) {
  RouterRig rig(Policy(FullPolicy::kReject));
  rig.Queue({"j", "1"});
  rig.Queue({"k", "2"});
  Call& rejected = rig.Publish({"k", "3"});
  EXPECT_EQ(rejected.outcome(), Outcome::kRejected);
  EXPECT_EQ(rejected.reason(), "PENDING_QUEUE_FULL");
  EXPECT_TRUE(rejected.operation().status.GetPayload(error::kRetryInfoUrl).has_value());
  ASSERT_EQ(*rig.queue.Purge({1}), 1);
  rig.Queue({"k", "4"});
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("2", "4"));
}

TEST(DispatcherQueueFullTest, CountsAppendsThatAreNotCommittedYet) {
  RouterRig rig(Policy(FullPolicy::kReject));
  Call& batch = rig.PublishBatch({{"k", "1"}, {"k", "2"}, {"k", "3"}});
  rig.queue.Flush();
  EXPECT_EQ(batch.outcome(0), Outcome::kQueued);
  EXPECT_EQ(batch.outcome(1), Outcome::kQueued);
  EXPECT_EQ(batch.outcome(2), Outcome::kRejected);
}

TEST(DispatcherQueueFullTest, BytesCountToo) {
  RigOptions options = Policy(FullPolicy::kReject, 1000);
  options.dispatcher.queue_bytes_max = 1000;
  RouterRig rig(options);
  rig.Queue({"k", std::string(500, 'x')});
  EXPECT_EQ(rig.Publish({"k", std::string(500, 'x')}).outcome(), Outcome::kRejected);
  rig.Queue({"k", "small"});
}

TEST(DispatcherQueueFullTest, BytesOfDeadLettersCountToo) {
  for (FullPolicy policy : {FullPolicy::kReject, FullPolicy::kDropOldest}) {
    RigOptions options = Policy(policy, 1000);
    options.dispatcher.queue_bytes_max = 1000;
    RouterRig rig(options);
    rig.Queue({"k", std::string(500, 'x')});
    ASSERT_TRUE(rig.queue.Claim(0, 1, 1000).ok());
    ASSERT_TRUE(rig.queue.MoveToDeadLetters(1, {"refused", "no", 1}).ok());
    EXPECT_EQ(rig.ledger().queued_bytes, 0);
    EXPECT_EQ(rig.ledger().Unaccounted(), 0);
    Call& rejected = rig.Publish({"k", std::string(500, 'x')});
    EXPECT_EQ(rejected.outcome(), Outcome::kRejected);
    EXPECT_EQ(rejected.reason(), "PENDING_QUEUE_FULL");
    rig.Queue({"k", "small"});
    ASSERT_TRUE(rig.queue.PurgeDeadLetters({1}).ok());
    rig.Queue({"k", std::string(500, 'x')});
  }
}

TEST(DispatcherQueueFullTest, BlockWaitsUntilDeadLettersArePurged) {
  RigOptions options = Policy(FullPolicy::kBlock, 1000);
  options.dispatcher.queue_bytes_max = 1000;
  RouterRig rig(options);
  rig.Queue({"k", std::string(500, 'x')});
  ASSERT_TRUE(rig.queue.Claim(0, 1, 1000).ok());
  ASSERT_TRUE(rig.queue.MoveToDeadLetters(1, {"refused", "no", 1}).ok());
  Call& waiting = rig.Publish({"k", std::string(500, 'x')});
  rig.queue.Flush();
  EXPECT_EQ(waiting.outcome(), Outcome::kUnanswered);
  ASSERT_TRUE(rig.queue.PurgeDeadLetters({1}).ok());
  rig.queue.Flush();
  EXPECT_EQ(waiting.outcome(), Outcome::kQueued);
}

TEST(DispatcherQueueFullTest, DropOldestKeepsWhatItDropsWhereThatIsAskedFor) {
  RigOptions options = Policy(FullPolicy::kDropOldest);
  options.dispatcher.keep_dropped = true;
  RouterRig rig(options);
  for (int i = 0; i < 5; ++i) rig.Queue({"k", absl::StrCat(i)});
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("3", "4"));
  EXPECT_EQ(rig.observer.dropped_and_kept, 3);
  EXPECT_EQ(rig.ledger().dropped_oldest, 3);
  EXPECT_EQ(rig.ledger().dead_letter_count, 3);
  EXPECT_EQ(rig.ledger().Unaccounted(), 0);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  ASSERT_TRUE(rig.queue.RedriveDeadLetters({1, 2, 3}).ok());
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("3", "4", "0", "1", "2"));
}

TEST(DispatcherQueueFullTest, BlockServesFirstComeFirstServed) {
  RouterRig rig(Policy(FullPolicy::kBlock));
  rig.Queue({"j", "1"});
  rig.Queue({"j", "2"});
  std::vector<Call*> waiting;
  for (const char* key : {"k", "l", "k"}) {
    waiting.push_back(&rig.Publish({key, absl::StrCat("waits ", waiting.size())}));
  }
  rig.queue.Flush();
  for (Call* call : waiting) EXPECT_FALSE(call->done());
  EXPECT_EQ(rig.ledger().waiting_count, 3);

  ASSERT_EQ(*rig.queue.Purge({1}), 1);
  rig.queue.Flush();
  EXPECT_EQ(waiting[0]->outcome(), Outcome::kQueued);
  EXPECT_FALSE(waiting[1]->done());

  ASSERT_EQ(*rig.queue.Purge({2, 3}), 2);
  rig.queue.Flush();
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("waits 1", "waits 2"));
  EXPECT_EQ(rig.ledger().waiting_count, 0);
  EXPECT_EQ(rig.ledger().waiting_bytes, 0);
}

TEST(DispatcherQueueFullTest, BlockKeepsTheOrderOfAKeyWhenTheBrokerComesBack) {
  RouterRig rig(Policy(FullPolicy::kBlock, 1));
  rig.Queue({"k", "1"});
  Call& waiting = rig.Publish({"k", "2"});
  Call& waiting_alone = rig.Publish({"l", "a"});
  rig.transport.Connect();
  Call& behind = rig.Publish({"k", "3"});
  Call& behind_alone = rig.Publish({"l", "b"});
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2", "a", "3", "b"));
  for (Call* call : {&waiting, &waiting_alone, &behind, &behind_alone}) {
    EXPECT_EQ(call->outcome(), Outcome::kQueued);
  }
}

TEST(DispatcherQueueFullTest, BlockGivesWhatWasInFlightItsTurn) {
  RouterRig rig(Policy(FullPolicy::kBlock, 1));
  rig.Queue({"j", "1"});
  rig.transport.Connect();
  Call& in_flight = rig.Publish({"k", "2"});
  Call& in_flight_too = rig.Publish({"k", "3"});
  rig.transport.Disconnect();
  EXPECT_EQ(rig.ledger().waiting_count, 2);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_EQ(in_flight.outcome(), Outcome::kQueued);
  EXPECT_EQ(in_flight_too.outcome(), Outcome::kQueued);
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2", "3"));
}

TEST(DispatcherQueueFullTest, BlockServesThoseBehindOneThatGaveUp) {
  RigOptions options = Policy(FullPolicy::kBlock, 1000);
  options.dispatcher.queue_bytes_max = 1000;
  RouterRig rig(options);
  rig.Queue({"j", std::string(500, 'x')});
  Call& big = rig.Publish({"k", std::string(600, 'x')}, absl::Seconds(1));
  Call& small = rig.Publish({"l", "small"});
  rig.queue.Flush();
  EXPECT_FALSE(small.done()) << "it passed the one before it";
  rig.clock.Advance(absl::Seconds(1));
  rig.dispatcher.Tick();
  rig.queue.Flush();
  EXPECT_EQ(big.outcome(), Outcome::kRejected);
  EXPECT_EQ(small.outcome(), Outcome::kQueued);
}

TEST(DispatcherQueueFullTest, BlockRejectsWhatNeverFits) {
  RigOptions options = Policy(FullPolicy::kBlock);
  options.dispatcher.queue_bytes_max = 1000;
  RouterRig rig(options);
  EXPECT_EQ(rig.Publish({"k", std::string(1000, 'x')}).outcome(), Outcome::kRejected);
  rig.Queue({"k", "fits"});
}

TEST(DispatcherQueueFullTest, BlockBoundsWhatWaits) {
  RigOptions options = Policy(FullPolicy::kBlock, 1);
  options.dispatcher.waiting_bytes_max = 200;
  RouterRig rig(options);
  rig.Queue({"k", "1"});
  Call& waits = rig.Publish({"k", "2"});
  Call& rejected = rig.Publish({"k", std::string(100, 'x')});
  EXPECT_FALSE(waits.done());
  EXPECT_EQ(rejected.outcome(), Outcome::kRejected);
  EXPECT_EQ(rejected.reason(), "PENDING_QUEUE_FULL");
}

TEST(DispatcherQueueFullTest, BlockDoesNotWaitInFailOpenMode) {
  RigOptions options = Policy(FullPolicy::kBlock, 1);
  RouterRig rig(options);
  rig.Queue({"k", "1"});
  rig.SetFailOpen(true);
  EXPECT_EQ(rig.Publish({"k", "2"}).outcome(), Outcome::kDropped);
}

TEST(DispatcherQueueFullTest, BlockAnswersWaitingCallersWhenTheRouterStops) {
  RouterRig rig(Policy(FullPolicy::kBlock, 1));
  rig.Queue({"k", "1"});
  Call& waiting = rig.Publish({"k", "2"});
  rig.dispatcher.StopAccepting();
  EXPECT_EQ(waiting.outcome(), Outcome::kRejected);
  EXPECT_EQ(waiting.reason(), "DRAINING");
  EXPECT_EQ(rig.ledger().waiting_count, 0);
  EXPECT_EQ(rig.ledger().waiting_bytes, 0);
}

TEST(DispatcherQueueFullTest, NobodyStartsToWaitForRoomWhileTheRouterStops) {
  RouterRig rig(Policy(FullPolicy::kBlock, 1));
  rig.Queue({"k", "1"});
  rig.transport.Connect();
  Call& in_flight = rig.Publish({"j", "2"});
  rig.dispatcher.StopAccepting();
  rig.transport.Disconnect();
  EXPECT_EQ(in_flight.outcome(), Outcome::kRejected);
}

TEST(DispatcherQueueFullTest, BlockServesTheNextWhenACommitFails) {
  RouterRig rig(Policy(FullPolicy::kBlock, 1));
  Call& failed = rig.Publish({"k", "1"});
  Call& waiting = rig.Publish({"k", "2"});
  rig.queue.FailNextAppend(absl::UnavailableError("fsync failed"));
  rig.queue.Flush();
  EXPECT_EQ(failed.outcome(), Outcome::kRejected);
  rig.queue.Flush();
  EXPECT_EQ(waiting.outcome(), Outcome::kQueued);
}

TEST(DispatcherQueueFullTest, DropOldestMakesRoom) {
  RouterRig rig(Policy(FullPolicy::kDropOldest));
  for (int i = 1; i <= 5; ++i) rig.Queue({"k", absl::StrCat(i)});
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("4", "5"));
  EXPECT_EQ(rig.ledger().queued_count, 2);
  EXPECT_EQ(rig.ledger().dropped_oldest, 3);
  EXPECT_EQ(rig.observer.dropped_oldest, 3);
  EXPECT_EQ(rig.ledger().Unaccounted(), 0);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("4", "5"));
  Call& direct = rig.Publish({"k", "6"});
  rig.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered) << "dropped messages still count as backlog";
}

TEST(DispatcherQueueFullTest, DropOldestLeavesWhatIsBeingDelivered) {
  RouterRig rig(Policy(FullPolicy::kDropOldest));
  rig.Queue({"k", "1"});
  rig.Queue({"k", "2"});
  rig.transport.Connect();
  rig.drainer.Step();
  rig.Queue({"k", "3"});
  EXPECT_EQ(rig.ledger().dropped_oldest, 1);  // The oldest that can be dropped.
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("1", "2"));
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2"));
}

}  // namespace
}  // namespace router
