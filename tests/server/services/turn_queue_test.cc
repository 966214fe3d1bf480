#include "server/services/turn_queue.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <grpcpp/grpcpp.h>

#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/services/call_queue.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

constexpr absl::Duration kDeadline = absl::Seconds(20);

using ClientPtr = std::shared_ptr<ClientLimits::Client>;

// Runs a function once on the thread of a queue.
class Task final : public CompletionTag {
 public:
  explicit Task(std::function<void()> run) : run_(std::move(run)) {}
  void Complete(bool) override {
    run_();
    done_.Notify();
  }
  bool Wait() { return done_.WaitForNotificationWithTimeout(kDeadline); }

 private:
  const std::function<void()> run_;
  absl::Notification done_;
};

// Messages with a name that do what they are told when it is their turn.
class TestMessages final : public LimitedMessages {
 public:
  TestMessages(std::string name, std::vector<std::string>* turns)
      : name_(std::move(name)), turns_(turns) {}

  void WhenItIsTheirTurn(std::function<void()> then) { then_ = std::move(then); }
  bool had_turn() const { return had_turn_.HasBeenNotified(); }
  bool WaitForTurn() const { return had_turn_.WaitForNotificationWithTimeout(kDeadline); }

 private:
  void OnTurn() override {
    turns_->push_back(name_);
    if (then_) then_();
    had_turn_.Notify();  // Aborts if there is a second one.
  }

  const std::string name_;
  std::vector<std::string>* const turns_;
  std::function<void()> then_;
  absl::Notification had_turn_;
};

class TurnQueueTest : public ::testing::Test {
 protected:
  // In hand: 1000 bytes of all clients, 600 bytes and 10 messages of one. On the way, where there
  // are two: one message of each.
  static ClientLimits::Limits TightLimits() { return {1000, 600, 10, 100000, 2, 0}; }

  TurnQueueTest() {
    grpc::ServerBuilder builder;
    calls_ = std::make_unique<CallQueue>(builder.AddCompletionQueue());
    server_ = builder.BuildAndStart();
    turns_ = std::make_unique<TurnQueue>(&limits_, calls_.get());
    calls_->Start();
    // That there are two clients that publish.
    EXPECT_TRUE(*limits_.Enter(b_.get(), {1, 1}, false));
  }
  ~TurnQueueTest() override {
    limits_.Leave(b_.get(), {1, 1}, /*has_turn=*/true);
    EXPECT_EQ(limits_.in_flight_bytes(), 0);
    server_->Shutdown();
    calls_->Shutdown();
    turns_.reset();
  }

  // Does it on the queue's thread, and waits for it.
  void Run(std::function<void()> function) {
    Task task(std::move(function));
    calls_->Post(&task);
    ASSERT_TRUE(task.Wait());
  }

  // For the queue's thread: enters, and waits where that is necessary. Whether it is not.
  bool Enter(TestMessages* messages, const ClientPtr& client, ClientLimits::Amount amount) {
    const absl::StatusOr<bool> entered = turns_->Enter(messages, client, amount);
    if (entered.ok() && *entered) return true;
    if (!entered.ok()) refusals_.push_back(error::ReasonOf(entered.status()));
    turns_->Wait(messages);
    return false;
  }

  std::unique_ptr<TestMessages> Make(std::string name) {
    return std::make_unique<TestMessages>(std::move(name), &order_);
  }

  // Once all events that are there have been handled, and some more time has passed in which the
  // alarm has gone off: `messages` of another client get in then.
  void WaitForAlarm() {
    const ClientPtr client = limits_.Find("alarm");
    EXPECT_TRUE(*limits_.Enter(client.get(), {1, 0}, false));
    auto second = Make("");
    Run([&] { EXPECT_FALSE(Enter(second.get(), client, {1, 0})); });
    limits_.Leave(client.get(), {1, 0}, /*has_turn=*/true);  // Only the alarm notices.
    ASSERT_TRUE(second->WaitForTurn());
    Run([&] { turns_->Leave(second.get()); });
  }

  std::vector<std::string> order_;  // In which they had their turns.
  std::vector<std::string> refusals_;
  FakeClock clock_;
  LogCapture capture_;
  Logger log_{{}, &clock_, capture_.AsSink()};
  Metrics metrics_{"test", "test"};
  ClientLimits limits_{TightLimits(), &clock_, &log_, &metrics_};
  const ClientPtr a_ = limits_.Find("a");
  const ClientPtr b_ = limits_.Find("b");
  std::unique_ptr<CallQueue> calls_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<TurnQueue> turns_;
};

