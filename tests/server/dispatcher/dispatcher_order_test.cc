// Order per ordering key, through every change of path.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;

// Two keys that share a slot of KeyCounters.
std::string CollidingKey(const std::string& key) {
  constexpr uint64_t kSlotMask = (uint64_t{1} << 18) - 1;
  for (int i = 0;; ++i) {
    std::string other = absl::StrCat("other-", i);
    if (((HashOrderingKey(other) ^ HashOrderingKey(key)) & kSlotMask) == 0) return other;
  }
}

TEST(DispatcherOrderTest, HoldsThroughDirectQueuedDrainedAndDirectAgain) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"k", "1"});
  rig.transport.Pump();
  rig.transport.Disconnect();
  rig.Queue({"k", "2"});
  rig.Queue({"k", "3"});
  rig.transport.Connect();
  Call& behind = rig.Publish({"k", "4"});
  rig.queue.Flush();
  EXPECT_EQ(behind.outcome(), Outcome::kQueued);
  EXPECT_TRUE(rig.Drain());
  Call& direct = rig.Publish({"k", "5"});
  rig.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered);
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2", "3", "4", "5"));
}

TEST(DispatcherOrderTest, CallsHandedOverTogetherKeepTheirOrderAndEachGetsItsOwnAnswer) {
  RouterRig rig;
  rig.transport.Connect();
  const std::vector<Call*> calls = rig.PublishTogether({{"k", "1"}, {"l", "2"}, {"k", "3"}});
  EXPECT_EQ(rig.ledger().in_flight_count, 3);
  rig.transport.Pump();
  for (Call* call : calls) {
    EXPECT_EQ(call->outcome(), Outcome::kDelivered);
    EXPECT_EQ(call->done_count(), 1);
  }
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2", "3"));
  EXPECT_EQ(rig.ledger().taken, 3);
}

TEST(DispatcherOrderTest, KeyIsDirectAgainOnlyWhenItsLastQueuedMessageIsConfirmed) {
  RouterRig rig;
  rig.Queue({"k", "1"});
  rig.transport.Connect();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  Call& while_in_flight = rig.Publish({"k", "2"});
  rig.queue.Flush();
  EXPECT_EQ(while_in_flight.outcome(), Outcome::kQueued);
  rig.transport.Pump();
  Call& still_behind = rig.Publish({"k", "3"});
  EXPECT_EQ(rig.transport.unsettled_count(), 0);
  EXPECT_TRUE(rig.Drain());
  EXPECT_EQ(still_behind.outcome(), Outcome::kQueued);
  rig.Publish({"k", "4"});
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  rig.transport.Pump();
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2", "3", "4"));
}

TEST(DispatcherOrderTest, FullWindowGoesToTheQueueInOrderWhenItsEpochDies) {
  RigOptions options;
  options.transport.max_in_flight = 4;
  RouterRig rig(options);
  rig.transport.Connect();
  for (int i = 0; i < 10; ++i) rig.Publish({"k", absl::StrCat(i)});
  EXPECT_EQ(rig.ledger().in_flight_count, 4);
  EXPECT_EQ(rig.ledger().waiting_count, 6);
  rig.transport.Disconnect();
  rig.Publish({"k", "newer"});
  rig.queue.Flush();
  EXPECT_THAT(rig.QueuedPayloads(),
              ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "newer"));
  EXPECT_EQ(rig.ledger().waiting_count, 0);
  EXPECT_EQ(rig.ledger().waiting_bytes, 0);
  EXPECT_EQ(rig.ledger().in_flight_count, 0);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(),
              ElementsAre("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "newer"));
}

TEST(DispatcherOrderTest, MessagesOfDifferentKeysStayInOrderToo) {
  RouterRig rig;
  rig.transport.Connect();
  for (int i = 0; i < 6; ++i) rig.Publish({absl::StrCat("k", i % 2), absl::StrCat(i)});
  rig.transport.Disconnect();
  rig.queue.Flush();
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST(DispatcherOrderTest, LaterMessageWaitsUntilAllOlderOnesOfItsKeyAreSettled) {
  RouterRig rig;
  rig.transport.Connect();
  Call& first = rig.Publish({"k", "1"});
  Call& second = rig.Publish({"k", "2"});
  rig.transport.FailNext(Verdict::kInDoubt, FailureReason::kTimeout);
  rig.transport.ReleaseOne();
  // The first has to be queued, and the second may have to be: the third goes behind both.
  Call& third = rig.Publish({"k", "3"});
  Call& other = rig.Publish({"another", "other"});
  rig.queue.Flush();
  EXPECT_FALSE(third.done());
  rig.transport.Disconnect();
  rig.queue.Flush();
  for (Call* call : {&first, &second, &third, &other}) {
    EXPECT_EQ(call->outcome(), Outcome::kQueued);
  }
  std::vector<std::string> queued = rig.QueuedPayloads();
  queued.erase(std::remove(queued.begin(), queued.end(), "other"), queued.end());
  EXPECT_THAT(queued, ElementsAre("1", "2", "3"));
}

TEST(DispatcherOrderTest, HeldMessageIsQueuedWhenTheOlderOneIsDelivered) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"k", "1"});
  Call& second = rig.Publish({"k", "2"});
  rig.transport.FailNext(Verdict::kFailed, FailureReason::kNoResponders);
  rig.transport.ReleaseOne();
  Call& third = rig.Publish({"k", "3"});
  EXPECT_EQ(rig.ledger().waiting_count, 2);  // The first and the third.
  rig.transport.ReleaseOne();
  EXPECT_EQ(second.outcome(), Outcome::kDelivered);
  rig.queue.Flush();
  EXPECT_EQ(third.outcome(), Outcome::kQueued);
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("1", "3"));
  EXPECT_EQ(rig.ledger().waiting_count, 0);
}

