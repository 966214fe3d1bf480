#include "transports/nats/in_flight_window.h"

#include <algorithm>
#include <utility>

namespace router {
namespace {

constexpr size_t kFirstSlots = 1024;

size_t RoundUpToPowerOfTwo(int64_t value) {
  size_t power = 1;
  while (static_cast<int64_t>(power) < value) power <<= 1;
  return power;
}

}  // namespace

InFlightWindow::InFlightWindow(int64_t capacity)
    : capacity_(RoundUpToPowerOfTwo(capacity)), slots_(std::min(capacity_, kFirstSlots)) {}

void InFlightWindow::Grow() {
  std::vector<InFlight> slots(2 * slots_.size());
  for (uint64_t number = head_; number < tail_; ++number) {
    slots[number & (slots.size() - 1)] = slot(number);
  }
  slots_ = std::move(slots);
}

uint64_t InFlightWindow::Add(Delivery* delivery, InFlight::State state) {
  if (tail_ - head_ == slots_.size()) Grow();
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