TEST_F(TurnQueueTest, TurnsOfAClientComeInTheirOrder) {
  auto first = Make("first");
  std::vector<std::unique_ptr<TestMessages>> others;
  for (int i = 0; i < 9; ++i) others.push_back(Make(std::to_string(i)));
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 10}));
    for (auto& other : others) EXPECT_FALSE(Enter(other.get(), a_, {1, 10}));
    EXPECT_TRUE(order_.empty());
    turns_->Leave(first.get());
    EXPECT_TRUE(order_.empty()) << "not while somebody leaves";
  });
  for (auto& other : others) {
    ASSERT_TRUE(other->WaitForTurn());
    Run([&] { turns_->Leave(other.get()); });
  }
  EXPECT_EQ(order_, std::vector<std::string>({"0", "1", "2", "3", "4", "5", "6", "7", "8"}));
}

TEST_F(TurnQueueTest, AClientThatWaitsHoldsUpNoOther) {
  const ClientPtr c = limits_.Find("c");
  auto first = Make("first");
  auto second = Make("second");
  auto other = Make("other");
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 10}));
    EXPECT_FALSE(Enter(second.get(), a_, {1, 10}));
    EXPECT_TRUE(Enter(other.get(), c, {1, 10}));
    turns_->Leave(other.get());
  });
  WaitForAlarm();
  EXPECT_FALSE(second->had_turn());
  Run([&] { turns_->Leave(first.get()); });
  ASSERT_TRUE(second->WaitForTurn());
  Run([&] { turns_->Leave(second.get()); });
}

TEST_F(TurnQueueTest, RefusedOnesGetInWhenThereIsRoom) {
  auto large = Make("large");
  auto refused = Make("refused");
  Run([&] {
    EXPECT_TRUE(Enter(large.get(), a_, {1, 600}));
    EXPECT_FALSE(Enter(refused.get(), a_, {1, 1}));
  });
  EXPECT_EQ(refusals_, std::vector<std::string>({"CLIENT_IN_FLIGHT_LIMIT"}));
  EXPECT_EQ(limits_.in_flight_bytes(), 601);  // With the one of the other client.
  WaitForAlarm();
  EXPECT_FALSE(refused->had_turn());
  // Counted and logged when it was refused, not each time it is tried again.
  EXPECT_EQ(metrics_.limits_exceeded.client_max_in_flight_bytes.Value(), 1);
  EXPECT_EQ(capture_.Events("CLIENT_LIMITED").size(), 1);
  Run([&] { turns_->Leave(large.get()); });
  ASSERT_TRUE(refused->WaitForTurn());
  Run([&] { turns_->Leave(refused.get()); });
}

// The refused one needs all the room that the others have, who were let in and have no turn yet.
TEST_F(TurnQueueTest, OnesThatWereLetInDoNotWaitForARefusedOneBeforeThem) {
  auto first = Make("first");
  auto refused = Make("refused");
  std::vector<std::unique_ptr<TestMessages>> others;
  for (int i = 0; i < 5; ++i) others.push_back(Make(std::to_string(i)));
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 100}));
    EXPECT_FALSE(Enter(refused.get(), a_, {9, 600}));
    for (auto& other : others) EXPECT_FALSE(Enter(other.get(), a_, {1, 100}));
  });
  EXPECT_EQ(refusals_.size(), 1u);
  EXPECT_EQ(limits_.in_flight_bytes(), 601);
  Run([&] { turns_->Leave(first.get()); });
  for (auto& other : others) {
    ASSERT_TRUE(other->WaitForTurn());
    EXPECT_FALSE(refused->had_turn());
    Run([&] { turns_->Leave(other.get()); });
  }
  ASSERT_TRUE(refused->WaitForTurn());
  Run([&] { turns_->Leave(refused.get()); });
}

TEST_F(TurnQueueTest, AnswersThatAreNotTakenLetTheNextOnesGoAndKeepOthersOut) {
  auto first = Make("first");
  auto second = Make("second");
  auto refused = Make("refused");
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 100}));
    EXPECT_FALSE(Enter(second.get(), a_, {9, 100}));
    EXPECT_FALSE(Enter(refused.get(), a_, {1, 1}));
    turns_->EndTurn(first.get());
  });
  ASSERT_TRUE(second->WaitForTurn());
  Run([&] { turns_->EndTurn(second.get()); });
  WaitForAlarm();
  EXPECT_FALSE(refused->had_turn());
  Run([&] { turns_->Leave(a_.get(), 10); });
  ASSERT_TRUE(refused->WaitForTurn());
  Run([&] { turns_->Leave(refused.get()); });
}