TEST(DispatcherOrderTest, MessageThatFailsFirstGoesBehindTheOlderOneThatFailsLater) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"k", "1"});
  rig.Publish({"k", "2"}, absl::Seconds(1));  // Its attempt ends first.
  rig.clock.Advance(absl::Milliseconds(800));
  EXPECT_EQ(rig.transport.ExpireUntil(rig.clock.SteadyNow()), 1);
  rig.queue.Flush();
  rig.transport.Disconnect();
  rig.queue.Flush();
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("1", "2"));
}

TEST(DispatcherOrderTest, PausingDoesNotLetNewMessagesPassThoseInFlight) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"k", "1"});
  rig.dispatcher.PauseDelivery();
  Call& second = rig.Publish({"k", "2"});
  rig.queue.Flush();
  EXPECT_FALSE(second.done());
  rig.transport.Disconnect();
  rig.queue.Flush();
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("1", "2"));
}

TEST(DispatcherOrderTest, PausingQueuesWhatWaitsForTheWindow) {
  RigOptions options;
  options.transport.max_in_flight = 1;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"j", "in flight"});
  Call& waiting = rig.Publish({"k", "1"});
  rig.dispatcher.PauseDelivery();
  rig.Publish({"k", "2"});
  rig.queue.Flush();
  EXPECT_EQ(waiting.outcome(), Outcome::kQueued);
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("1", "2"));
}

TEST(DispatcherOrderTest, WaitingMessageWithTheShorterDeadlineDoesNotPassAnOlderOne) {
  RigOptions options;
  options.transport.max_in_flight = 1;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"j", "in flight"});
  rig.Publish({"k", "1"});
  Call& hurried = rig.Publish({"k", "2"}, absl::Seconds(1));
  rig.clock.Advance(absl::Milliseconds(800));
  rig.dispatcher.Tick();
  rig.queue.Flush();
  EXPECT_FALSE(hurried.done());
  rig.transport.Disconnect();
  rig.queue.Flush();
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("in flight", "1", "2"));
}

TEST(DispatcherOrderTest, WaitingMessagesOfAKeyThatGotABacklogGoBehindIt) {
  RigOptions options;
  options.transport.max_in_flight = 4;
  RouterRig rig(options);
  rig.transport.Connect();
  for (int i = 0; i < 4; ++i) rig.Publish({i == 0 ? "k" : "j", absl::StrCat(i)});
  Call& waiting = rig.Publish({"k", "4"});
  Call& waiting_too = rig.Publish({"k", "5"});
  rig.transport.FailNext(Verdict::kInDoubt, FailureReason::kTimeout);
  rig.transport.ReleaseAll();
  rig.queue.Flush();
  EXPECT_EQ(waiting.outcome(), Outcome::kQueued);
  EXPECT_EQ(waiting_too.outcome(), Outcome::kQueued);
  EXPECT_TRUE(waiting.operation().behind_backlog);
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("0", "4", "5"));
}

TEST(DispatcherOrderTest, QuickReconnectInTheMiddleOfADrainKeepsTheOrder) {
  RouterRig rig;
  for (int i = 0; i < 5; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 5);
  rig.transport.ReleaseOne();
  rig.transport.Disconnect();
  rig.transport.Connect();
  rig.Publish({"k", "5"});
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST(DispatcherOrderTest, RefusesToRedeliverForAnEpochThatIsOver) {
  RouterRig rig;
  rig.transport.Connect();
  const uint64_t epoch = rig.dispatcher.epoch();
  EXPECT_EQ(epoch, 1u);
  OperationPool pool;
  Operation* const operation = pool.Make({});
  rig.transport.Disconnect();
  EXPECT_EQ(rig.dispatcher.epoch(), 0u);
  EXPECT_FALSE(rig.dispatcher.Redeliver({operation}, epoch, 0));
  rig.transport.Connect();
  EXPECT_EQ(rig.dispatcher.epoch(), 2u);
  EXPECT_FALSE(rig.dispatcher.Redeliver({operation}, epoch, 0));
  EXPECT_FALSE(rig.dispatcher.Redeliver({operation}, 0, 0));
  rig.dispatcher.PauseDelivery();
  EXPECT_FALSE(rig.dispatcher.Redeliver({operation}, 2, 0));
  EXPECT_EQ(rig.ledger().in_flight_count, 0);
}

TEST(DispatcherOrderTest, KeysThatShareASlotOnlyQueue) {
  const std::string key = "k";
  const std::string colliding = CollidingKey(key);
  RouterRig rig;
  rig.Queue({key, "1"});
  rig.transport.Connect();
  Call& call = rig.Publish({colliding, "2"});
  rig.queue.Flush();
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2"));
  rig.Publish({colliding, "3"});
  rig.Publish({key, "4"});
  rig.transport.Pump();
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2", "3", "4"));
}

TEST(DispatcherOrderTest, OrderingKeyOrdersAcrossSubjects) {
  RouterRig rig;
  MessageSpec first = {"a", "1"};
  MessageSpec second = {"b", "2"};
  first.ordering_key = second.ordering_key = "customer-7";
  rig.Queue(first);
  rig.transport.Connect();
  Call& call = rig.Publish(second);
  EXPECT_TRUE(rig.Drain());
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2"));
}

}  // namespace
}  // namespace router
