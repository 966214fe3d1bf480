#include "tests/simulation/sim_broker.h"

#include <utility>

namespace router {

SimBroker::Stored SimBroker::Store(const SentMessage& sent, SteadyTime now) {
  Stored stored;
  if (!sent.id.empty()) {
    const auto [known, is_new] = known_.try_emplace(sent.id);
    if (!is_new && now < known->second.until) {
      stored.sequence = known->second.sequence;
      stored.duplicate = true;
      return stored;
    }
    known->second = {last_sequence_ + 1, now + duplicate_window_};
  }
  stored.sequence = ++last_sequence_;
  observer_->OnStored(sent.message);
  return stored;
}

bool SimBroker::StoreLate(SteadyTime now) {
  if (late_.empty()) return false;
  if (now - late_.front().since > duplicate_window_ / 2) {
    late_.clear();
    return true;
  }
  const Late late = std::move(late_.front());
  late_.pop_front();
  if (late.sent.message->refusal == Refusal::kNone) Store(late.sent, now);
  return true;
}

}  // namespace router
