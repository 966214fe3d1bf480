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
  if (const auto it = unanswered_.find(id_hash); it != unanswered_.end()) {
    if (it->second.content_hash != operation->content_hash) return Relation::kConflict;
    it->second.waiting.push_back(operation);
    return Relation::kSame;
  }
  const absl::optional<uint64_t> content_hash = FindAnswered(id_hash, known);
  if (!content_hash.has_value()) {
    unanswered_[id_hash].content_hash = operation->content_hash;
    return Relation::kNew;
  }
  return *content_hash == operation->content_hash ? Relation::kSame : Relation::kConflict;
}

// The hash of the content, where the id is known.
absl::optional<uint64_t> RecentMessages::FindAnswered(uint64_t id_hash, Known* known) const {
  if (const Queued* queued = queued_.Find(id_hash)) {
    known->outcome = Outcome::kQueued;
    known->operation_id = queued->operation_id;
    return queued->content_hash;
  }
  if (const Delivered* delivered = delivered_.Find(id_hash)) {
    *known = {Outcome::kDelivered, delivered->stream, delivered->sequence, 0};
    return delivered->content_hash;
  }
  return absl::nullopt;
}

std::vector<Operation*> RecentMessages::Settle(const Operation& operation, SteadyTime now) {
  const uint64_t id_hash = HashMessageId(operation.message.message_id);
  std::vector<Operation*> waiting;
  uint64_t content_hash = 0;
  if (operation.outcome == Outcome::kDelivered && operation.operation_id != 0) {
    // Another message may have taken the id: while this one was a dead letter, or before a restart.
    const Queued* queued = queued_.Find(id_hash);
    if (queued == nullptr || queued->operation_id != operation.operation_id) return waiting;
    content_hash = queued->content_hash;
    queued_.Erase(id_hash);
  } else {
    const auto it = unanswered_.find(id_hash);
    if (it == unanswered_.end()) return waiting;
    content_hash = it->second.content_hash;
    waiting = std::move(it->second.waiting);
    unanswered_.erase(it);
  }
  if (operation.outcome == Outcome::kQueued) {
    AddQueued(id_hash, {content_hash, operation.operation_id});
  } else if (operation.outcome == Outcome::kDelivered) {
    AddDelivered(id_hash, {content_hash, operation.sequence, operation.stream, now});
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
