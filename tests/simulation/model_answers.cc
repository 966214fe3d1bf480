// What callers are told: each publish once, and what fits the situation.
#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"
#include "tests/simulation/model.h"

namespace router {
namespace {

absl::string_view OutcomeName(Outcome outcome) {
  switch (outcome) {
    case Outcome::kUnanswered:
      return "UNANSWERED";
    case Outcome::kDelivered:
      return "DELIVERED";
    case Outcome::kQueued:
      return "QUEUED";
    case Outcome::kDropped:
      return "DROPPED";
    case Outcome::kRejected:
      return "REJECTED";
  }
  return "";
}

bool Has(const std::vector<const Operation*>& operations, const Operation& operation) {
  return std::find(operations.begin(), operations.end(), &operation) != operations.end();
}

bool IsConflict(const Operation& operation) {
  return operation.outcome == Outcome::kRejected &&
         error::ReasonOf(operation.status) == "MESSAGE_ID_CONFLICT";
}

}  // namespace

void Model::AddUnanswered(SimMessage* message) {
  ++unanswered_;
  if (message->unanswered++ > 0) ++waiting_for_same_id_;
}

void Model::RemoveUnanswered(SimMessage* message) {
  --unanswered_;
  if (--message->unanswered > 0) --waiting_for_same_id_;
}

void Model::OnPublishing(PublishBatch* batch) {
  for (const Operation& operation : batch->operations()) {
    const SimMessage& message = *messages_->Find(operation.message.payload);
    if (!message.valid || !message.caller_chose_id) continue;
    const SimMessage* const twin = message.twin;
    // What is put back into the queue is not known by its id again.
    if (message.redriven || (twin != nullptr && twin->redriven)) continue;
    if (twin != nullptr && (twin->unanswered > 0 || twin->records > 0)) {
      must_conflict_.push_back(&operation);
    } else if (message.unanswered == 0 && message.records > 0) {
      must_replay_.push_back(&operation);
    }
  }
  for (const Operation& operation : batch->operations()) {
    SimMessage* const message = messages_->Find(operation.message.payload);
    ++publishes_;
    if (message->first_published == 0) message->first_published = publishes_;
    // One that waits for another with its id gets its place once it need not wait any more.
    const bool waits = message->unanswered > 0;
    message->last_published = waits ? std::numeric_limits<int64_t>::max() : publishes_;
    AddUnanswered(message);
    published_bytes_ += message->size_bytes;
  }
}

void Model::OnPublished(PublishBatch* batch) {
  const bool drops = mode_is_on() && !paused_ && !life_.transport->connected();
  for (const Operation& operation : batch->operations()) {
    if (!drops || operation.outcome != Outcome::kUnanswered) continue;
    const SimMessage& message = *messages_->Find(operation.message.payload);
    Expect(message.unanswered > 1, "fail-open mode is on, and a message was not dropped at once");
  }
  for (const Operation* operation : must_conflict_) {
    Expect(IsConflict(*operation), "an id that belongs to another message was accepted");
  }
  for (const Operation* operation : must_replay_) {
    Expect(operation->replayed && operation->outcome == Outcome::kQueued,
           "a message that is queued was not answered with that");
  }
}

void Model::OnAnswered(absl::Span<Operation* const> operations) {
  for (const Operation* operation : operations) {
    SimMessage* const message = messages_->Find(operation->message.payload);
    if (trace_->on()) {
      trace_->Note(absl::StrCat("m", message->number, "=", OutcomeName(operation->outcome),
                                operation->outcome == Outcome::kRejected
                                    ? absl::StrCat("(", error::ReasonOf(operation->status), ")")
                                    : "",
                                operation->replayed ? "(replayed)" : "",
                                watching_ ? "" : "(unheard)"));
    }
    if (!watching_) continue;
    sent_directly_.erase(operation);
    const bool had_failed = failed();
    CheckAnswer(*operation, message);
    if (failed() && !had_failed) {
      absl::StrAppend(&failure_, " (m", message->number, ", told ", OutcomeName(operation->outcome),
                      " ", operation->status.message(), ")");
    }
    CountAnswer(*operation);
    if (message->unanswered == 0) return Fail("a caller was answered twice");
    RemoveUnanswered(message);
  }
}

void Model::CheckAnswer(const Operation& operation, SimMessage* message) {
  const Outcome outcome = operation.outcome;
  Expect((outcome == Outcome::kRejected) == !operation.status.ok(),
         "an error, and only an error, has a status");
  if (outcome == Outcome::kDelivered || outcome == Outcome::kQueued) message->accepted = true;
  if (operation.replayed) return CheckReplay(operation, *message);
  switch (outcome) {
    case Outcome::kUnanswered:
      return Fail("an answer without an outcome");
    case Outcome::kDelivered:
      return CheckDelivered(operation, *message);
    case Outcome::kQueued:
      return CheckQueued(operation, *message);
    case Outcome::kDropped:
      return CheckDropped(operation);
    case Outcome::kRejected:
      return CheckRejected(operation, *message);
  }
}

void Model::CheckReplay(const Operation& operation, const SimMessage& message) {
  Expect(message.caller_chose_id, "a message without an id of its caller was taken for another");
  if (operation.outcome == Outcome::kDelivered) {
    return Expect(message.is_stored(), "told DELIVERED, and the broker does not have it");
  }
  Expect(operation.outcome == Outcome::kQueued, "only successes are told again");
  const auto record = records_.find(operation.operation_id);
  Expect(record != records_.end() && record->second.message == &message,
         "told QUEUED again, and it is not in the queue");
}

void Model::CheckDelivered(const Operation& operation, const SimMessage& message) {
  Expect(message.is_stored(), "told DELIVERED, and the broker does not have it");
  Expect(operation.verdict == Verdict::kConfirmed, "told DELIVERED without a confirmation");
  const bool has_place = operation.sequence > 0 && !operation.stream.empty();
  Expect(has_place == (message.guarantee == Guarantee::kStored),
         "a confirmation without its stream and sequence");
}

void Model::CheckQueued(const Operation& operation, const SimMessage& message) {
  const auto stored = life_.contents->records.find(operation.operation_id);
  if (stored == life_.contents->records.end()) {
    // It may have been the oldest at once: the same commit has then dropped it, and says so next.
    return Expect(options_.dispatcher.full_policy == FullPolicy::kDropOldest,
                  "told QUEUED, and it is not on disk");
  }
  const PendingRecord& record = stored->second.record;
  Expect(record.payload == message.payload && record.message_id == message.id &&
             record.ordering_key == message.subject && record.guarantee == message.guarantee,
         "told QUEUED, and another message is on disk");
  Expect(operation.verdict != Verdict::kConfirmed && operation.verdict != Verdict::kRefused,
         "queued though the broker had decided");
}

void Model::CheckDropped(const Operation& operation) {
  Expect(mode_is_on() && !paused_, "dropped while fail-open mode is off");
  const bool decided =
      operation.verdict == Verdict::kConfirmed || operation.verdict == Verdict::kRefused;
  Expect(!decided, "dropped though the broker had decided");
  const bool tried = operation.verdict != Verdict::kPending;
  const bool late = operation.reason == FailureReason::kTimeout;
  Expect(tried || late || !life_.transport->connected() || QueueWasFull(operation.size_bytes),
         "dropped untried, though the broker is there");
}

void Model::CheckRejected(const Operation& operation, const SimMessage& message) {
  const std::string reason = error::ReasonOf(operation.status);
  if (!message.valid) return Expect(reason == "SUBJECT_INVALID", "rejected for another reason");
  if (reason == "MESSAGE_ID_CONFLICT") {
    Expect(message.twin != nullptr && message.twin->first_published > 0,
           "an id is said to belong to another message, and there is none");
  } else if (reason == "NO_STREAM_FOR_SUBJECT" || reason == "BROKER_REFUSED") {
    const bool no_stream = operation.refusal == Refusal::kNoStreamForSubject;
    Expect(operation.verdict == Verdict::kRefused && no_stream == (reason[0] == 'N'),
           "the broker is said to have refused");
  } else if (reason == "DEADLINE_EXCEEDED") {
    Expect(clock_->SteadyNow() >= operation.batch->caller_deadline,
           "a caller was sent away before its deadline");
  } else if (reason == "PENDING_QUEUE_FULL") {
    Expect(!mode_is_on() || paused_, "fail-open mode is on, and a full queue rejected");
    Expect(QueueWasFull(operation.size_bytes), "a queue with room is said to be full");
    const bool blocks = options_.dispatcher.full_policy == FullPolicy::kBlock &&
                        operation.size_bytes <= options_.dispatcher.queue_bytes_max && !draining_;
    Expect(!blocks || WaitingWasFull(operation.size_bytes), "a caller was not made to wait");
  } else if (reason == "WINDOW_FULL") {
    const int64_t appending = before_.appending_bytes + appended_bytes_;
    Expect(
        WaitingWasFull(operation.size_bytes) || appending > options_.dispatcher.waiting_bytes_max,
        "a window with room is said to be full");
  } else if (reason == "SPOOL_FULL" || reason == "SPOOL_IO_ERROR") {
    Expect(Has(failed_appends_, operation), "the disk is said to have failed");
  } else if (reason == "DRAINING") {
    Expect(draining_, "a router that is not shutting down says so");
  } else {
    Fail("an error that cannot be");
  }
}

// At any moment of the present step, as far as the model can tell.
bool Model::QueueWasFull(int64_t size_bytes) const {
  int64_t count_max = options_.dispatcher.queue_count_max;
  int64_t bytes_max = options_.dispatcher.queue_bytes_max;
  if (options_.dispatcher.full_policy == FullPolicy::kDropOldest) {
    count_max += options_.window;
    bytes_max += options_.dispatcher.in_flight_bytes_max;
  }
  const int64_t count = before_.queued_count + before_.appending_count + appended_count_;
  const int64_t dead_bytes = before_.dead_letter_bytes;
  const int64_t bytes =
      before_.queued_bytes + dead_bytes + before_.appending_bytes + appended_bytes_;
  return dead_bytes + size_bytes > options_.dispatcher.queue_bytes_max || count >= count_max ||
         bytes + size_bytes > bytes_max || before_.waiting_count > 0 || WaitingWasFull(size_bytes);
}

bool Model::WaitingWasFull(int64_t size_bytes) const {
  return before_.waiting_bytes + before_.in_flight_bytes + published_bytes_ + size_bytes >
         options_.dispatcher.waiting_bytes_max;
}

void Model::CountAnswer(const Operation& operation) {
  if (operation.replayed) return;
  switch (operation.outcome) {
    case Outcome::kDelivered:
      ++books_.accepted;
      ++books_.delivered_direct;
      if (operation.duplicate) ++books_.delivered_duplicate;
      break;
    case Outcome::kQueued:
      ++books_.accepted;
      ++books_.told_queued;
      break;
    case Outcome::kDropped:
      ++books_.accepted;
      ++books_.dropped_fail_open;
      break;
    case Outcome::kRejected:
    case Outcome::kUnanswered:
      ++books_.rejected;
      break;
  }
}

}  // namespace router
