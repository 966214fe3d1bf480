// The unit of work: one publish operation, from the moment it is validated until its caller is
// answered and, where it was queued, until the broker has confirmed it.
#ifndef ROUTER_SERVER_BASE_OPERATION_H_
#define ROUTER_SERVER_BASE_OPERATION_H_

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "transports/transport.h"

namespace router {

// What a caller is told. Every operation ends in exactly one of these.
enum class Outcome {
  kUnanswered,
  kDelivered,  // The broker confirmed it.
  kQueued,     // It is on disk here, fsynced, and will be delivered.
  kDropped,    // Fail-open mode: accepted and thrown away.
  kRejected,   // Not accepted; the caller still owns it. `status` says why.
};

// A stable hash of an ordering key: the same in every process and version, because it is stored.
uint64_t HashOrderingKey(absl::string_view ordering_key);

// What an operation counts for in every limit by bytes: the bytes of its subject, payload, headers,
// message id and ordering key, and a fixed 64 for what it costs beside them.
int64_t OperationSize(const Message& message, absl::string_view ordering_key);

// A hash of a message id.
uint64_t HashMessageId(absl::string_view message_id);

// A hash of what two publishes with one message id must have in common to be the same message:
// subject, payload, headers in any order but those that name a trace (a repetition is another span
// of it), ordering key and guarantee. Stable: it is stored.
uint64_t HashContent(const Message& message, absl::string_view ordering_key);

class PublishBatch;

// A delivery with what the router has to know about it. Lives in the storage of its PublishBatch
// (while a caller waits for it) or of the Drainer (while a queued one is being delivered).
// One owner at a time: whoever holds the pointer may touch it, nobody else.
struct Operation : Delivery {
  absl::string_view ordering_key;  // Never empty: the subject, where the caller gave none.
  int64_t size_bytes = 0;          // What it counts for in every limit by bytes.
  uint64_t content_hash = 0;       // Where the caller chose the message id.
  absl::Time accept_time;          // Wall clock, for people and for `expire_time`.
  absl::Time expire_time = absl::InfiniteFuture();

  PublishBatch* batch = nullptr;  // The waiting caller; null for one that comes from the queue.
  uint64_t operation_id = 0;      // Its sequence in the pending queue; 0 while it has none.
  uint64_t order = 0;             // Grows in the order in which the dispatcher took them.
  bool behind_backlog = false;    // Queued without a first try: its key had a backlog, or a pause.

  bool was_asked = false;  // It got past validation and counts as a publish.
  bool replayed = false;   // Answered like an earlier message with the same id.

  // The caller's answer; with kDelivered, stream, sequence and duplicate of Delivery belong to it.
  Outcome outcome = Outcome::kUnanswered;
  absl::Status status;  // OK unless kRejected.
};

// The operations of one call (or one stream frame), answered together. Owns the bytes its
// operations point into, by way of the subclass.
class PublishBatch {
 public:
  explicit PublishBatch(size_t count = 0) : operations_(count), unanswered_(count) {}
  virtual ~PublishBatch() = default;
  PublishBatch(const PublishBatch&) = delete;
  PublishBatch& operator=(const PublishBatch&) = delete;

  // Makes it a new batch of `count` operations, in the memory of the last one, which is done.
  void Reset(size_t count) {
    operations_.clear();
    operations_.resize(count);
    caller_deadline = SteadyTime::max();
    unanswered_.store(count, std::memory_order_relaxed);
  }

  std::vector<Operation>& operations() { return operations_; }

  SteadyTime start_time;  // When the call came in.

  // When the caller stops waiting; nothing is accepted on its behalf after that.
  SteadyTime caller_deadline = SteadyTime::max();

  // Marks `count` operations as answered. The one who answers the last calls Done. Thread-safe.
  void CountAnswered(size_t count) {
    if (unanswered_.fetch_sub(count, std::memory_order_acq_rel) == count) Done();
  }

 protected:
  // Every operation has its outcome. Called once, with no lock held, from the thread that answered
  // the last one; must not block. The batch is the callee's: it may delete it.
  virtual void Done() = 0;

 private:
  std::vector<Operation> operations_;
  std::atomic<size_t> unanswered_;
};

}  // namespace router

#endif  // ROUTER_SERVER_BASE_OPERATION_H_
