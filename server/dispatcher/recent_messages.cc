#include "server/dispatcher/recent_messages.h"

#include <utility>

namespace router {

void RecentMessages::Recover(std::vector<RecoveredId> ids) {
  if (ids.size() > options_.count_max) ids.erase(ids.begin(), ids.end() - options_.count_max);
  for (const RecoveredId& id : ids) {
    if (queued_.Find(id.id_hash) != nullptr)
      continue;  // Of those with the same id the first counts.
    queued_.Add(id.id_hash, {id.content_hash, id.sequence});
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
  if (const Queued* queued = queued_.Find(id_hash)) {
    known->outcome = Outcome::kQueued;
    known->operation_id = queued->operation_id;
    return queued->content_hash;
  }
  if (const Delivered* delivered = delivered_.Find(id_hash)) {
    known->outcome = Outcome::kDelivered;
    known->stream = delivered->stream;
    known->sequence = delivered->sequence;
    return delivered->content_hash;
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
      queued_.Erase(id_hash);
      break;
    case Outcome::kDelivered:
      delivered_.Erase(id_hash);
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
    const Queued* queued = queued_.Find(id_hash);
    if (queued == nullptr || queued->operation_id != operation.operation_id) return waiting;
  }
  const absl::optional<uint64_t> content_hash = Take(id_hash, &waiting);
  if (!content_hash.has_value()) return waiting;
  if (operation.outcome == Outcome::kQueued) {
    AddQueued(id_hash, {*content_hash, operation.operation_id});
  } else if (operation.outcome == Outcome::kDelivered) {
    AddDelivered(id_hash, {*content_hash, operation.sequence, operation.stream, now});
  }
  return waiting;
}

void RecentMessages::AddQueued(uint64_t id_hash, const Queued& queued) {
  queued_.Add(id_hash, queued);
  if (queued_.size() > options_.count_max) queued_.EraseOldest();
}

void RecentMessages::AddDelivered(uint64_t id_hash, const Delivered& delivered) {
  delivered_.Add(id_hash, delivered);
  if (delivered_.size() > options_.count_max) delivered_.EraseOldest();
}

void RecentMessages::Forget(uint64_t operation_id) {
  const auto* found =
      queued_.FindOrdered(operation_id, [](const Queued& queued) { return queued.operation_id; });
  if (found != nullptr) queued_.Erase(found->id_hash);
}

void RecentMessages::ForgetOld(SteadyTime now) {
  const SteadyTime horizon = now - absl::ToChronoNanoseconds(options_.window);
  while (!delivered_.empty() && delivered_.oldest().value.when < horizon) delivered_.EraseOldest();
}

}  // namespace router
