// PendingQueue is the durable FIFO of what is not yet delivered.
//
// Sequences are contiguous 64-bit numbers from 1, given in the order of Append, and never reused. A
// record is in the queue from the commit of its Append to the commit of its removal. A *claimed*
// record is in the hands of the drainer: nobody else may remove it. Claims are kept in memory only:
// after a restart nothing is claimed.
//
// Append, Remove, Release, NoteInDoubt and TrimOldest hand work to the queue's writer thread and
// return at once; they take effect in the order of the calls. The other calls block their caller
// until the writer has served them, between two commits.
#ifndef ROUTER_SERVER_PENDING_PENDING_QUEUE_H_
#define ROUTER_SERVER_PENDING_PENDING_QUEUE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/operation.h"
#include "transports/message.h"

namespace router {

// A queued operation, read back. Owns its bytes.
struct PendingRecord {
  uint64_t sequence = 0;  // The operation id.
  std::string subject;
  std::string payload;  // Empty where it was read without payloads.
  std::vector<std::pair<std::string, std::string>> headers;
  std::string message_id;
  bool caller_chose_id = false;
  std::string ordering_key;
  Guarantee guarantee = Guarantee::kStored;
  absl::Time accept_time;
  absl::Time expire_time = absl::InfiniteFuture();
  // Not before this it may have been sent to the broker for the first time; InfiniteFuture: surely
  // never.
  absl::Time first_sent_time = absl::InfiniteFuture();
  int64_t size_bytes = 0;
  bool claimed = false;  // Being delivered just now.
};

// What is left of a record that was removed: enough to settle the books.
struct RemovedRecord {
  uint64_t sequence = 0;
  uint64_t key_hash = 0;
  int64_t size_bytes = 0;
};

enum class RemovalCause {
  kPurged,
  kDroppedOldest,
  kDeadLettered,
  kDamaged,  // Its checksum did not match when it was read: set aside on disk, never delivered.
};

// A message that can never be delivered, kept with its reason until someone decides.
struct DeadLetterReason {
  std::string reason;  // A label: "refused", "no_stream", "too_large", "expired".
  std::string error;   // The broker's words.
  int64_t attempts = 0;
};

// A record whose caller chose the message id, by the hashes that make out a repeated message.
struct RecoveredId {
  uint64_t sequence = 0;
  uint64_t id_hash = 0;       // HashMessageId
  uint64_t content_hash = 0;  // HashContent
};

// What the queue holds when it is opened.
struct RecoveredQueue {
  std::vector<RemovedRecord> records;  // In order of sequence: sequence, key and size of each.
  std::vector<RecoveredId> ids;        // Those that callers chose, in order of sequence.
  int64_t dead_letters = 0;
};

struct PendingQueueStats {
  int64_t count = 0;              // Committed records, claimed ones included.
  int64_t bytes = 0;              // Sum of their size_bytes.
  absl::Time oldest_accept_time;  // InfiniteFuture when empty.
  int64_t dead_letters = 0;
  int64_t removed_total = 0;  // Records that calls of Remove have taken out, since Open.
  bool healthy = true;        // False while the last commit failed: appends are refused.
};

class PendingQueue {
 public:
  // Called from the writer thread, with no lock held, after the commit they speak of.
  class Observer {
   public:
    virtual ~Observer() = default;

    // OK: fsynced; each operation has its operation_id. Otherwise none of them is in the queue:
    // RESOURCE_EXHAUSTED (no room on the disk) or UNAVAILABLE (it failed). In order of Append.
    virtual void OnAppended(absl::Span<Operation* const> operations,
                            const absl::Status& status) = 0;

    // Removed for another reason than delivery, in chunks.
    virtual void OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) = 0;
  };

  virtual ~PendingQueue() = default;

  // Reads what is there and starts the writer. Call once, before anything else. Errors name the
  // path and what to do: FAILED_PRECONDITION when another process has the folder open.
  virtual absl::StatusOr<RecoveredQueue> Open(Observer* observer) = 0;

  // The operations stay the caller's memory but belong to the queue until OnAppended.
  virtual void Append(absl::Span<Operation* const> operations) = 0;

  // These are delivered. The caller has claimed them.
  virtual void Remove(absl::Span<const uint64_t> sequences) = 0;

  // Gives claimed records back undelivered; the next Claim may return them again.
  virtual void Release(absl::Span<const uint64_t> sequences) = 0;

  // Removes the oldest unclaimed records until at most `count_max` records of `bytes_max` bytes are
  // left, or no unclaimed ones; in the commit of the appends handed over before it.
  virtual void TrimOldest(int64_t count_max, int64_t bytes_max) = 0;

  // The next unclaimed records behind `after`, in order, now claimed; at most `count_max` and,
  // beyond the first, `bytes_max`. Empty at the end of the queue. A record that cannot be read back
  // is an error of that record alone: it is set aside, loudly, and skipped.
  virtual absl::StatusOr<std::vector<PendingRecord>> Claim(uint64_t after, int64_t count_max,
                                                           int64_t bytes_max) = 0;

  // Call before claimed records are handed to the broker. Durable before it returns: records up to
  // `through` may have been sent. Those of them that a later Open finds, and that have no
  // first_sent_time of their own, have their accept_time as such. On disk it is noted far ahead, so
  // that few calls cost a commit. On error nothing may be sent.
  virtual absl::Status NoteSending(uint64_t through) = 0;

  // These were handed to the broker, not before `since`, and may or may not be stored there: from
  // now on they have that first_sent_time, or the earlier one they had. Call while they are
  // claimed; others are ignored. Kept in memory until they leave the queue.
  virtual void NoteInDoubt(absl::Span<const uint64_t> sequences, absl::Time since) = 0;

  // Like Claim, but claims nothing and returns claimed records too. For inspection: callers ask for
  // small slices, so that the writer is never held up for long.
  virtual absl::StatusOr<std::vector<PendingRecord>> Scan(uint64_t after, int64_t count_max,
                                                          bool with_payload) = 0;

  // Removes the unclaimed ones of these. Returns how many; OnRemoved comes before it returns.
  virtual absl::StatusOr<int64_t> Purge(absl::Span<const uint64_t> sequences) = 0;

  // Moves a claimed record to the dead letters, in one commit.
  virtual absl::Status MoveToDeadLetters(uint64_t sequence, const DeadLetterReason& reason) = 0;

  virtual PendingQueueStats GetStats() const = 0;

  // Commits what was handed over, answers it, ends the writer thread. Later calls are refused with
  // UNAVAILABLE. Idempotent.
  virtual void Close() = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_QUEUE_H_
