// What every PendingQueue promises, as tests. A test file of an implementation includes this and
// instantiates PendingQueueContract with a function that makes its subject.
#ifndef ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_CONTRACT_H_
#define ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_CONTRACT_H_

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/pending/pending_queue.h"
#include "tests/server/pending/pending_queue_contract_fixture.h"
#include "tests/server/pending/pending_queue_dead_letter_contract.h"
#include "tests/server/pending/pending_queue_lifecycle_contract.h"
#include "tests/server/pending/pending_queue_sent_contract.h"
#include "tests/server/pending/pending_testing.h"

namespace router {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(PendingQueueContract, StartsEmpty) {
  EXPECT_THAT(recovered_.records, IsEmpty());
  EXPECT_EQ(recovered_.dead_letters, 0);
  EXPECT_THAT(Scan(), IsEmpty());
  EXPECT_THAT(Claim(0), IsEmpty());
  const PendingQueueStats stats = queue_->GetStats();
  EXPECT_EQ(stats.count, 0);
  EXPECT_EQ(stats.bytes, 0);
  EXPECT_EQ(stats.oldest_accept_time, absl::InfiniteFuture());
  EXPECT_TRUE(stats.healthy);
}

TEST_P(PendingQueueContract, GivesContiguousSequencesFromOneInTheOrderOfAppend) {
  const std::vector<Operation*> operations = pool_.MakeMany(500);
  for (Operation* operation : operations) queue_->Append({operation});
  const auto answers = observer_.WaitForAnswers(operations.size());
  ASSERT_EQ(answers.size(), operations.size());
  for (size_t i = 0; i < answers.size(); ++i) {
    EXPECT_EQ(answers[i].operation, operations[i]);
    EXPECT_TRUE(answers[i].status.ok());
    EXPECT_EQ(answers[i].operation_id, i + 1);
  }
  const std::vector<PendingRecord> records = Scan();
  ASSERT_EQ(records.size(), operations.size());
  for (size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(records[i].sequence, i + 1);
    EXPECT_EQ(records[i].payload, operations[i]->message.payload);
  }
}

TEST_P(PendingQueueContract, KeepsTheOrderOfEachThread) {
  constexpr int kThreads = 4;
  constexpr int kEach = 200;
  std::vector<std::vector<Operation*>> operations;
  for (int i = 0; i < kThreads; ++i)
    operations.push_back(pool_.MakeMany(kEach, "s" + std::to_string(i)));
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      for (Operation* operation : operations[i]) queue_->Append({operation});
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(observer_.WaitForAnswers(kThreads * kEach).size(), size_t{kThreads * kEach});
  std::vector<int> next(kThreads, 0);
  for (const PendingRecord& record : Scan()) {
    const int thread = record.subject[1] - '0';
    EXPECT_EQ(record.payload, std::to_string(next[thread]++));
  }
  EXPECT_THAT(next, ElementsAre(kEach, kEach, kEach, kEach));
}

TEST_P(PendingQueueContract, AnAnsweredAppendIsThere) {
  class ScanWhenAnswered : public RecordingObserver {
   public:
    void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override {
      count_when_answered = queue->GetStats().count;
      RecordingObserver::OnAppended(operations, status);
    }
    PendingQueue* queue = nullptr;
    int64_t count_when_answered = -1;
  };
  const std::unique_ptr<PendingQueueSubject> subject = GetParam()();
  ScanWhenAnswered observer;
  const std::unique_ptr<PendingQueue> queue = subject->NewQueue();
  observer.queue = queue.get();
  ASSERT_TRUE(queue->Open(&observer).ok());
  queue->Append(pool_.MakeMany(7));
  ASSERT_EQ(observer.WaitForAnswers(7).size(), 7u);
  EXPECT_EQ(observer.count_when_answered, 7);
}

TEST_P(PendingQueueContract, GivesBackEveryField) {
  OperationSpec spec;
  spec.subject = "a.b";
  spec.payload = std::string("\0\x01\xff binary \0", 12);
  spec.headers = {{"Key", std::string("v\0\xff", 3)}, {"Key", ""}, {"Other", "x"}};
  spec.message_id = "message-1";
  spec.caller_chose_id = true;
  spec.ordering_key = std::string("key\0with zero", 13);
  spec.guarantee = Guarantee::kReceived;
  spec.expire_time = absl::FromUnixMillis(1767225700456);
  OperationSpec plain;
  plain.payload = "";
  Append({pool_.Make(spec), pool_.Make(plain)});
  const std::vector<PendingRecord> records = Claim(0);
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].subject, spec.subject);
  EXPECT_EQ(records[0].payload, spec.payload);
  EXPECT_EQ(records[0].headers, spec.headers);
  EXPECT_EQ(records[0].message_id, spec.message_id);
  EXPECT_TRUE(records[0].caller_chose_id);
  EXPECT_EQ(records[0].ordering_key, spec.ordering_key);
  EXPECT_EQ(records[0].guarantee, Guarantee::kReceived);
  EXPECT_EQ(records[0].accept_time, spec.accept_time);
  EXPECT_EQ(records[0].expire_time, spec.expire_time);
  EXPECT_EQ(records[0].size_bytes, 64 + 3 + 12 + 9 + 13 + (3 + 3) + 3 + (5 + 1));
  EXPECT_EQ(records[1].payload, "");
  EXPECT_THAT(records[1].headers, IsEmpty());
  EXPECT_FALSE(records[1].caller_chose_id);
  EXPECT_EQ(records[1].ordering_key, "orders.eu");
  EXPECT_EQ(records[1].guarantee, Guarantee::kStored);
  EXPECT_EQ(records[1].expire_time, absl::InfiniteFuture());
}

