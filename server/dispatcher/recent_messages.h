#ifndef ROUTER_SERVER_DISPATCHER_RECENT_MESSAGES_H_
#define ROUTER_SERVER_DISPATCHER_RECENT_MESSAGES_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/base/operation.h"
#include "server/dispatcher/id_log.h"
#include "server/pending/pending_queue.h"

namespace router {

// What became of the messages whose ids their callers chose, of late: the same id with the same
// content gets the same answer without being sent again, and with another content it is a conflict.
//
// A message is known from its first publish, as long as it is queued, and until `window` after its
// delivery. At most `count_max` queued and `count_max` delivered ones are known; beyond that the
// oldest is forgotten first. Ids and contents are compared by 64-bit hashes of both: two different
// messages pass for one only where both collide. A queued one takes about 35 bytes, a delivered one
// about 60. Not thread-safe.
class RecentMessages {
 public:
  struct Options {
    absl::Duration window = absl::Minutes(2);
    size_t count_max = 1000000;
  };

  // The first result, as far as it is known.
  struct Known {
    Outcome outcome = Outcome::kUnanswered;  // kUnanswered, kDelivered or kQueued.
    absl::string_view stream;
    uint64_t sequence = 0;
    uint64_t operation_id = 0;
  };

  enum class Relation { kNew, kSame, kConflict };

  explicit RecentMessages(const Options& options) : options_(options) {}

  // The queue holds these from an earlier run, in this order. Call before anything else.
  void Recover(std::vector<RecoveredId> ids);

  // Looks `operation` up. kNew: it is known from now on. kSame: `*known` has the first result;
  // while that is kUnanswered the operation waits for it, and comes back from Settle. kConflict:
  // the id is known with another content.
  Relation Admit(Operation* operation, SteadyTime now, Known* known);

  // The operation with this id has its outcome (kDelivered, also later from the queue, or kQueued),
  // or will not be accepted (kDropped, kRejected: it is forgotten and may be published anew).
  // Returns the operations that waited for it; they share its fate. Ids that are not known are
  // ignored.
  std::vector<Operation*> Settle(const Operation& operation, SteadyTime now);

  // The queued operation has left the queue undelivered: its id may be published anew.
  void Forget(uint64_t operation_id);

 private:
  // The first of its id has no outcome yet.
  struct Unanswered {
    uint64_t content_hash = 0;
    std::vector<Operation*> waiting;  // Those that came after it.
  };
  struct Queued {
    uint64_t content_hash = 0;
    uint64_t operation_id = 0;
  };
  struct Delivered {
    uint64_t content_hash = 0;
    uint64_t sequence = 0;
    absl::string_view stream;
    SteadyTime when;
  };

  absl::optional<uint64_t> FindAnswered(uint64_t id_hash, Known* known) const;
  void AddQueued(uint64_t id_hash, const Queued& queued);
  void AddDelivered(uint64_t id_hash, const Delivered& delivered);
  void ForgetOld(SteadyTime now);

  const Options options_;

  // An id is in one of these.
  absl::flat_hash_map<uint64_t, Unanswered> unanswered_;
  IdLog<Queued> queued_;  // In order of operation id.
  IdLog<Delivered> delivered_;
};

}  // namespace router

#endif  // ROUTER_SERVER_DISPATCHER_RECENT_MESSAGES_H_
