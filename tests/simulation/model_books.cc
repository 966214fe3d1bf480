// The router's own books against the model's, and the limits.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/simulation/model.h"

namespace router {
namespace {

int64_t Size(size_t size) { return static_cast<int64_t>(size); }

}  // namespace

LedgerSnapshot Model::ReadLedger() const {
  LedgerSnapshot ledger = life_.dispatcher->GetLedger();
  if (options_.bug == PlantedBug::kLedgerMiscount) {
    ledger.delivered_direct -= books_.delivered_duplicate;
  }
  return ledger;
}

void Model::CheckStep() {
  if (failed()) return;
  if (queue_changed_ || life_.contents->records.size() != records_.size()) {
    CheckQueue(*life_.contents);
  }
  queue_changed_ = false;
  const LedgerSnapshot ledger = ReadLedger();
  CheckBooks(ledger);
  CheckLimits(ledger);
  if (!suspects_.empty()) CheckOrder();
  if (last_dropped_ == 0) return;
  const auto oldest = std::find_if(records_.begin(), records_.end(),
                                   [](const auto& record) { return !record.second.claimed; });
  Expect(oldest == records_.end() || oldest->first > last_dropped_,
         "a record was dropped that is not the oldest");
}

void Model::CheckBooks(const LedgerSnapshot& ledger) {
  ExpectEqual(ledger.Unaccounted(), 0, "messages unaccounted for");
  ExpectEqual(life_.status->Get().unaccounted, 0, "messages unaccounted for in the status");
  ExpectEqual(ledger.accepted, books_.accepted, "accepted");
  ExpectEqual(ledger.recovered, books_.recovered, "recovered");
  ExpectEqual(ledger.delivered_direct, books_.delivered_direct, "delivered directly");
  ExpectEqual(ledger.delivered_from_queue, books_.delivered_from_queue, "delivered from the queue");
  ExpectEqual(ledger.told_queued, books_.told_queued, "told QUEUED");
  ExpectEqual(ledger.dropped_fail_open, books_.dropped_fail_open, "dropped");
  ExpectEqual(ledger.rejected, books_.rejected, "rejected");
  ExpectEqual(ledger.dropped_oldest, books_.dropped_oldest, "dropped as the oldest");
  ExpectEqual(ledger.purged, books_.purged, "purged");
  ExpectEqual(ledger.dead_lettered, books_.dead_lettered, "dead letters");
  ExpectEqual(ledger.dropped_and_kept, books_.dropped_and_kept, "dropped and kept");
  ExpectEqual(ledger.recovered_dead_letters, books_.recovered_dead_letters, "dead letters found");
  ExpectEqual(ledger.redriven, books_.redriven, "redriven");
  ExpectEqual(ledger.purged_dead_letters, books_.purged_dead_letters, "dead letters purged");
  ExpectEqual(ledger.dead_letter_count, Size(dead_letters_.size()), "dead letters now");
  ExpectEqual(ledger.dead_letter_bytes, books_.dead_letter_bytes, "bytes of dead letters");
  ExpectEqual(ledger.damaged + ledger.damaged_dead_letters, 0, "damaged");
  ExpectEqual(ledger.queued_count, books_.queued_count, "in the queue");
  ExpectEqual(ledger.queued_bytes, books_.queued_bytes, "bytes in the queue");
  ExpectEqual(ledger.appending_count, books_.appending_count, "on the way to the queue");
  ExpectEqual(ledger.appending_bytes, books_.appending_bytes, "bytes on the way to the queue");
  const SimTransport& transport = *life_.transport;
  ExpectEqual(ledger.in_flight_count, transport.unsettled_count(), "in flight");
  ExpectEqual(ledger.in_flight_bytes, transport.unsettled_bytes(), "bytes in flight");
  ExpectEqual(ledger.redelivering_count, transport.redelivering_count(), "redelivering");
  ExpectEqual(ledger.connected, transport.connected(), "connected");
  ExpectEqual(ledger.paused, paused_, "paused");
  ExpectEqual(life_.mode->enabled(), mode_is_on(), "fail-open mode");
  const int64_t in_hand = ledger.waiting_count + ledger.appending_count + ledger.in_flight_count -
                          ledger.redelivering_count;
  ExpectEqual(in_hand, unanswered_ - waiting_for_same_id_, "in hand, of those unanswered");
}

void Model::CheckLimits(const LedgerSnapshot& ledger) {
  const DispatcherOptions& limits = options_.dispatcher;
  const int64_t share = limits.full_policy == FullPolicy::kDropOldest ? options_.window : 0;
  Expect(ledger.queued_count + ledger.appending_count <= queue_count_limit_ + share,
         "more messages are queued than the limit");
  const int64_t share_bytes = share == 0 ? 0 : limits.in_flight_bytes_max;
  Expect(ledger.queued_bytes + ledger.dead_letter_bytes + ledger.appending_bytes <=
             queue_bytes_limit_ + share_bytes,
         "more bytes are queued than the limit");
  // A claim is handed over as a whole, and one message is always let through.
  constexpr int64_t kLargestMessage = 512;
  Expect(ledger.in_flight_bytes <=
             limits.in_flight_bytes_max + options_.drainer.claim_bytes_max + kLargestMessage,
         "more bytes are in flight than the limit");
  Expect(ledger.waiting_bytes >= 0 && ledger.waiting_count >= 0, "fewer than none are waiting");
  // What was in flight finds room.
  Expect(ledger.waiting_bytes <=
             limits.waiting_bytes_max + limits.in_flight_bytes_max + kLargestMessage,
         "more bytes are waiting than the limit");
}

// What is on disk is what was promised, no less and no more.
void Model::CheckQueue(const SimQueue::Contents& contents) {
  auto stored = contents.records.begin();
  for (auto record = records_.begin(); record != records_.end();) {
    const auto next = std::next(record);
    if (stored != contents.records.end() && stored->first == record->first) {
      Expect(stored->second.record.payload == record->second.message->payload,
             "a record has changed");
      ++stored;
    } else if (record->second.removing) {
      Leave(record);
    } else {
      return Fail(absl::StrCat("LOST: the record of m", record->second.message->number,
                               " has left the queue, and nobody took it out"));
    }
    record = next;
  }
  Expect(stored == contents.records.end(), "a record has come from nowhere");
  ExpectEqual(Size(contents.dead_letters.size()), Size(dead_letters_.size()), "dead letters kept");
  CheckDeadLetters(contents);
}

void Model::CheckDeadLetters(const SimQueue::Contents& contents) {
  for (const auto& [sequence, dead] : dead_letters_) {
    const auto kept = contents.dead_letters.find(sequence);
    Expect(kept != contents.dead_letters.end() &&
               kept->second.stored.record.payload == dead.message->payload,
           "a dead letter is not kept");
  }
}

void Model::CheckHealed() {
  const LedgerSnapshot ledger = ReadLedger();
  ExpectEqual(unanswered_, 0, "callers without an answer");
  ExpectEqual(ledger.queued_count, 0, "still queued");
  ExpectEqual(ledger.queued_bytes, 0, "bytes still queued");
  ExpectEqual(ledger.waiting_count, 0, "still waiting");
  ExpectEqual(ledger.waiting_bytes, 0, "bytes still waiting");
  ExpectEqual(ledger.appending_bytes, 0, "bytes still on the way to the queue");
  ExpectEqual(ledger.in_flight_bytes, 0, "bytes still in flight");
  CheckQueue(*life_.contents);
  ExpectEqual(Size(life_.contents->records.size()), 0, "records left");
  for (const SimMessage& message : messages_->all()) {
    if (!message.accepted || message.is_stored() || message.gone) continue;
    Fail(absl::StrCat("LOST: m", message.number, " was accepted, and the broker does not have it"));
  }
}

}  // namespace router