TEST_F(TurnQueueTest, RefusedOnesThatWaitHaveNoMoreBytesThanTheirClientMayHave) {
  auto large = Make("large");
  auto refused = Make("refused");
  auto too_many = Make("too many");
  Run([&] {
    EXPECT_TRUE(Enter(large.get(), a_, {1, 600}));
    EXPECT_FALSE(turns_->Enter(refused.get(), a_, {1, 599}).ok());
    EXPECT_TRUE(turns_->MayWait(*refused));
    turns_->Wait(refused.get());
    EXPECT_FALSE(turns_->Enter(too_many.get(), a_, {1, 2}).ok());
    EXPECT_FALSE(turns_->MayWait(*too_many));
    EXPECT_FALSE(turns_->Enter(too_many.get(), a_, {1, 1}).ok());
    EXPECT_TRUE(turns_->MayWait(*too_many));
    turns_->Leave(refused.get());
    EXPECT_FALSE(turns_->Enter(too_many.get(), a_, {1, 600}).ok());
    EXPECT_TRUE(turns_->MayWait(*too_many)) << "as large as it is, as the only one";
    turns_->Leave(large.get());
  });
}

TEST_F(TurnQueueTest, WhoLeavesWhileItWaitsIsForgotten) {
  auto first = Make("first");
  auto gone = Make("gone");
  auto refused = Make("refused");
  auto last = Make("last");
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 100}));
    EXPECT_FALSE(Enter(gone.get(), a_, {1, 100}));
    EXPECT_FALSE(Enter(refused.get(), a_, {1, 601}));
    EXPECT_FALSE(Enter(last.get(), a_, {1, 100}));
    turns_->Leave(gone.get());
    turns_->Leave(refused.get());
    gone.reset();
    refused.reset();
  });
  EXPECT_EQ(limits_.in_flight_bytes(), 201);
  Run([&] { turns_->Leave(first.get()); });
  ASSERT_TRUE(last->WaitForTurn());
  EXPECT_EQ(order_, std::vector<std::string>({"last"}));
  Run([&] {
    turns_->Leave(last.get());
    // Nobody waits who would keep it from beginning at once.
    EXPECT_TRUE(Enter(first.get(), a_, {1, 100}));
    turns_->Leave(first.get());
  });
}

TEST_F(TurnQueueTest, AClientWhoseOnlyMessagesLeaveMayBeForgotten) {
  auto messages = Make("");
  auto gone = Make("gone");
  Run([&] {
    ClientPtr c = limits_.Find("c");
    EXPECT_TRUE(Enter(messages.get(), c, {1, 600}));
    EXPECT_FALSE(Enter(gone.get(), c, {1, 1}));
    c.reset();
    turns_->Leave(gone.get());
    turns_->Leave(messages.get());
    gone.reset();
    messages.reset();
    clock_.Advance(ClientLimits::kActiveTime);
    limits_.Sweep();
    EXPECT_EQ(limits_.client_count(), 2u);
  });
  WaitForAlarm();
  EXPECT_TRUE(order_.size() == 1u) << "the one of WaitForAlarm";
}

TEST_F(TurnQueueTest, StopLetsAllGo) {
  std::vector<std::unique_ptr<TestMessages>> waiting;
  for (int i = 0; i < 20; ++i) waiting.push_back(Make(std::to_string(i)));
  auto first = Make("first");
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 1}));
    for (auto& messages : waiting) EXPECT_FALSE(Enter(messages.get(), a_, {1, 1}));
  });
  EXPECT_EQ(refusals_.size(), 11u);
  limits_.Stop();
  for (auto& messages : waiting) ASSERT_TRUE(messages->WaitForTurn());
  Run([&] {
    turns_->Leave(first.get());
    for (auto& messages : waiting) turns_->Leave(messages.get());
  });
}