TEST_P(PendingQueueContract, AClaimIsExclusive) {
  Append(pool_.MakeMany(5));
  EXPECT_THAT(SequencesOf(Claim(0, 2)), ElementsAre(1, 2));
  EXPECT_THAT(SequencesOf(Claim(0, 2)), ElementsAre(3, 4));
  EXPECT_THAT(SequencesOf(Claim(4)), ElementsAre(5));
  EXPECT_THAT(Claim(0), IsEmpty());
}

TEST_P(PendingQueueContract, AClaimBeginsBehindAfter) {
  Append(pool_.MakeMany(5));
  EXPECT_THAT(SequencesOf(Claim(3)), ElementsAre(4, 5));
  EXPECT_THAT(SequencesOf(Claim(0)), ElementsAre(1, 2, 3));
}

TEST_P(PendingQueueContract, AClaimKeepsToItsBytesBeyondTheFirst) {
  Append(pool_.MakeMany(5));
  const int64_t size = Scan()[0].size_bytes;
  EXPECT_EQ(Claim(0, 10, 2 * size).size(), 2u);
  EXPECT_EQ(Claim(0, 10, 2 * size - 1).size(), 1u);
  EXPECT_EQ(Claim(0, 10, 0).size(), 1u);
  EXPECT_THAT(Claim(0, 0), IsEmpty());
  EXPECT_EQ(Claim(0).size(), 1u);
}

TEST_P(PendingQueueContract, ReleasedRecordsAreClaimedAgain) {
  Append(pool_.MakeMany(3));
  Claim(0);
  queue_->Release({1, 3});
  EXPECT_THAT(SequencesOf(Claim(0)), ElementsAre(1, 3));
}

TEST_P(PendingQueueContract, RemovesWhatIsDelivered) {
  Append(pool_.MakeMany(5));
  Claim(0);
  RemoveAndWait({2, 4, 1});
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(3, 5));
  const PendingQueueStats stats = queue_->GetStats();
  EXPECT_EQ(stats.count, 2);
  EXPECT_EQ(stats.removed_total, 3);
  EXPECT_THAT(observer_.removals(), IsEmpty());
}

TEST_P(PendingQueueContract, RemovesClaimedRecordsOnlyAndOnce) {
  Append(pool_.MakeMany(3));
  Claim(0, 1);
  queue_->Remove({2, 3, 99});
  RemoveAndWait({1});
  queue_->Remove({1});
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(2, 3));
  EXPECT_EQ(queue_->GetStats().removed_total, 1);
}

