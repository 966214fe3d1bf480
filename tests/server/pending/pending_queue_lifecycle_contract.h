// The part of the contract suite that is about opening and closing. Included by
// pending_queue_contract.h.
#ifndef ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_LIFECYCLE_CONTRACT_H_
#define ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_LIFECYCLE_CONTRACT_H_

#include <atomic>
#include <memory>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/pending/pending_queue_contract_fixture.h"
#include "tests/server/pending/pending_testing.h"

namespace router {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST_P(PendingQueueContract, SurvivesReopeningWithoutItsClaims) {
  const std::vector<Operation*> operations = pool_.MakeMany(4);
  Append(operations);
  Claim(0, 2);
  RemoveAndWait({1});
  Reopen();
  ASSERT_EQ(recovered_.records.size(), 3u);
  for (size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(recovered_.records[i].sequence, i + 2);
    EXPECT_EQ(recovered_.records[i].key_hash, operations[i + 1]->key_hash);
    EXPECT_EQ(recovered_.records[i].size_bytes, operations[i + 1]->size_bytes);
  }
  EXPECT_EQ(queue_->GetStats().count, 3);
  EXPECT_EQ(queue_->GetStats().oldest_accept_time, operations[1]->accept_time);
  EXPECT_THAT(PayloadsOf(Claim(0)), ElementsAre("1", "2", "3"));
}

TEST_P(PendingQueueContract, RecoversTheIdsThatCallersChose) {
  OperationSpec spec;
  spec.caller_chose_id = true;
  spec.message_id = "first";
  Operation* const first = pool_.Make(spec);
  spec.message_id = "second";
  spec.payload = "other";
  spec.guarantee = Guarantee::kReceived;
  spec.headers = {{"a", "1"}, {"b", ""}};
  spec.ordering_key = "key";
  Operation* const second = pool_.Make(spec);
  Append({first, pool_.Make({}), second});
  Reopen();
  ASSERT_EQ(recovered_.ids.size(), 2u);
  EXPECT_EQ(recovered_.ids[0].sequence, 1u);
  EXPECT_EQ(recovered_.ids[0].id_hash, HashMessageId("first"));
  EXPECT_EQ(recovered_.ids[0].content_hash, first->content_hash);
  EXPECT_EQ(recovered_.ids[1].sequence, 3u);
  EXPECT_EQ(recovered_.ids[1].id_hash, HashMessageId("second"));
  EXPECT_EQ(recovered_.ids[1].content_hash, second->content_hash);
}

TEST_P(PendingQueueContract, SequencesAreNotReusedAfterEmptyingAndReopening) {
  Append(pool_.MakeMany(3));
  Claim(0);
  RemoveAndWait({1, 2, 3});
  Reopen();
  EXPECT_THAT(recovered_.records, IsEmpty());
  Append(pool_.MakeMany(1));
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(4));
}

TEST_P(PendingQueueContract, CloseAnswersEverything) {
  queue_->Append(pool_.MakeMany(50));
  queue_->Close();
  ASSERT_EQ(observer_.answers().size(), 50u);
  for (const auto& answer : observer_.answers()) EXPECT_TRUE(answer.status.ok());
  Reopen();
  EXPECT_EQ(recovered_.records.size(), 50u);
}

TEST_P(PendingQueueContract, CloseCommitsRemovals) {
  Append(pool_.MakeMany(3));
  Claim(0);
  queue_->Remove({1, 2});
  queue_->Close();
  Reopen();
  ASSERT_EQ(recovered_.records.size(), 1u);
  EXPECT_EQ(recovered_.records[0].sequence, 3u);
}

TEST_P(PendingQueueContract, AfterCloseEverythingIsRefused) {
  Append(pool_.MakeMany(1));
  queue_->Close();
  queue_->Close();
  EXPECT_EQ(queue_->Claim(0, 1, 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->Scan(0, 1, true).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->Purge({1}).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->MoveToDeadLetters(1, {}).code(), absl::StatusCode::kUnavailable);
  queue_->Append(pool_.MakeMany(1));
  const auto answers = observer_.WaitForAnswers(2);
  ASSERT_EQ(answers.size(), 2u);
  EXPECT_EQ(answers[1].status.code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(answers[1].operation_id, 0u);
  EXPECT_EQ(queue_->GetStats().count, 1);
}

// The dispatcher appends under a lock that its OnAppended takes.
TEST_P(PendingQueueContract, AppendNeverCallsTheObserverFromTheCallersThread) {
  class ThreadObserver : public RecordingObserver {
   public:
    void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override {
      if (std::this_thread::get_id() == caller) from_caller = true;
      RecordingObserver::OnAppended(operations, status);
    }
    const std::thread::id caller = std::this_thread::get_id();
    std::atomic<bool> from_caller{false};
  };
  const std::unique_ptr<PendingQueueSubject> subject = GetParam()();
  ThreadObserver observer;
  const std::unique_ptr<PendingQueue> queue = subject->NewQueue();
  ASSERT_TRUE(queue->Open(&observer).ok());
  queue->Append(pool_.MakeMany(1));
  queue->Close();
  queue->Append(pool_.MakeMany(1));
  EXPECT_EQ(observer.WaitForAnswers(2).size(), 2u);
  EXPECT_FALSE(observer.from_caller);
}

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_LIFECYCLE_CONTRACT_H_
