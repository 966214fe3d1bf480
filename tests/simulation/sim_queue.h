#ifndef ROUTER_TESTS_SIMULATION_SIM_QUEUE_H_
#define ROUTER_TESTS_SIMULATION_SIM_QUEUE_H_

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "server/pending/memory_pending_queue.h"
#include "server/pending/pending_queue.h"
#include "tests/simulation/planted_bug.h"

namespace router {

// A MemoryPendingQueue that nothing happens to unseen, and the place for planted bugs of a queue.
// For one thread.
class SimQueue final : public PendingQueue, private PendingQueue::Observer {
 public:
  using Contents = MemoryPendingQueue::Contents;

  // Told of every call before the queue is, and of every result before the dispatcher is.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void OnAppending(absl::Span<Operation* const> operations) = 0;
    virtual void OnCommitted(absl::Span<Operation* const> operations,
                             const absl::Status& status) = 0;
    virtual void OnRemoving(absl::Span<const uint64_t> sequences) = 0;
    virtual void OnClaimed(absl::Span<const PendingRecord> records) = 0;
    virtual void OnReleasing(absl::Span<const uint64_t> sequences) = 0;
    virtual void OnDeadLettering(uint64_t sequence, const DeadLetterReason& reason) = 0;
    virtual void OnGone(absl::Span<const RemovedRecord> records, RemovalCause cause) = 0;
  };

  SimQueue(PlantedBug bug, Contents* contents, Watcher* watcher)
      : bug_(bug),
        contents_(contents),
        watcher_(watcher),
        queue_(MemoryPendingQueue::Mode::kManual, contents) {}

  // Called, with no lock held, where another thread may come in between: before the drainer gets
  // what it has claimed, before it hands that over, and between a commit and its report.
  void set_interruption(std::function<void()> interruption) {
    interruption_ = std::move(interruption);
  }

  // Whether a commit would do anything.
  bool has_work() const { return has_work_; }
  void Commit();
  void FailNextAppend(absl::Status status) { queue_.FailNextAppend(std::move(status)); }
  // What would be found on disk after a crash now.
  Contents Durable() const {
    return bug_ == PlantedBug::kFsyncSkipped ? before_commit_ : *contents_;
  }

  // PendingQueue
  absl::StatusOr<RecoveredQueue> Open(PendingQueue::Observer* observer) override;
  void Append(absl::Span<Operation* const> operations) override;
  void Remove(absl::Span<const uint64_t> sequences) override;
  void Release(absl::Span<const uint64_t> sequences) override;
  void TrimOldest(int64_t count_max, int64_t bytes_max) override;
  absl::StatusOr<std::vector<PendingRecord>> Claim(uint64_t after, int64_t count_max,
                                                   int64_t bytes_max) override;
  absl::Status NoteSending(uint64_t through) override;
  void NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) override {
    queue_.NoteInDoubt(sequences, since);
  }
  absl::StatusOr<std::vector<PendingRecord>> Scan(uint64_t after, int64_t count_max,
                                                  bool with_payload) override {
    return queue_.Scan(after, count_max, with_payload);
  }
  absl::StatusOr<int64_t> Purge(absl::Span<const uint64_t> sequences) override;
  absl::Status MoveToDeadLetters(uint64_t sequence, const DeadLetterReason& reason) override;
  PendingQueueStats GetStats() const override { return queue_.GetStats(); }
  void Close() override { queue_.Close(); }

 private:
  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override;
  void OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;

  const PlantedBug bug_;
  Contents* const contents_;
  Watcher* const watcher_;
  PendingQueue::Observer* observer_ = nullptr;
  std::function<void()> interruption_ = [] {};
  Contents before_commit_;  // With kFsyncSkipped.
  bool has_work_ = false;
  bool drop_newest_ = false;  // With kNewestDropped: instead of the oldest.
  int calls_ = 0;
  MemoryPendingQueue queue_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_QUEUE_H_
