#include "server/dispatcher/recent_messages.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace router {

// Sorted before they are inserted: trees are filled fast, and full, from one end to the other.
void RecentMessages::Recover(std::vector<RecoveredId> ids) {
  if (ids.size() > options_.count_max) ids.erase(ids.begin(), ids.end() - options_.count_max);
  std::sort(ids.begin(), ids.end(), [](const RecoveredId& a, const RecoveredId& b) {
    return std::tie(a.id_hash, a.sequence) < std::tie(b.id_hash, b.sequence);
  });
  // Of those with the same id the first counts.
  ids.erase(std::unique(
                ids.begin(), ids.end(),
                [](const RecoveredId& a, const RecoveredId& b) { return a.id_hash == b.id_hash; }),
            ids.end());
  for (const RecoveredId& id : ids) {
    queued_.emplace_hint(queued_.end(), id.id_hash, Queued{id.content_hash, id.sequence});
  }
  std::sort(ids.begin(), ids.end(),
            [](const RecoveredId& a, const RecoveredId& b) { return a.sequence < b.sequence; });
  for (const RecoveredId& id : ids) {
    queued_ids_.emplace_hint(queued_ids_.end(), id.sequence, id.id_hash);
  }
}

RecentMessages::Relation RecentMessages::Admit(Operation* operation, SteadyTime now, Known* known) {
  ForgetOld(now);
  const uint64_t id_hash = HashMessageId(operation->message.message_id);
  *known = Known();
  const absl::optional<uint64_t> content_hash = Find(id_hash, known);
  if (!content_hash.has_value()) {
    unanswered_[id_hash].content_hash = operation->content_hash;
    return Relation::kNew;
  }
  if (*content_hash != operation->content_hash) return Relation::kConflict;
  if (known->outcome == Outcome::kUnanswered) unanswered_[id_hash].waiting.push_back(operation);
  return Relation::kSame;
}

// The hash of the content, where the id is known.
absl::optional<uint64_t> RecentMessages::Find(uint64_t id_hash, Known* known) const {
  if (auto it = unanswered_.find(id_hash); it != unanswered_.end()) return it->second.content_hash;
  if (auto it = queued_.find(id_hash); it != queued_.end()) {
    known->outcome = Outcome::kQueued;
    known->operation_id = it->second.operation_id;
    return it->second.content_hash;
  }
  if (auto it = delivered_.find(id_hash); it != delivered_.end()) {
    const Delivered& delivered = it->second;
    *known = {Outcome::kDelivered, delivered.stream, delivered.sequence, delivered.operation_id};
    return delivered.content_hash;
  }
  return absl::nullopt;
}

// Like Find, and forgets it.
absl::optional<uint64_t> RecentMessages::Take(uint64_t id_hash, std::vector<Operation*>* waiting) {
  Known known;
  const absl::optional<uint64_t> content_hash = Find(id_hash, &known);
  if (!content_hash.has_value()) return content_hash;
  switch (known.outcome) {
    case Outcome::kQueued:
      queued_ids_.erase(known.operation_id);
      queued_.erase(id_hash);
      break;
    case Outcome::kDelivered:
      delivered_.erase(id_hash);
      break;
    default:
      *waiting = std::move(unanswered_[id_hash].waiting);
      unanswered_.erase(id_hash);
      break;
  }
  return content_hash;
}

std::vector<Operation*> RecentMessages::Settle(const Operation& operation, SteadyTime now) {
  const uint64_t id_hash = HashMessageId(operation.message.message_id);
  std::vector<Operation*> waiting;
  const bool from_queue = operation.outcome == Outcome::kDelivered && operation.operation_id != 0;
  if (from_queue) {
    // Another message may have taken the id: while this one was a dead letter, or before a restart.
    const auto it = queued_.find(id_hash);
    if (it == queued_.end() || it->second.operation_id != operation.operation_id) return waiting;
  }
  const absl::optional<uint64_t> content_hash = Take(id_hash, &waiting);
  if (!content_hash.has_value()) return waiting;
  if (operation.outcome == Outcome::kQueued) {
    AddQueued(id_hash, {*content_hash, operation.operation_id});
  } else if (operation.outcome == Outcome::kDelivered) {
    delivered_[id_hash] = {*content_hash, operation.stream, operation.sequence,
                           operation.operation_id, now};
    settled_.push_back({id_hash, now});
  }
  return waiting;
}

void RecentMessages::AddQueued(uint64_t id_hash, const Queued& queued) {
  queued_[id_hash] = queued;
  queued_ids_.emplace_hint(queued_ids_.end(), queued.operation_id, id_hash);
  if (queued_.size() > options_.count_max) Forget(queued_ids_.begin()->first);
}

void RecentMessages::Forget(uint64_t operation_id) {
  auto it = queued_ids_.find(operation_id);
  if (it == queued_ids_.end()) return;
  queued_.erase(it->second);
  queued_ids_.erase(it);
}

void RecentMessages::ForgetOld(SteadyTime now) {
  const SteadyTime horizon = now - absl::ToChronoNanoseconds(options_.window);
  while (!settled_.empty() &&
         (settled_.front().when < horizon || settled_.size() > options_.count_max)) {
    auto it = delivered_.find(settled_.front().id_hash);
    if (it != delivered_.end() && it->second.when == settled_.front().when) delivered_.erase(it);
    settled_.pop_front();
  }
}

}  // namespace router