TEST_P(PendingQueueContract, SequencesAreNotReusedWithinARun) {
  Append(pool_.MakeMany(3));
  Claim(0);
  RemoveAndWait({1, 2, 3});
  Append(pool_.MakeMany(1));
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(4));
}

TEST_P(PendingQueueContract, AScanClaimsNothingAndShowsClaims) {
  Append(pool_.MakeMany(3));
  Claim(0, 1);
  for (int i = 0; i < 2; ++i) {
    const std::vector<PendingRecord> records = Scan();
    ASSERT_EQ(records.size(), 3u);
    EXPECT_TRUE(records[0].claimed);
    EXPECT_FALSE(records[1].claimed);
    EXPECT_FALSE(records[2].claimed);
  }
  EXPECT_THAT(SequencesOf(Claim(0)), ElementsAre(2, 3));
}

TEST_P(PendingQueueContract, AScanComesInSlices) {
  Append(pool_.MakeMany(5));
  EXPECT_THAT(SequencesOf(Scan(0, 2)), ElementsAre(1, 2));
  EXPECT_THAT(SequencesOf(Scan(2, 2)), ElementsAre(3, 4));
  EXPECT_THAT(SequencesOf(Scan(4, 2)), ElementsAre(5));
  EXPECT_THAT(Scan(5, 2), IsEmpty());
  EXPECT_THAT(Scan(0, 0), IsEmpty());
}

TEST_P(PendingQueueContract, AScanLeavesPayloadsOutWhereNotWanted) {
  Append(pool_.MakeMany(1));
  const std::vector<PendingRecord> records = Scan(0, 10, /*with_payload=*/false);
  ASSERT_EQ(records.size(), 1u);
  EXPECT_EQ(records[0].payload, "");
  EXPECT_EQ(records[0].payload_bytes, 1);
  EXPECT_EQ(records[0].subject, "orders.eu");
}

TEST_P(PendingQueueContract, APurgeSkipsWhatIsClaimedOrNotThere) {
  const std::vector<Operation*> operations = pool_.MakeMany(4);
  Append(operations);
  Claim(0, 1);
  const absl::StatusOr<int64_t> purged = queue_->Purge({1, 2, 4, 99});
  ASSERT_TRUE(purged.ok()) << purged.status();
  EXPECT_EQ(*purged, 2);
  const auto removals = observer_.removals();
  ASSERT_EQ(removals.size(), 2u);
  EXPECT_EQ(removals[0].record.sequence, 2u);
  EXPECT_EQ(removals[0].record.key_hash, operations[1]->key_hash);
  EXPECT_EQ(removals[0].record.size_bytes, operations[1]->size_bytes);
  EXPECT_EQ(removals[0].cause, RemovalCause::kPurged);
  EXPECT_EQ(removals[1].record.sequence, 4u);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(1, 3));
  EXPECT_EQ(queue_->GetStats().count, 2);
  EXPECT_EQ(queue_->GetStats().removed_total, 0);
}

TEST_P(PendingQueueContract, APurgeOfNothingIsOk) {
  const absl::StatusOr<int64_t> purged = queue_->Purge({});
  ASSERT_TRUE(purged.ok());
  EXPECT_EQ(*purged, 0);
}

TEST_P(PendingQueueContract, TrimsTheOldestUnclaimedToACount) {
  Append(pool_.MakeMany(6));
  Claim(0, 1);
  queue_->TrimOldest(4, 1 << 30, /*keep_dropped=*/false);
  const auto removals = observer_.WaitForRemovals(2);
  ASSERT_EQ(removals.size(), 2u);
  EXPECT_EQ(removals[0].record.sequence, 2u);
  EXPECT_EQ(removals[1].record.sequence, 3u);
  EXPECT_EQ(removals[0].cause, RemovalCause::kDroppedOldest);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(1, 4, 5, 6));
}

