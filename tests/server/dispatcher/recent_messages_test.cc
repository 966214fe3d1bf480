#include "server/dispatcher/recent_messages.h"

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using Relation = RecentMessages::Relation;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr SteadyTime kStart = SteadyTime(std::chrono::hours(1));

struct TestOperation : Operation {
  explicit TestOperation(const char* id, const char* payload = "payload") {
    message.message_id = id;
    message.payload = payload;
    message.subject = ordering_key = "subject";
    Hash();
  }

  // Again, where the content has been changed.
  void Hash() { content_hash = HashContent(message, ordering_key); }
};

class RecentMessagesTest : public ::testing::Test {
 protected:
  static RecentMessages::Options Options() { return {absl::Minutes(1), 3}; }

  Relation Admit(Operation* operation, SteadyTime now = kStart) {
    return recent_.Admit(operation, now, &known_);
  }
  std::vector<Operation*> Settle(Operation* operation, Outcome outcome, SteadyTime now = kStart) {
    operation->outcome = outcome;
    return recent_.Settle(*operation, now);
  }

  static RecoveredId RecoveredOf(const Operation& operation, uint64_t sequence) {
    return {sequence, HashMessageId(operation.message.message_id), operation.content_hash};
  }

  RecentMessages recent_{Options()};
  RecentMessages::Known known_;
};

TEST_F(RecentMessagesTest, WaitsForTheFirstAndComesBackWithIt) {
  TestOperation first("id"), second("id"), third("id");
  EXPECT_EQ(Admit(&first), Relation::kNew);
  EXPECT_EQ(Admit(&second), Relation::kSame);
  EXPECT_EQ(known_.outcome, Outcome::kUnanswered);
  EXPECT_EQ(Admit(&third), Relation::kSame);
  first.stream = "stream";
  first.sequence = 7;
  EXPECT_THAT(Settle(&first, Outcome::kDelivered), ElementsAre(&second, &third));
  EXPECT_EQ(Admit(&second), Relation::kSame);
  EXPECT_EQ(known_.outcome, Outcome::kDelivered);
  EXPECT_EQ(known_.stream, "stream");
  EXPECT_EQ(known_.sequence, 7u);
}

TEST_F(RecentMessagesTest, EveryPartOfTheContentCounts) {
  TestOperation first("id");
  const Header header = {"key", "value"};
  const Header other_header = {"key", "other value"};
  first.message.headers = absl::MakeConstSpan(&header, 1);
  first.Hash();
  ASSERT_EQ(Admit(&first), Relation::kNew);

  const auto expect_conflict = [&](void (*change)(Operation*)) {
    TestOperation other("id");
    other.message.headers = first.message.headers;
    change(&other);
    other.Hash();
    EXPECT_EQ(Admit(&other), Relation::kConflict);
  };
  expect_conflict([](Operation* o) { o->message.payload = "other"; });
  expect_conflict([](Operation* o) { o->message.subject = "other"; });
  expect_conflict([](Operation* o) { o->ordering_key = "other"; });
  expect_conflict([](Operation* o) { o->message.guarantee = Guarantee::kReceived; });
  expect_conflict([](Operation* o) { o->message.headers = {}; });
  TestOperation changed_header("id");
  changed_header.message.headers = absl::MakeConstSpan(&other_header, 1);
  changed_header.Hash();
  EXPECT_EQ(Admit(&changed_header), Relation::kConflict);
}

TEST_F(RecentMessagesTest, OrderOfHeadersDoesNotCount) {
  const Header headers[] = {{"a", "1"}, {"b", "2"}};
  const Header reversed[] = {{"b", "2"}, {"a", "1"}};
  TestOperation first("id"), second("id");
  first.message.headers = headers;
  second.message.headers = reversed;
  first.Hash();
  second.Hash();
  EXPECT_EQ(Admit(&first), Relation::kNew);
  EXPECT_EQ(Admit(&second), Relation::kSame);
}

TEST_F(RecentMessagesTest, ForgetsWhatWasNotAccepted) {
  for (const Outcome outcome : {Outcome::kRejected, Outcome::kDropped}) {
    TestOperation first("id"), second("id", "other");
    EXPECT_EQ(Admit(&first), Relation::kNew);
    Settle(&first, outcome);
    EXPECT_EQ(Admit(&second), Relation::kNew);
    Settle(&second, outcome);
  }
}

TEST_F(RecentMessagesTest, LaterDeliveryReplacesQueued) {
  TestOperation first("id");
  first.operation_id = 5;
  Admit(&first);
  Settle(&first, Outcome::kQueued);
  Admit(&first);
  EXPECT_EQ(known_.outcome, Outcome::kQueued);
  EXPECT_EQ(known_.operation_id, 5u);
  first.sequence = 9;
  Settle(&first, Outcome::kDelivered);
  Admit(&first);
  EXPECT_EQ(known_.outcome, Outcome::kDelivered);
  EXPECT_EQ(known_.sequence, 9u);
  recent_.Forget(5);  // It is not queued any more.
  EXPECT_EQ(Admit(&first), Relation::kSame);
}

TEST_F(RecentMessagesTest, ForgetsAQueuedOneThatLeftTheQueueUndelivered) {
  TestOperation first("id"), second("id", "other");
  first.operation_id = 5;
  Admit(&first);
  Settle(&first, Outcome::kQueued);
  recent_.Forget(6);
  EXPECT_EQ(Admit(&second), Relation::kConflict);
  recent_.Forget(5);
  EXPECT_EQ(Admit(&second), Relation::kNew);
}

