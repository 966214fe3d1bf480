#include "server/pending/memory_pending_queue.h"

#include "tests/server/pending/pending_queue_contract.h"

namespace router {
namespace {

class MemorySubject : public PendingQueueSubject {
 public:
  std::unique_ptr<PendingQueue> NewQueue() override {
    return std::make_unique<MemoryPendingQueue>(MemoryPendingQueue::Mode::kAutomatic, &contents_);
  }

 private:
  MemoryPendingQueue::Contents contents_;
};

INSTANTIATE_TEST_SUITE_P(Memory, PendingQueueContract,
                         ::testing::Values([] { return std::make_unique<MemorySubject>(); }));
INSTANTIATE_TEST_SUITE_P(Memory, PendingQueueDeadLetterContract,
                         ::testing::Values([] { return std::make_unique<MemorySubject>(); }));

class ManualMemoryPendingQueueTest : public ::testing::Test {
 protected:
  ManualMemoryPendingQueueTest() : queue_(MemoryPendingQueue::Mode::kManual) {
    EXPECT_TRUE(queue_.Open(&observer_).ok());
  }

  OperationPool pool_;
  RecordingObserver observer_;
  MemoryPendingQueue queue_;
};

TEST_F(ManualMemoryPendingQueueTest, AnswersOnlyWhenFlushed) {
  queue_.Append(pool_.MakeMany(2));
  EXPECT_THAT(observer_.answers(), IsEmpty());
  EXPECT_EQ(queue_.GetStats().count, 0);
  queue_.Flush();
  EXPECT_EQ(observer_.answers().size(), 2u);
  EXPECT_EQ(queue_.GetStats().count, 2);
}

TEST_F(ManualMemoryPendingQueueTest, ClaimsWithoutAFlush) {
  queue_.Append(pool_.MakeMany(2));
  queue_.Flush();
  queue_.Append(pool_.MakeMany(1));
  EXPECT_THAT(SequencesOf(*queue_.Claim(0, 10, 1000)), ElementsAre(1, 2));
  queue_.Release({1});
  EXPECT_THAT(SequencesOf(*queue_.Claim(0, 10, 1000)), ElementsAre(1));
}

TEST_F(ManualMemoryPendingQueueTest, AFailedCommitFailsItsAppendsAndKeepsItsRemovals) {
  queue_.Append(pool_.MakeMany(1));
  queue_.Flush();
  ASSERT_TRUE(queue_.Claim(0, 1, 1).ok());
  queue_.FailNextAppend(absl::ResourceExhaustedError("full"));
  queue_.Remove({1});
  queue_.Flush();
  EXPECT_EQ(queue_.GetStats().count, 0);  // A commit without appends does not fail.

  queue_.Append(pool_.MakeMany(2));
  queue_.Flush();
  ASSERT_EQ(observer_.answers().size(), 3u);
  EXPECT_EQ(observer_.answers()[1].status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(observer_.answers()[2].operation_id, 0u);
  EXPECT_FALSE(queue_.GetStats().healthy);

  queue_.Append(pool_.MakeMany(1));
  queue_.Flush();
  EXPECT_TRUE(observer_.answers()[3].status.ok());
  EXPECT_EQ(observer_.answers()[3].operation_id, 2u);
  EXPECT_TRUE(queue_.GetStats().healthy);
}

TEST_F(ManualMemoryPendingQueueTest, CloseFlushes) {
  queue_.Append(pool_.MakeMany(2));
  queue_.Close();
  ASSERT_EQ(observer_.answers().size(), 2u);
  EXPECT_TRUE(observer_.answers()[0].status.ok());
}

}  // namespace
}  // namespace router
