#include "transports/fault_injector.h"

namespace router {

void FaultInjector::Set(const Fault& fault) {
  absl::MutexLock lock(&mutex_);
  absl::optional<Fault>& slot = faults_[static_cast<size_t>(fault.operation)];
  slot.reset();
  if (fault.remaining != 0) slot = fault;
  UpdateAny();
}

void FaultInjector::Clear() {
  absl::MutexLock lock(&mutex_);
  faults_.fill(absl::nullopt);
  UpdateAny();
}

std::vector<Fault> FaultInjector::List() const {
  absl::MutexLock lock(&mutex_);
  std::vector<Fault> faults;
  for (const absl::optional<Fault>& fault : faults_) {
    if (fault.has_value()) faults.push_back(*fault);
  }
  return faults;
}

absl::optional<Fault> FaultInjector::Draw(FaultOperation operation) {
  if (!any_.load(std::memory_order_relaxed)) return absl::nullopt;
  absl::MutexLock lock(&mutex_);
  absl::optional<Fault>& slot = faults_[static_cast<size_t>(operation)];
  if (!slot.has_value() || !absl::Bernoulli(random_, slot->probability)) return absl::nullopt;
  if (slot->remaining > 0) --slot->remaining;
  const Fault drawn = *slot;
  if (drawn.remaining == 0) {
    slot.reset();
    UpdateAny();
  }
  return drawn;
}

void FaultInjector::UpdateAny() {
  bool any = false;
  for (const absl::optional<Fault>& fault : faults_) any = any || fault.has_value();
  any_.store(any, std::memory_order_relaxed);
}

}  // namespace router
