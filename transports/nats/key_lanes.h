#ifndef ROUTER_TRANSPORTS_NATS_KEY_LANES_H_
#define ROUTER_TRANSPORTS_NATS_KEY_LANES_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/types/optional.h"

namespace router {

// Keeps deliveries from overtaking an earlier one of their ordering key whose fate is open.
//
// A *lane* is closed by deliveries that block it: one that was refused for the moment, one that is
// being looked for in its stream, and, in strict order, one that was sent and is not confirmed.
// What comes later of that key waits in the lane, until nothing blocks it any more. Where a
// blocking delivery ends unconfirmed, what waits must not be sent at all: it would overtake.
// Deliveries are known by their numbers in the window. Not thread-safe.
class KeyLanes {
 public:
  bool empty() const { return lanes_.empty(); }

  // Whether a delivery of this key has to wait.
  bool IsClosed(uint64_t key) const { return lanes_.contains(key); }

  // This delivery blocks the lane of its key; no change where it does so already.
  void Block(uint64_t key, uint64_t number);

  // Adds a delivery that waits, or lets one wait that was blocking. IsClosed(key) must be true.
  void Wait(uint64_t key, uint64_t number);

  // This delivery is settled: it neither blocks nor waits any more.
  void Remove(uint64_t key, uint64_t number);

  // The first one that waits, once nothing before it blocks the lane; it waits no more. Absent when
  // there is none; a lane where nothing waits or blocks is gone then.
  absl::optional<uint64_t> TakeNext(uint64_t key);

  // Everything of this key behind `number` that waits or blocks, in order. Changes nothing.
  std::vector<uint64_t> Behind(uint64_t key, uint64_t number) const;

 private:
  struct Lane {
    absl::btree_set<uint64_t> blocking;
    std::deque<uint64_t> waiting;
  };
  absl::flat_hash_map<uint64_t, Lane> lanes_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_KEY_LANES_H_
