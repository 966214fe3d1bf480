#ifndef ROUTER_TRANSPORTS_NATS_IN_FLIGHT_WINDOW_H_
#define ROUTER_TRANSPORTS_NATS_IN_FLIGHT_WINDOW_H_

#include <cstddef>
#include <cstdint>
#include <vector>

#include "transports/transport.h"

namespace router {

// A delivery that has left the inbox.
struct InFlight {
  enum class State : uint8_t {
    kSent,     // Given to the connection and unanswered.
    kWaiting,  // Surely not stored: refused for now, or waiting behind one that was.
    kSought,   // Sent by an earlier attempt, and being looked for in its stream.
    kMuted,    // Never sent, and pretends that it was: an injected timeout.
  };
  Delivery* delivery = nullptr;  // Null: settled.
  SteadyTime deadline;
  State state = State::kSent;
  bool is_core = false;  // Confirmed by a fence, not by an acknowledgement.
  // kSought only: why one before it of its key has failed meanwhile. It is not to be sent then.
  FailureReason overtakes = FailureReason::kNone;
};

// The deliveries between the inbox and their settlement, in the order in which they were first
// sent. A ring: each gets a number, from 1 and never used twice, and stands in slot number %
// capacity until it is settled. The slots between the oldest unsettled and the newest stay taken,
// so one that stays unsettled for long holds the window. Not thread-safe. Owns no delivery.
class InFlightWindow {
 public:
  // `capacity` is rounded up to a power of two. Takes memory for what it has held at a time.
  explicit InFlightWindow(int64_t capacity);

  int64_t capacity() const { return static_cast<int64_t>(capacity_); }
  bool full() const { return tail_ - head_ == capacity_; }
  bool empty() const { return head_ == tail_; }

  // Numbers in use are in [head, tail).
  uint64_t head() const { return head_; }
  uint64_t tail() const { return tail_; }

  // Adds a delivery and returns its number. The window must not be full. Entries may move.
  uint64_t Add(Delivery* delivery, InFlight::State state);

  // The entry with this number. Null when it is settled, or the number was never given.
  InFlight* Find(uint64_t number);

  // Takes an unsettled entry out and returns its delivery.
  Delivery* Remove(uint64_t number);

 private:
  InFlight& slot(uint64_t number) { return slots_[number & (slots_.size() - 1)]; }

  void Grow();

  const size_t capacity_;
  std::vector<InFlight> slots_;  // As many as a power of two, up to `capacity_`.
  uint64_t head_ = 1;
  uint64_t tail_ = 1;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_IN_FLIGHT_WINDOW_H_
