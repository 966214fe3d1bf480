// SqlitePendingQueue keeps the pending queue in a SQLite database in a folder of its own.
//
// One writer thread owns the database. It takes everything that was handed over since its last
// commit, commits it at once, and answers it: the more callers, the more operations per sync. OK to
// OnAppended means that the operations survive the death of the process and of the machine.
//
// A commit that fails is failed for every operation in it; what it may have left is cut off, the
// files are opened anew and checked, and until a commit has succeeded appends are refused. It goes
// on trying by itself, 100 ms to 1 s apart. Removals that could not be committed are kept and tried
// again. Damage is reported through `on_error` and set aside, never delivered.
//
// FORMAT.md describes what is on disk.
#ifndef ROUTER_SERVER_PENDING_SQLITE_PENDING_QUEUE_H_
#define ROUTER_SERVER_PENDING_SQLITE_PENDING_QUEUE_H_

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/pending/pending_inbox.h"
#include "server/pending/pending_queue.h"
#include "server/pending/pending_writer.h"

namespace router {

// Thread-safe. The calls that block must not be made from the observer, whose calls come from the
// thread that would serve them. After Close the writer thread lives on, until the destructor, to
// refuse what comes late: Append never calls its observer from the caller's thread.
class SqlitePendingQueue : public PendingQueue {
 public:
  struct Options {
    std::string directory;  // Created, for this user only, where it is missing.

    // With less free on the disk, appends are refused with RESOURCE_EXHAUSTED.
    int64_t min_free_disk_bytes = int64_t{64} << 20;

    // Most bytes of the database file, with what its format needs beside the messages; 0: no limit.
    int64_t max_file_bytes = 0;

    Clock* clock = nullptr;  // Borrowed; must outlive the queue.

    // For tests: called from the writer thread when a transaction's rows are written and not yet
    // committed. Optional.
    std::function<void()> before_commit;

    // For metrics and logs; both optional, called from the writer thread or from Open. `op` is one
    // of "open", "append", "remove", "read", "checkpoint".
    std::function<void(absl::Duration sync_duration)> on_commit;
    std::function<void(absl::string_view op, const std::string& error)> on_error;
  };

  explicit SqlitePendingQueue(const Options& options);
  ~SqlitePendingQueue() override;

  absl::StatusOr<RecoveredQueue> Open(Observer* observer) override;
  void Append(absl::Span<Operation* const> operations) override;
  void Remove(absl::Span<const uint64_t> sequences) override;
  void Release(absl::Span<const uint64_t> sequences) override;
  void TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) override;
  absl::StatusOr<std::vector<PendingRecord>> Claim(uint64_t after, int64_t count_max,
                                                   int64_t bytes_max) override;
  absl::Status NoteSending(uint64_t through) override;
  void NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) override;
  // A slice ends early, but not empty, after 16 MiB of messages.
  absl::StatusOr<std::vector<PendingRecord>> Scan(uint64_t after, int64_t count_max,
                                                  bool with_payload) override;
  absl::StatusOr<int64_t> Purge(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<std::vector<RemovedRecord>> ClaimExpired(absl::Time now, int64_t count_max,
                                                          int64_t bytes_max) override;
  using PendingQueue::MoveToDeadLetters;
  absl::Status MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) override;
  // A slice ends early, but not empty, after 16 MiB of messages.
  absl::StatusOr<std::vector<DeadLetter>> ScanDeadLetters(uint64_t after, int64_t count_max,
                                                          bool with_payload) override;
  absl::StatusOr<int64_t> RedriveDeadLetters(absl::Span<const uint64_t> sequences) override;
  absl::StatusOr<int64_t> PurgeDeadLetters(absl::Span<const uint64_t> sequences) override;
  PendingQueueStats GetStats() const override;
  void Close() override;

 private:
  enum class Phase { kOpen, kClosing, kClosed, kEnding };

  // Has the writer thread run `work` between two commits, and waits for it.
  absl::Status RunOnWriter(absl::FunctionRef<absl::Status()> work);

  void RunWriter();
  Phase WaitForWork(PendingInbox* work);
  void Serve(const PendingInbox& work);
  void Refuse(const PendingInbox& work);
  bool HasWork() const ABSL_SHARED_LOCKS_REQUIRED(mutex_);
  bool IsIdle() const ABSL_LOCKS_EXCLUDED(mutex_);

  Observer* observer_ = nullptr;  // Set by Open, before the thread.
  PendingWriter writer_;          // For the writer thread, but for its GetStats.
  std::thread thread_;            // Started by Open.
  bool may_shrink_ = false;       // Of the writer thread: there was work since it last shrank.

  std::atomic<uint64_t> sending_through_{0};  // What is durably noted, far ahead of
  std::atomic<uint64_t> sent_through_{0};     // what NoteSending was called for.

  mutable absl::Mutex mutex_;
  PendingInbox inbox_ ABSL_GUARDED_BY(mutex_);
  bool open_ ABSL_GUARDED_BY(mutex_) = false;
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_SQLITE_PENDING_QUEUE_H_
