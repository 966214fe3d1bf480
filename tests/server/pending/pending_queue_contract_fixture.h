// What the contract suite of PendingQueue runs on.
#ifndef ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_CONTRACT_FIXTURE_H_
#define ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_CONTRACT_FIXTURE_H_

#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "gtest/gtest.h"
#include "server/pending/pending_queue.h"
#include "tests/server/pending/pending_testing.h"

namespace router {

// A place that queues are opened on, one after the other, each finding what the one before has
// left.
class PendingQueueSubject {
 public:
  virtual ~PendingQueueSubject() = default;
  virtual std::unique_ptr<PendingQueue> NewQueue() = 0;
};

using PendingQueueSubjectFactory = std::function<std::unique_ptr<PendingQueueSubject>()>;

class PendingQueueContract : public ::testing::TestWithParam<PendingQueueSubjectFactory> {
 protected:
  PendingQueueContract() : subject_(GetParam()()) { Reopen(); }

  void Reopen() {
    queue_.reset();
    queue_ = subject_->NewQueue();
    absl::StatusOr<RecoveredQueue> recovered = queue_->Open(&observer_);
    ASSERT_TRUE(recovered.ok()) << recovered.status();
    recovered_ = *std::move(recovered);
  }

  void Append(const std::vector<Operation*>& operations) {
    AppendAll(queue_.get(), &observer_, operations);
  }

  std::vector<PendingRecord> Claim(uint64_t after, int64_t count_max = 1000,
                                   int64_t bytes_max = 1 << 30) {
    absl::StatusOr<std::vector<PendingRecord>> records = queue_->Claim(after, count_max, bytes_max);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *std::move(records) : std::vector<PendingRecord>();
  }

  std::vector<PendingRecord> Scan(uint64_t after = 0, int64_t count_max = 1000,
                                  bool with_payload = true) {
    absl::StatusOr<std::vector<PendingRecord>> records =
        queue_->Scan(after, count_max, with_payload);
    EXPECT_TRUE(records.ok()) << records.status();
    return records.ok() ? *std::move(records) : std::vector<PendingRecord>();
  }

  // Removes, and waits until the commit.
  void RemoveAndWait(const std::vector<uint64_t>& sequences) {
    const int64_t expected = queue_->GetStats().removed_total + sequences.size();
    queue_->Remove(sequences);
    EXPECT_TRUE(Eventually([&] { return queue_->GetStats().removed_total >= expected; }));
  }

  OperationPool pool_;
  RecordingObserver observer_;
  const std::unique_ptr<PendingQueueSubject> subject_;
  std::unique_ptr<PendingQueue> queue_;
  RecoveredQueue recovered_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_PENDING_QUEUE_CONTRACT_FIXTURE_H_
