#include "transports/nats/in_flight_window.h"

#include <algorithm>

namespace router {
namespace {

size_t RoundUpToPowerOfTwo(int64_t value) {
  size_t power = 1;
  while (static_cast<int64_t>(power) < value) power <<= 1;
  return power;
}

}  // namespace

InFlightWindow::InFlightWindow(int64_t capacity) : slots_(RoundUpToPowerOfTwo(capacity)) {}

uint64_t InFlightWindow::Add(Delivery* delivery, InFlight::State state) {
  InFlight& entry = slot(tail_);
  entry.delivery = delivery;
  entry.deadline = delivery->deadline;
  entry.state = state;
  entry.overtakes = FailureReason::kNone;
  entry.is_core = delivery->message.guarantee == Guarantee::kReceived;
  return tail_++;
}

InFlight* InFlightWindow::Find(uint64_t number) {
  if (number < head_ || number >= tail_) return nullptr;
  InFlight& entry = slot(number);
  return entry.delivery == nullptr ? nullptr : &entry;
}

Delivery* InFlightWindow::Remove(uint64_t number) {
  InFlight& entry = slot(number);
  Delivery* const delivery = entry.delivery;
  entry.delivery = nullptr;
  while (head_ != tail_ && slot(head_).delivery == nullptr) ++head_;
  return delivery;
}

}  // namespace router
