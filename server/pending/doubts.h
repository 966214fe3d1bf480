#ifndef ROUTER_SERVER_PENDING_DOUBTS_H_
#define ROUTER_SERVER_PENDING_DOUBTS_H_

#include <algorithm>
#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/pending/pending_queue.h"

namespace router {

// Which records of an open queue may have been sent to the broker, and since when, beside what
// stands in the records themselves. Not thread-safe.
class Doubts {
 public:
  // Records up to `through` may have been sent before the queue was opened.
  void SetRecoveredThrough(uint64_t through) { recovered_through_ = through; }
  uint64_t recovered_through() const { return recovered_through_; }

  // It may have been sent, not before `since`.
  void Add(uint64_t sequence, absl::Time since) {
    absl::Time& known = since_.try_emplace(sequence, since).first->second;
    known = std::min(known, since);
  }

  // The record has left the queue.
  void Forget(uint64_t sequence) { since_.erase(sequence); }

  // Whether there is anything beside what stands in the record.
  bool Has(uint64_t sequence) const {
    return sequence <= recovered_through_ || since_.contains(sequence);
  }

  // The earliest of what is known.
  absl::Time FirstSentTime(const PendingRecord& record) const {
    absl::Time first = record.first_sent_time;
    if (record.sequence <= recovered_through_) first = std::min(first, record.accept_time);
    const auto known = since_.find(record.sequence);
    return known == since_.end() ? first : std::min(first, known->second);
  }

 private:
  uint64_t recovered_through_ = 0;
  absl::flat_hash_map<uint64_t, absl::Time> since_;
};

}  // namespace router

#endif  // ROUTER_SERVER_PENDING_DOUBTS_H_