TEST_P(PendingQueueContract, TrimsTheOldestToBytes) {
  Append(pool_.MakeMany(6));
  const int64_t size = Scan()[0].size_bytes;
  queue_->TrimOldest(100, 3 * size, /*keep_dropped=*/false);
  EXPECT_EQ(observer_.WaitForRemovals(3).size(), 3u);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(4, 5, 6));
  EXPECT_EQ(queue_->GetStats().bytes, 3 * size);
}

TEST_P(PendingQueueContract, TrimCountsTheAppendsBeforeItAndNotThoseAfter) {
  Append(pool_.MakeMany(2));
  queue_->Append(pool_.MakeMany(2));
  queue_->TrimOldest(3, 1 << 30, /*keep_dropped=*/false);
  queue_->Append(pool_.MakeMany(2));
  EXPECT_EQ(observer_.WaitForAnswers(6).size(), 6u);
  EXPECT_EQ(observer_.WaitForRemovals(1).size(), 1u);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(2, 3, 4, 5, 6));
}

TEST_P(PendingQueueContract, TrimLeavesClaimedRecordsEvenWhereTheyAreTooMany) {
  Append(pool_.MakeMany(3));
  Claim(0, 2);
  queue_->TrimOldest(0, 0, /*keep_dropped=*/false);
  EXPECT_EQ(observer_.WaitForRemovals(1).size(), 1u);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(1, 2));
}

TEST_P(PendingQueueContract, MovesAClaimedRecordToTheDeadLetters) {
  const std::vector<Operation*> operations = pool_.MakeMany(2);
  Append(operations);
  Claim(0, 1);
  const absl::Status status = queue_->MoveToDeadLetters(1, {"refused", "no", 3});
  ASSERT_TRUE(status.ok()) << status;
  const auto removals = observer_.removals();
  ASSERT_EQ(removals.size(), 1u);
  EXPECT_EQ(removals[0].record.sequence, 1u);
  EXPECT_EQ(removals[0].record.key_hash, operations[0]->key_hash);
  EXPECT_EQ(removals[0].cause, RemovalCause::kDeadLettered);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(2));
  EXPECT_EQ(queue_->GetStats().dead_letters, 1);
  EXPECT_EQ(queue_->GetStats().count, 1);
  Reopen();
  EXPECT_EQ(recovered_.dead_letters, 1);
  EXPECT_EQ(queue_->GetStats().dead_letters, 1);
}

TEST_P(PendingQueueContract, DeadLettersNeedAClaim) {
  Append(pool_.MakeMany(1));
  EXPECT_EQ(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(queue_->MoveToDeadLetters(99, {"refused", "no", 1}).code(),
            absl::StatusCode::kFailedPrecondition);
  EXPECT_EQ(Scan().size(), 1u);
  EXPECT_EQ(queue_->GetStats().dead_letters, 0);
}

TEST_P(PendingQueueContract, StatsFollowTheHead) {
  OperationSpec spec;
  std::vector<Operation*> operations;
  int64_t bytes = 0;
  for (int i = 0; i < 3; ++i) {
    spec.accept_time = absl::FromUnixSeconds(1000 + i);
    operations.push_back(pool_.Make(spec));
    bytes += operations.back()->size_bytes;
  }
  Append(operations);
  EXPECT_EQ(queue_->GetStats().count, 3);
  EXPECT_EQ(queue_->GetStats().bytes, bytes);
  EXPECT_EQ(queue_->GetStats().oldest_accept_time, absl::FromUnixSeconds(1000));
  Claim(0, 1);
  RemoveAndWait({1});
  EXPECT_EQ(queue_->GetStats().oldest_accept_time, absl::FromUnixSeconds(1001));
  ASSERT_TRUE(queue_->Purge({2}).ok());
  EXPECT_EQ(queue_->GetStats().oldest_accept_time, absl::FromUnixSeconds(1002));
  queue_->TrimOldest(0, 0, /*keep_dropped=*/false);
  observer_.WaitForRemovals(2);
  EXPECT_EQ(queue_->GetStats().oldest_accept_time, absl::InfiniteFuture());
  EXPECT_EQ(queue_->GetStats().bytes, 0);
}

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_CONTRACT_H_
