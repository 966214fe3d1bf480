#include "server/dispatcher/recent_messages.h"

#include <xxhash.h>

#include <utility>

#include "absl/time/time.h"

namespace router {
namespace {

uint64_t Hash(absl::string_view bytes, uint64_t seed) {
  return XXH3_64bits_withSeed(bytes.data(), bytes.size(), seed);
}

// Headers come from a map, in no particular order: their hashes are added up.
uint64_t ContentHash(const Operation& operation) {
  const Message& message = operation.message;
  uint64_t headers = 0;
  for (const Header& header : message.headers) headers += Hash(header.value, Hash(header.key, 1));
  uint64_t hash = Hash(message.payload, headers);
  hash = Hash(message.subject, hash);
  hash = Hash(operation.ordering_key, hash);
  return hash + static_cast<uint64_t>(message.guarantee);
}

uint64_t IdHash(const Operation& operation) { return Hash(operation.message.message_id, 0); }

}  // namespace

RecentMessages::Relation RecentMessages::Admit(Operation* operation, SteadyTime now, Known* known) {
  ForgetOld(now);
  const uint64_t content_hash = ContentHash(*operation);
  auto [it, inserted] = entries_.try_emplace(IdHash(*operation));
  Entry& entry = it->second;
  if (inserted) {
    entry.content_hash = content_hash;
    return Relation::kNew;
  }
  if (entry.content_hash != content_hash) return Relation::kConflict;
  *known = entry.known;
  if (entry.known.outcome == Outcome::kUnanswered) entry.waiting.push_back(operation);
  return Relation::kSame;
}

std::vector<Operation*> RecentMessages::Settle(const Operation& operation, SteadyTime now) {
  auto it = entries_.find(IdHash(operation));
  if (it == entries_.end()) return {};
  Entry& entry = it->second;
  std::vector<Operation*> waiting = std::move(entry.waiting);
  entry.waiting.clear();
  if (operation.outcome != Outcome::kDelivered && operation.outcome != Outcome::kQueued) {
    entries_.erase(it);
    return waiting;
  }
  queued_.erase(entry.known.operation_id);
  if (operation.outcome == Outcome::kQueued) queued_[operation.operation_id] = it->first;
  entry.known = {operation.outcome, operation.stream, operation.sequence, operation.operation_id};
  entry.changed = now;
  // One that is queued stays known until it leaves the queue, as long as there are not too many.
  const bool stays = operation.outcome == Outcome::kQueued && queued_.size() <= options_.count_max;
  if (!stays) settled_.push_back({it->first, now});
  return waiting;
}

void RecentMessages::Forget(uint64_t operation_id) {
  auto queued = queued_.find(operation_id);
  if (queued == queued_.end()) return;
  entries_.erase(queued->second);
  queued_.erase(queued);
}

void RecentMessages::ForgetOld(SteadyTime now) {
  const SteadyTime horizon = now - absl::ToChronoNanoseconds(options_.window);
  while (!settled_.empty() &&
         (settled_.front().when < horizon || settled_.size() > options_.count_max)) {
    auto it = entries_.find(settled_.front().id_hash);
    if (it != entries_.end() && it->second.known.outcome != Outcome::kUnanswered &&
        it->second.changed == settled_.front().when) {
      queued_.erase(it->second.known.operation_id);
      entries_.erase(it);
    }
    settled_.pop_front();
  }
}

}  // namespace router
