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

#include <array>
#include <cstddef>
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
  std::string payload;        // Empty where it was read without payloads.
  int64_t payload_bytes = 0;  // Its size, also where it was read without.
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

// The key_hash of a record that was damaged in its key.
inline constexpr uint64_t kUnknownKeyHash = ~uint64_t{0};

// What is left of a record that was removed: enough to settle the books.
struct RemovedRecord {
  uint64_t sequence = 0;
  uint64_t key_hash = 0;  // Or kUnknownKeyHash.
  int64_t size_bytes = 0;
  absl::Time expire_time = absl::InfiniteFuture();
};

enum class RemovalCause {
  kPurged,
  kDroppedOldest,
  kDroppedAndKept,  // Dropped to make room, and kept as a dead letter.
  kDeadLettered,
  kDamaged,  // Its checksum did not match when it was read: set aside on disk, never delivered.
};

// Why messages become dead letters, as labels of metrics, of the API and on disk.
inline constexpr std::array<absl::string_view, 6> kDeadLetterLabels = {
    "refused", "no_stream", "too_large", "expired", "attempts", "dropped_oldest"};

inline constexpr absl::string_view kDroppedOldestLabel = kDeadLetterLabels[5];

// The index of a label in kDeadLetterLabels; that of "refused" for any other.
inline size_t DeadLetterLabelIndex(absl::string_view label) {
  for (size_t i = 0; i < kDeadLetterLabels.size(); ++i) {
    if (kDeadLetterLabels[i] == label) return i;
  }
  return 0;
}

// Why a message became a dead letter.
struct DeadLetterReason {
  std::string reason;            // One of kDeadLetterLabels.
  std::string error;             // Why the last attempt failed, in the broker's words.
  int64_t attempts = 0;          // Failed attempts to deliver it since the router started.
  std::string first_error = {};  // Why the first one failed.
};

// A message that left the queue undelivered, kept whole until someone decides. Owns its bytes.
struct DeadLetter {
  PendingRecord record;  // As it was in the queue, under the sequence that it had there.
  DeadLetterReason reason;
  absl::Time dead_time;  // When it became a dead letter.
};

struct DeadLetterVerdict {
  uint64_t sequence = 0;
  DeadLetterReason reason;
  std::string trace_id = {};  // For the log; empty where it is not known. Not stored.
};

// A record whose caller chose the message id, by the hashes that make out a repeated message.
struct RecoveredId {
  uint64_t sequence = 0;
  uint64_t id_hash = 0;       // HashMessageId
  uint64_t content_hash = 0;  // HashContent
};

// What the queue holds when it is opened.
struct RecoveredQueue {
  std::vector<RemovedRecord> records;  // In order of sequence.
  std::vector<RecoveredId> ids;        // Those that callers chose, in order of sequence.
  int64_t dead_letters = 0;
  int64_t dead_letter_bytes = 0;
  std::array<int64_t, kDeadLetterLabels.size()> dead_letters_by_label = {};
};

// Damage of what is on disk, found and not yet acknowledged by an operator.
struct QueueDamage {
  int64_t records = 0;  // At most so many accepted messages are damaged or missing.
  absl::Time since = absl::InfiniteFuture();  // When the first of it was found.
  std::string log_path;  // Says what was found; in its folder is what was set aside. Empty: none.

  bool any() const { return !log_path.empty(); }
};

struct PendingQueueStats {
  int64_t count = 0;              // Committed records, claimed ones included.
  int64_t bytes = 0;              // Sum of their size_bytes.
  absl::Time oldest_accept_time;  // InfiniteFuture when empty.
  // When the first of them expires, claimed ones included; InfiniteFuture where none does.
  absl::Time next_expire_time = absl::InfiniteFuture();
  int64_t dead_letters = 0;
  int64_t dead_letter_bytes = 0;  // Sum of their size_bytes.
  std::array<int64_t, kDeadLetterLabels.size()> dead_letters_by_label = {};
  // Since Open:
  int64_t removed_total = 0;   // Records that calls of Remove have taken out.
  int64_t taken_total = 0;     // Records removed for another reason.
  int64_t redriven_total = 0;  // Dead letters put back.
  bool healthy = true;         // False while the last commit failed: appends are refused.
  QueueDamage damage;
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

    // Dead letters that are in the queue again, with the sequences that they have there now.
    virtual void OnRedriven(absl::Span<const RemovedRecord> records) = 0;

    // Dead letters that are gone: kPurged or kDamaged.
    virtual void OnDeadLettersRemoved(absl::Span<const RemovedRecord> records,
                                      RemovalCause cause) = 0;
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

  // Removes the oldest unclaimed records until at most `count_max` records are left, and
  // `bytes_max` bytes of records and dead letters, or no unclaimed ones; in the commit of the
  // appends handed over before it. With `keep_dropped`, those that `bytes_max` leaves room for
  // become dead letters.
  virtual void TrimOldest(int64_t count_max, int64_t bytes_max, bool keep_dropped) = 0;

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

  // Claims the unclaimed records that expired at `now` or before, the earliest first, with the
  // limits of Claim.
  virtual absl::StatusOr<std::vector<RemovedRecord>> ClaimExpired(absl::Time now, int64_t count_max,
                                                                  int64_t bytes_max) = 0;

  // Moves claimed records to the dead letters: all of them in one commit, or none.
  // FAILED_PRECONDITION where one is not claimed.
  virtual absl::Status MoveToDeadLetters(absl::Span<const DeadLetterVerdict> verdicts) = 0;
  absl::Status MoveToDeadLetters(uint64_t sequence, const DeadLetterReason& reason) {
    const DeadLetterVerdict verdict = {sequence, reason};
    return MoveToDeadLetters(absl::MakeConstSpan(&verdict, 1));
  }

  // Like Scan, of the dead letters: those whose sequence is above `after`, in order.
  virtual absl::StatusOr<std::vector<DeadLetter>> ScanDeadLetters(uint64_t after, int64_t count_max,
                                                                  bool with_payload) = 0;

  // Puts dead letters back at the end of the queue, in the order of their sequences, in one commit:
  // each has a new sequence and is otherwise the message that it was, with its first_sent_time, but
  // that a time to live that has passed does not count any more. Returns how many; those that are
  // not there are skipped.
  // OnRedriven comes before it returns. Callers keep the slices small, as with Scan.
  virtual absl::StatusOr<int64_t> RedriveDeadLetters(absl::Span<const uint64_t> sequences) = 0;

  // Throws dead letters away for good. Returns how many; OnDeadLettersRemoved comes before it
  // returns.
  virtual absl::StatusOr<int64_t> PurgeDeadLetters(absl::Span<const uint64_t> sequences) = 0;

  virtual PendingQueueStats GetStats() const = 0;

  // Commits what was handed over, answers it, ends the writer thread. Later calls are refused with
  // UNAVAILABLE. Idempotent.
  virtual void Close() = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_PENDING_QUEUE_H_