TEST_F(RecentMessagesTest, WindowBeginsAnewWithEveryChange) {
  TestOperation first("id"), other("id", "other");
  first.operation_id = 5;
  Admit(&first);
  Settle(&first, Outcome::kQueued, kStart);
  Settle(&first, Outcome::kDelivered, kStart + std::chrono::seconds(50));
  EXPECT_EQ(Admit(&other, kStart + std::chrono::seconds(110)), Relation::kConflict);
  EXPECT_EQ(Admit(&other, kStart + std::chrono::seconds(111)), Relation::kNew);
}

TEST_F(RecentMessagesTest, KnowsAQueuedOneAsLongAsItIsQueued) {
  TestOperation first("id"), other("id", "other");
  first.operation_id = 5;
  Admit(&first);
  Settle(&first, Outcome::kQueued, kStart);
  EXPECT_EQ(Admit(&other, kStart + std::chrono::hours(10)), Relation::kConflict);
}

TEST_F(RecentMessagesTest, ForgetsTheOldestQueuedBeyondItsBound) {
  const char* const ids[] = {"0", "1", "2", "3"};
  uint64_t operation_id = 1;
  for (const char* id : ids) {
    TestOperation operation(id);
    operation.operation_id = operation_id++;
    EXPECT_EQ(Admit(&operation), Relation::kNew);
    Settle(&operation, Outcome::kQueued);
  }
  TestOperation second("1"), first("0");
  EXPECT_EQ(Admit(&second), Relation::kSame);
  EXPECT_EQ(Admit(&first), Relation::kNew);
}

TEST_F(RecentMessagesTest, KnowsWhatAnEarlierRunHasQueued) {
  TestOperation first("first"), second("second"), other("first", "other");
  recent_.Recover({RecoveredOf(first, 7), RecoveredOf(second, 8)});
  EXPECT_EQ(Admit(&first), Relation::kSame);
  EXPECT_EQ(known_.outcome, Outcome::kQueued);
  EXPECT_EQ(known_.operation_id, 7u);
  EXPECT_EQ(Admit(&other), Relation::kConflict);
  EXPECT_EQ(Admit(&second), Relation::kSame);
  EXPECT_EQ(known_.operation_id, 8u);
  recent_.Forget(7);
  EXPECT_EQ(Admit(&other), Relation::kNew);
}

TEST_F(RecentMessagesTest, KnowsTheDeliveryOfWhatAnEarlierRunHasQueued) {
  TestOperation first("id"), again("id");
  recent_.Recover({RecoveredOf(first, 7)});
  first.content_hash = 0;  // One that comes from the queue has none.
  first.operation_id = 7;
  first.sequence = 9;
  Settle(&first, Outcome::kDelivered);
  EXPECT_EQ(Admit(&again), Relation::kSame);
  EXPECT_EQ(known_.outcome, Outcome::kDelivered);
  EXPECT_EQ(known_.sequence, 9u);
  EXPECT_EQ(Admit(&again, kStart + std::chrono::seconds(61)), Relation::kNew);
}

TEST_F(RecentMessagesTest, OfRecoveredOnesWithTheSameIdTheFirstCounts) {
  TestOperation first("id"), second("id", "other");
  recent_.Recover({RecoveredOf(first, 7), RecoveredOf(second, 8)});
  recent_.Forget(8);
  EXPECT_EQ(Admit(&first), Relation::kSame);
  EXPECT_EQ(known_.operation_id, 7u);
  EXPECT_EQ(Admit(&second), Relation::kConflict);
}

TEST_F(RecentMessagesTest, OfTooManyRecoveredOnesTheOldestAreForgotten) {
  TestOperation operations[] = {TestOperation("0"), TestOperation("1"), TestOperation("2"),
                                TestOperation("3")};
  std::vector<RecoveredId> ids;
  for (uint64_t i = 0; i < 4; ++i) ids.push_back(RecoveredOf(operations[i], i + 1));
  recent_.Recover(ids);
  EXPECT_EQ(Admit(&operations[0]), Relation::kNew);
  EXPECT_EQ(Admit(&operations[1]), Relation::kSame);
}

TEST_F(RecentMessagesTest, NeverForgetsWhatIsNotSettled) {
  TestOperation first("id"), second("id");
  Admit(&first);
  EXPECT_EQ(Admit(&second, kStart + std::chrono::hours(10)), Relation::kSame);
}

TEST_F(RecentMessagesTest, ForgetsTheOldestBeyondItsBound) {
  const char* const ids[] = {"0", "1", "2", "3"};
  for (const char* id : ids) {
    TestOperation operation(id);
    EXPECT_EQ(Admit(&operation), Relation::kNew);
    Settle(&operation, Outcome::kDelivered);
  }
  TestOperation second("1"), first("0");
  EXPECT_EQ(Admit(&second), Relation::kSame);
  EXPECT_EQ(Admit(&first), Relation::kNew);
}

TEST_F(RecentMessagesTest, SettlingAnUnknownIdIsIgnored) {
  TestOperation operation("id");
  EXPECT_THAT(Settle(&operation, Outcome::kDelivered), IsEmpty());
  EXPECT_EQ(Admit(&operation), Relation::kNew);
}

}  // namespace
}  // namespace router
