// MemoryPendingQueue is a pending queue without a disk, for tests of what uses one. It keeps the
// interface's promises but for durability: what it holds survives a Close, where it is given a
// `Contents`, and not the process.
//
// In automatic mode a writer thread commits what is handed over, as the queue on disk does. In
// manual mode there is no thread: what is handed over waits for Flush, which commits and answers
// it, and the calls that block are served at once, from what is committed, on the caller's thread.
#ifndef ROUTER_SERVER_PENDING_MEMORY_PENDING_QUEUE_H_
#define ROUTER_SERVER_PENDING_MEMORY_PENDING_QUEUE_H_

#include <cstdint>
#include <map>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_set.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/pending/doubts.h"
#include "server/pending/pending_inbox.h"
#include "server/pending/pending_queue.h"

namespace router {

// Thread-safe. The calls that block must not be made from the observer in automatic mode.
class MemoryPendingQueue final : public PendingQueue {
 public:
  enum class Mode { kAutomatic, kManual };

  struct StoredRecord {
    PendingRecord record;
    uint64_t key_hash = 0;
    uint64_t content_hash = 0;
  };
  struct StoredDeadLetter {
    StoredRecord stored;
    DeadLetterReason reason;
    absl::Time dead_time;
  };

  // What would be on disk. Not to be touched while a queue is open on it.
  struct Contents {
    std::map<uint64_t, StoredRecord> records;
    std::map<uint64_t, StoredDeadLetter> dead_letters;
    uint64_t last_sequence = 0;
    uint64_t sending_through = 0;
  };

  // Borrows `contents`, which must outlive the queue; without, it has its own. Borrows the clock.
  explicit MemoryPendingQueue(Mode mode, Contents* contents = nullptr, Clock* clock = SystemClock())
      : mode_(mode), clock_(clock), contents_(contents == nullptr ? &own_contents_ : contents) {}
  ~MemoryPendingQueue() override;

  // Manual mode: commits and answers everything handed over so far, on this thread.
  void Flush() ABSL_LOCKS_EXCLUDED(mutex_);

  // The next commit that holds appends fails with `status`, and with it everything in it.
  void FailNextAppend(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  // From now on MoveToDeadLetters fails with `status`; OK: no longer.
  void FailDeadLetters(absl::Status status) ABSL_LOCKS_EXCLUDED(mutex_);

  absl::StatusOr<RecoveredQueue> Open(Observer* observer) override;
  void Append(absl::Span<Operation* const> operations) override;
  void Remove(absl::Span<const uint64_t> sequences) override;
  void Release(absl::Span<const uint64_t> sequences) override;
  void TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) override;
  absl::StatusOr<std::vector<PendingRecord>> Claim(uint64_t after, int64_t count_max,
                                                   int64_t bytes_max) override;
  absl::Status NoteSending(uint64_t through) override;
  void NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) override;
  absl::StatusOr<std::vector<PendingRecord>> Scan(uint64_t after, int64_t count_max,
                                                  bool with_payload) override;
  absl::StatusOr<int64_t> Purge(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<std::vector<RemovedRecord>> ClaimExpired(absl::Time now, int64_t count_max,
                                                          int64_t bytes_max) override;
  using PendingQueue::MoveToDeadLetters;
  absl::Status MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) override;
  absl::StatusOr<std::vector<DeadLetter>> ScanDeadLetters(uint64_t after, int64_t count_max,
                                                          bool with_payload) override;
  absl::StatusOr<int64_t> RedriveDeadLetters(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<int64_t> PurgeDeadLetters(absl::Span<const uint64_t> sequences) override;
  PendingQueueStats GetStats() const override;
  // In manual mode it flushes.
  void Close() override;

 private:
  // Runs `work` between two commits, on the writer thread if there is one, and waits for it.
  absl::Status RunBetweenCommits(absl::FunctionRef<absl::Status()> work)
      ABSL_LOCKS_EXCLUDED(mutex_);

  void RunWriter() ABSL_LOCKS_EXCLUDED(mutex_);
  // What a commit dropped to make room.
  struct Trimmed {
    std::vector<RemovedRecord> gone;
    std::vector<RemovedRecord> kept;
  };

  void Commit(const PendingInbox& work) ABSL_LOCKS_EXCLUDED(mutex_);
  absl::Status Apply(const PendingInbox& work, Trimmed* trimmed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void TakeSequences(const PendingInbox& work) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void MarkInDoubt(uint64_t sequence, absl::Time since) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  PendingRecord ReadRecord(uint64_t sequence) const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  void RemoveDelivered() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Insert(Operation* operation) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Trim(const PendingInbox::Command& limits, Trimmed* trimmed)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  RemovedRecord Erase(uint64_t sequence) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  RemovedRecord Bury(uint64_t sequence, const DeadLetterReason& reason)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // A dead letter, taken out; false where it is not there.
  bool TakeDeadLetter(uint64_t sequence, StoredRecord* stored)
      ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);

  const Mode mode_;
  Clock* const clock_;
  Contents own_contents_;
  Observer* observer_ = nullptr;  // Set by Open, before the thread.
  std::thread thread_;            // In automatic mode, started by Open.

  mutable absl::Mutex mutex_;
  Contents* const contents_ ABSL_PT_GUARDED_BY(mutex_);
  PendingInbox inbox_ ABSL_GUARDED_BY(mutex_);
  absl::flat_hash_set<uint64_t> claimed_ ABSL_GUARDED_BY(mutex_);
  Doubts doubts_ ABSL_GUARDED_BY(mutex_);
  std::vector<uint64_t> delivered_ ABSL_GUARDED_BY(mutex_);  // To be removed by the next commit.
  absl::Status next_append_status_ ABSL_GUARDED_BY(mutex_);
  absl::Status dead_letter_status_ ABSL_GUARDED_BY(mutex_);
  int64_t bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t dead_letter_bytes_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t removed_total_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t taken_total_ ABSL_GUARDED_BY(mutex_) = 0;
  int64_t redriven_total_ ABSL_GUARDED_BY(mutex_) = 0;
  bool healthy_ ABSL_GUARDED_BY(mutex_) = true;
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_MEMORY_PENDING_QUEUE_H_
