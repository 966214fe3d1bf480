// What the writer thread of the SQLite queue does: transactions, claims, statistics and recovery,
// without the thread and its inbox.
#ifndef ROUTER_SERVER_PENDING_PENDING_WRITER_H_
#define ROUTER_SERVER_PENDING_PENDING_WRITER_H_

#include <cstdint>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "server/pending/doubts.h"
#include "server/pending/pending_inbox.h"
#include "server/pending/pending_queue.h"
#include "server/pending/pending_store.h"

namespace router {

// For one thread at a time, but for GetStats, which is for any and waits for no disk.
class PendingWriter {
 public:
  explicit PendingWriter(const PendingStore::Options& options);

  absl::StatusOr<RecoveredQueue> Open(PendingQueue::Observer* observer);

  // Executes the commands in one commit, and answers them.
  void Execute(const PendingInbox& work);

  // As in PendingQueue. Refused while the store is not open.
  absl::Status Claim(uint64_t after, int64_t count_max, int64_t bytes_max,
                     std::vector<PendingRecord>* records);
  absl::Status Scan(uint64_t after, int64_t count_max, bool with_payload,
                    std::vector<PendingRecord>* records);
  absl::Status NoteSending(uint64_t through);
  absl::Status Purge(absl::Span<const uint64_t> sequences, int64_t* purged);
  absl::Status ClaimExpired(absl::Time now, int64_t count_max, int64_t bytes_max,
                            std::vector<RemovedRecord>* records);
  absl::Status MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts);
  absl::Status ScanDeadLetters(uint64_t after, int64_t count_max, bool with_payload,
                               std::vector<DeadLetter>* dead_letters);
  absl::Status RedriveDeadLetters(absl::Span<const uint64_t> sorted_sequences, int64_t* redriven);
  absl::Status PurgeDeadLetters(absl::Span<const uint64_t> sorted_sequences, int64_t* purged);

  // While the store is not open: how long to wait until the next Recover. Zero: now.
  bool failing() const { return !store_.is_open(); }
  absl::Duration UntilRetry() const;
  void Recover();

  // Removals that a power cut could undo are synced.
  void SyncRemovals();

  // Gives unused disk space back, a little at a time; false when there is nothing more to do.
  bool ShrinkSome();

  // Commits what is left, if it can be, and closes the files. `sent_through`: no later record has
  // been sent.
  void Close(uint64_t sent_through);

  PendingQueueStats GetStats() const;

  // Whether RefreshDamage may change the statistics: call it now and then.
  bool has_damage() const { return store_.GetDamage().any(); }
  void RefreshDamage() { store_.RefreshDamage(); }

  // Durably noted: records up to it may have been sent.
  uint64_t sending_through() const { return store_.committed().sending_through; }

 private:
  // Most bytes of messages that one Scan or ScanDeadLetters reads.
  static constexpr int64_t kScanBytesMax = 16 << 20;

  // What one call reads.
  struct Slice {
    int64_t count_max;
    int64_t bytes_max;  // Beyond the first.
    bool with_payload;
  };

  // Rows whose checksum does not match.
  struct DamagedRecords {
    void Add(const RecordFields& fields);

    std::vector<RemovedRecord> keys;
    bool sizes_proved = true;
  };

  // What one transaction changes; takes effect in memory when it is committed.
  struct Changes {
    std::vector<Operation*> appended;  // With sequences from `first_sequence`.
    uint64_t first_sequence = 0;
    std::vector<uint64_t> delivered;
    std::vector<RemovedRecord> removed;  // For another reason.
    std::vector<RemovedRecord> kept;     // Dropped to make room, and dead letters now.
    int64_t count = 0;                   // What they add, or take.
    int64_t bytes = 0;
  };

  // What a transaction takes out of the dead letters.
  struct DeadLetterChanges {
    std::vector<RemovedRecord> taken;
    std::vector<size_t> labels;           // Of each of them, in kDeadLetterLabels.
    std::vector<RemovedRecord> put_back;  // Those of them that are in the queue again.
    std::vector<uint64_t> damaged;        // Not taken: they have to be set aside.
  };

  void TakeClaims(const PendingInbox& work);
  absl::Status RunTransaction(const PendingInbox& work, bool with_appends, Changes* changes);
  absl::Status DeleteDelivered(Changes* changes);
  absl::Status InsertAll(absl::Span<Operation* const> operations, Changes* changes);
  absl::Status Trim(const PendingInbox::Command& limits, Changes* changes);
  absl::Status DeleteRecords(absl::Span<const RemovedRecord> records, Changes* changes);
  // Both in order of sequence.
  absl::Status DropRecords(absl::Span<const RemovedRecord> gone,
                           absl::Span<const RemovedRecord> kept, Changes* changes);
  absl::Status DeleteSequences(absl::Span<const uint64_t> sorted_sequences);
  absl::Status SetSendingThrough(uint64_t through);
  absl::Status ReadSlice(uint64_t after, const Slice& slice, bool claim,
                         std::vector<PendingRecord>* records);
  absl::Status SetAside(const DamagedRecords& damaged);
  void CorrectSizes(Changes* changes) const;
  absl::Status Bury(uint64_t sequence, const DeadLetterReason& reason);
  absl::Status TakeDeadLetter(uint64_t sequence, bool put_back, DeadLetterChanges* changes);
  absl::Status TakeDeadLetters(absl::Span<const uint64_t> sorted_sequences, bool put_back,
                               DeadLetterChanges* changes);
  absl::Status SetAsideDeadLetters(absl::Span<const uint64_t> damaged);
  void Apply(const DeadLetterChanges& changes);

  void Forget(uint64_t sequence);
  void RemoveAgain();
  void Apply(const Changes& changes);
  void TellRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause);
  void RefreshOldest();
  // The store has failed: refuses everything until Recover succeeds. Returns what callers are told.
  absl::Status StopUntilRecovered(const absl::Status& status);
  void CountDeadLetter(const RemovedRecord& record, absl::string_view label);
  void ForgetExpiry(const RemovedRecord& record);
  void PublishStats() ABSL_LOCKS_EXCLUDED(stats_mutex_);

  PendingStore store_;
  PendingQueue::Observer* observer_ = nullptr;
  absl::flat_hash_map<uint64_t, RemovedRecord> claimed_;
  Doubts doubts_;
  std::vector<uint64_t> delivered_;      // To be removed; claimed until they are.
  std::vector<RemovedRecord> unsynced_;  // Removed by commits that a failing disk may yet undo.
  // Every record that expires, by time and sequence.
  absl::btree_set<std::pair<absl::Time, uint64_t>> expiring_;
  PendingQueueStats current_;

  absl::Status failure_;  // Why the store is not open.
  absl::Duration backoff_;
  SteadyTime retry_at_;

  mutable absl::Mutex stats_mutex_;
  PendingQueueStats stats_ ABSL_GUARDED_BY(stats_mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_WRITER_H_
