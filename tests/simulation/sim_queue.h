#ifndef ROUTER_TESTS_SIMULATION_SIM_QUEUE_H_
#define ROUTER_TESTS_SIMULATION_SIM_QUEUE_H_

#include <bitset>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
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
    // Not before `first_sent_time` it may have been sent, as far as the queue knows.
    virtual void OnClaimed(uint64_t sequence, absl::Time first_sent_time) = 0;
    virtual void OnReleasing(absl::Span<const uint64_t> sequences) = 0;
    virtual void OnDeadLettering(uint64_t sequence, const DeadLetterReason& reason) = 0;
    virtual void OnGone(absl::Span<const RemovedRecord> records, RemovalCause cause) = 0;
    // These dead letters are about to be put back, and these have been, in the same order.
    virtual void OnRedriving(absl::Span<const uint64_t> sequences) = 0;
    virtual void OnRedriven(absl::Span<const RemovedRecord> records) = 0;
    virtual void OnDeadLettersGone(absl::Span<const RemovedRecord> records) = 0;
    // The disk is about to refuse a call, and nothing changes; false: it must not.
    virtual bool OnRefused() = 0;
  };

  SimQueue(PlantedBug bug, Contents* contents, Clock* clock, Watcher* watcher)
      : bug_(bug),
        contents_(contents),
        watcher_(watcher),
        queue_(MemoryPendingQueue::Mode::kManual, contents, clock) {}

  // Called, with no lock held, where another thread may come in between: before the drainer gets
  // what it has claimed, before it hands that over, and between a commit and its report.
  void set_interruption(std::function<void()> interruption) {
    interruption_ = std::move(interruption);
  }

  // Called, with no lock held, where a router may crash: when something is on disk, and nobody has
  // heard of it yet.
  void set_crash_point(std::function<void()> crash_point) { crash_point_ = std::move(crash_point); }

  // Calls that wait for the disk and change something.
  enum class Call { kNoteSending, kPurge, kMoveToDeadLetters, kRedrive, kPurgeDeadLetters };
  static constexpr int kCalls = 5;
  // From now on exactly these fail, and change nothing.
  void Refuse(const std::bitset<kCalls>& calls) { refused_ = calls; }

  // Whether a commit would do anything.
  bool has_work() const { return has_work_; }
  void Commit();
  void FailNextAppend(absl::Status status) { queue_.FailNextAppend(std::move(status)); }
  // What would be found on disk after a crash now.
  Contents Durable() const;

  // PendingQueue
  absl::StatusOr<RecoveredQueue> Open(PendingQueue::Observer* observer) override;
  void Append(absl::Span<Operation* const> operations) override;
  void Remove(absl::Span<const uint64_t> sequences) override;
  void Release(absl::Span<const uint64_t> sequences) override;
  void TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) override;
  absl::StatusOr<std::vector<PendingRecord>> Claim(uint64_t after, int64_t count_max,
                                                   int64_t bytes_max) override;
  absl::Status NoteSending(uint64_t through) override;
  void NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) override;
  absl::StatusOr<std::vector<PendingRecord>> Scan(uint64_t after, int64_t count_max,
                                                  bool with_payload) override {
    return queue_.Scan(after, count_max, with_payload);
  }
  absl::StatusOr<int64_t> Purge(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<std::vector<RemovedRecord>> ClaimExpired(absl::Time now, int64_t count_max,
                                                          int64_t bytes_max) override;
  absl::Status MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) override;
  absl::StatusOr<std::vector<DeadLetter>> ScanDeadLetters(uint64_t after, int64_t count_max,
                                                          bool with_payload) override {
    return queue_.ScanDeadLetters(after, count_max, with_payload);
  }
  absl::StatusOr<int64_t> RedriveDeadLetters(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<int64_t> PurgeDeadLetters(absl::Span<const uint64_t> sequences) override;
  PendingQueueStats GetStats() const override { return queue_.GetStats(); }
  void Close() override { queue_.Close(); }

 private:
  absl::Status Ask(Call call);
  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override;
  void OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;
  void OnRedriven(absl::Span<const RemovedRecord> records) override;
  void OnDeadLettersRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) override;

  const PlantedBug bug_;
  Contents* const contents_;
  Watcher* const watcher_;
  PendingQueue::Observer* observer_ = nullptr;
  std::function<void()> interruption_ = [] {};
  std::function<void()> crash_point_ = [] {};
  std::bitset<kCalls> refused_;
  bool trims_ = false;             // The next commit makes room.
  bool has_more_reports_ = false;  // The present one does: it is not told of all at once.
  Contents before_commit_;         // With kFsyncSkipped.
  bool has_work_ = false;
  bool drop_newest_ = false;  // With kNewestDropped: instead of the oldest.
  int calls_ = 0;
  MemoryPendingQueue queue_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_QUEUE_H_