// Each of them is answered while it has its turn, as the dispatcher does with what it rejects.
TEST_F(TurnQueueTest, ManyThatAreAnsweredAtOnceTakeNoDepth) {
  constexpr int kMany = 10000;
  limits_.Set({1 << 20, 1 << 20, kMany + 1, 1 << 20, 2, 0});
  auto first = Make("first");
  int depth = 0;
  int depth_max = 0;
  std::vector<std::unique_ptr<TestMessages>> waiting;
  for (int i = 0; i < kMany; ++i) {
    waiting.push_back(Make(std::to_string(i)));
    waiting.back()->WhenItIsTheirTurn([&, messages = waiting.back().get()] {
      depth_max = std::max(depth_max, ++depth);
      turns_->Leave(messages);
      --depth;
    });
  }
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 1}));
    for (auto& messages : waiting) EXPECT_FALSE(Enter(messages.get(), a_, {1, 1}));
    turns_->Leave(first.get());
  });
  ASSERT_TRUE(waiting.back()->WaitForTurn());
  Run([&] {
    EXPECT_EQ(order_.size(), static_cast<size_t>(kMany));
    EXPECT_EQ(order_.front(), "0");
    EXPECT_EQ(order_.back(), std::to_string(kMany - 1));
    EXPECT_EQ(depth_max, 1);
  });
}

TEST_F(TurnQueueTest, RaisedLimitsAreNoticed) {
  auto first = Make("first");
  auto waiting = Make("waiting");
  auto refused = Make("refused");
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {1, 600}));
    EXPECT_FALSE(Enter(waiting.get(), limits_.Find("b"), {1, 1}));
    EXPECT_FALSE(Enter(refused.get(), a_, {1, 1}));
  });
  ClientLimits::Limits more = TightLimits();
  more.client_in_flight_bytes_max = 601;
  more.shared_messages_max = 4;
  limits_.Set(more);
  ASSERT_TRUE(waiting->WaitForTurn());
  ASSERT_TRUE(refused->WaitForTurn());
  Run([&] {
    for (auto* messages : {first.get(), waiting.get(), refused.get()}) turns_->Leave(messages);
  });
}

TEST_F(TurnQueueTest, AnotherClientThatStopsPublishingIsNoticed) {
  auto first = Make("first");
  auto waiting = Make("waiting");
  auto of_other = Make("of_other");
  const ClientPtr c = limits_.Find("c");
  limits_.Leave(b_.get(), {1, 1}, /*has_turn=*/true);
  Run([&] {
    EXPECT_TRUE(Enter(of_other.get(), c, {1, 1}));
    EXPECT_TRUE(Enter(first.get(), a_, {1, 1}));
    EXPECT_FALSE(Enter(waiting.get(), a_, {1, 1}));
    turns_->Leave(of_other.get());
  });
  clock_.Advance(ClientLimits::kActiveTime);
  limits_.Sweep();
  ASSERT_TRUE(waiting->WaitForTurn());
  Run([&] {
    turns_->Leave(first.get());
    turns_->Leave(waiting.get());
  });
  EXPECT_TRUE(*limits_.Enter(b_.get(), {1, 1}, false));
}

TEST_F(TurnQueueTest, AnswersOfOtherThreadsAreNoticed) { WaitForAlarm(); }

TEST_F(TurnQueueTest, ARefusedOneWaitsForTheRate) {
  ClientLimits::Limits limits = TightLimits();
  limits.client_messages_per_second = 5;
  limits_.Set(limits);
  auto first = Make("first");
  auto refused = Make("refused");
  Run([&] {
    EXPECT_TRUE(Enter(first.get(), a_, {10, 1}));
    turns_->Leave(first.get());
    EXPECT_FALSE(Enter(refused.get(), a_, {1, 1}));
  });
  EXPECT_EQ(refusals_, std::vector<std::string>({"CLIENT_RATE_LIMIT"}));
  WaitForAlarm();
  EXPECT_FALSE(refused->had_turn());
  clock_.Advance(absl::Seconds(1.1));
  ASSERT_TRUE(refused->WaitForTurn());
  Run([&] { turns_->Leave(refused.get()); });
}

// What was in a queue before may be in it again, as a call handler's and a frame's messages are.
TEST_F(TurnQueueTest, MessagesMayBeUsedAgain) {
  auto first = Make("first");
  auto second = Make("second");
  Run([&] {
    for (int i = 0; i < 3; ++i) {
      EXPECT_TRUE(Enter(first.get(), a_, {1, 600}));
      EXPECT_FALSE(Enter(second.get(), a_, {1, 1}));
      turns_->Leave(second.get());
      turns_->Leave(second.get());  // Once more changes nothing.
      turns_->Leave(first.get());
    }
  });
  WaitForAlarm();
  EXPECT_FALSE(second->had_turn());
}

}  // namespace
}  // namespace router
