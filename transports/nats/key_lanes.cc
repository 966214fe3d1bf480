#include "transports/nats/key_lanes.h"

#include <algorithm>

namespace router {

void KeyLanes::Block(uint64_t key, uint64_t number) { lanes_[key].blocking.insert(number); }

void KeyLanes::Wait(uint64_t key, uint64_t number) {
  Lane& lane = lanes_.find(key)->second;
  lane.blocking.erase(number);
  lane.waiting.insert(std::upper_bound(lane.waiting.begin(), lane.waiting.end(), number), number);
}

void KeyLanes::Remove(uint64_t key, uint64_t number) {
  const auto found = lanes_.find(key);
  if (found == lanes_.end()) return;
  Lane& lane = found->second;
  if (lane.blocking.erase(number) == 0) {
    // In the order of their numbers.
    const auto at = std::lower_bound(lane.waiting.begin(), lane.waiting.end(), number);
    if (at != lane.waiting.end() && *at == number) lane.waiting.erase(at);
  }
  if (lane.blocking.empty() && lane.waiting.empty()) lanes_.erase(found);
}

absl::optional<uint64_t> KeyLanes::TakeNext(uint64_t key) {
  const auto found = lanes_.find(key);
  if (found == lanes_.end()) return absl::nullopt;
  const absl::btree_set<uint64_t>& blocking = found->second.blocking;
  std::deque<uint64_t>& waiting = found->second.waiting;
  if (waiting.empty() || (!blocking.empty() && *blocking.begin() < waiting.front())) {
    if (waiting.empty() && blocking.empty()) lanes_.erase(found);
    return absl::nullopt;
  }
  const uint64_t next = waiting.front();
  waiting.pop_front();
  return next;
}

std::vector<uint64_t> KeyLanes::Behind(uint64_t key, uint64_t number) const {
  std::vector<uint64_t> behind;
  const auto found = lanes_.find(key);
  if (found == lanes_.end()) return behind;
  const auto add = [&](uint64_t other) {
    if (other > number) behind.push_back(other);
  };
  std::for_each(found->second.blocking.begin(), found->second.blocking.end(), add);
  std::for_each(found->second.waiting.begin(), found->second.waiting.end(), add);
  std::sort(behind.begin(), behind.end());
  return behind;
}

}  // namespace router
