#ifndef ROUTER_SERVER_DISPATCHER_LEDGER_H_
#define ROUTER_SERVER_DISPATCHER_LEDGER_H_

#include <cstdint>

namespace router {

// The books of the router: how many messages came in, and where every one of them is. Plain
// numbers; the dispatcher changes them under its lock, each transition as a whole.
struct Ledger {
  // Since the start. A message is accepted when its caller is told DELIVERED, QUEUED or DROPPED.
  int64_t taken = 0;  // Messages that came in.
  int64_t accepted = 0;
  int64_t recovered = 0;  // Found in the queue when it was opened.
  int64_t delivered_direct = 0;
  int64_t delivered_from_queue = 0;
  int64_t told_queued = 0;
  int64_t dropped_fail_open = 0;
  int64_t rejected = 0;
  int64_t replayed = 0;  // Answered like an earlier one with their id; not accepted once more.
  int64_t dropped_oldest = 0;
  int64_t dropped_and_kept = 0;  // Those of `dropped_oldest` that became dead letters.
  int64_t purged = 0;
  int64_t dead_lettered = 0;           // For another reason than being dropped.
  int64_t recovered_dead_letters = 0;  // Found when the queue was opened.
  int64_t redriven = 0;                // Dead letters put back into the queue.
  int64_t purged_dead_letters = 0;
  int64_t damaged_dead_letters = 0;
  int64_t damaged = 0;  // Unreadable on disk, and set aside there.

  // Now.
  int64_t queued_count = 0;  // Known to be in the queue.
  int64_t queued_bytes = 0;
  int64_t dead_letter_count = 0;
  int64_t dead_letter_bytes = 0;
  int64_t appending_count = 0;  // Handed to the queue and not answered.
  int64_t appending_bytes = 0;
  int64_t in_flight_count =
      0;  // Handed to the transport and not settled, redelivered ones included.
  int64_t in_flight_bytes = 0;
  int64_t redelivering_count = 0;  // Those of them that come from the queue.
  int64_t waiting_count = 0;       // Waiting for room, or for older ones of their keys, in memory.
  int64_t waiting_bytes = 0;
  int64_t same_id_count = 0;  // Waiting for the outcome of another with their id.

  // Taken, and its caller not answered yet.
  int64_t InHand() const {
    return in_flight_count - redelivering_count + appending_count + waiting_count + same_id_count;
  }

  // The law of conservation: what was taken is answered or in hand, and what was accepted, or found
  // at the start, is in one of the places it can be in. What is in none of them; 0 at every moment.
  int64_t Unaccounted() const {
    const int64_t unanswered = taken - accepted - rejected - replayed - InHand();
    return unanswered + accepted + recovered + recovered_dead_letters - delivered_direct -
           delivered_from_queue - dropped_fail_open - (dropped_oldest - dropped_and_kept) - purged -
           purged_dead_letters - damaged - damaged_dead_letters - queued_count - dead_letter_count;
  }
};

struct LedgerSnapshot : Ledger {
  bool connected = false;
  bool paused = false;
};

}  // namespace router

#endif  // ROUTER_SERVER_DISPATCHER_LEDGER_H_
