#ifndef ROUTER_SERVER_DISPATCHER_KEY_COUNTERS_H_
#define ROUTER_SERVER_DISPATCHER_KEY_COUNTERS_H_

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>

#include "server/pending/pending_queue.h"

namespace router {

// How many messages of each ordering key are somewhere: counters in a fixed table, by hash of the
// key, so any number of messages costs the same memory. Two keys that share a slot pass for one:
// that makes a message wait or queue that need not, and never lets one overtake. Not thread-safe.
class KeyCounters {
 public:
  // Memory that calloc gives is not there before it is used.
  KeyCounters() : counts_(static_cast<uint32_t*>(std::calloc(kSlots, sizeof(uint32_t)))) {
    if (counts_ == nullptr) std::abort();
  }

  void Add(uint64_t key_hash) { ++counts_[Slot(key_hash)]; }
  // With kUnknownKeyHash nothing is removed: the slot that was meant stays occupied, and its keys
  // go on waiting or queueing.
  void Remove(uint64_t key_hash) {
    uint32_t& count = counts_[Slot(key_hash)];
    if (key_hash != kUnknownKeyHash && count > 0) --count;
  }
  bool Has(uint64_t key_hash) const { return counts_[Slot(key_hash)] != 0; }

  // Any hash of a slot stands for all of them; a slot is such a hash.
  static size_t Slot(uint64_t key_hash) { return key_hash & (kSlots - 1); }

 private:
  static constexpr size_t kSlots = size_t{1} << 18;

  struct Free {
    void operator()(uint32_t* counts) const { std::free(counts); }
  };
  const std::unique_ptr<uint32_t[], Free> counts_;
};

}  // namespace router

#endif  // ROUTER_SERVER_DISPATCHER_KEY_COUNTERS_H_
