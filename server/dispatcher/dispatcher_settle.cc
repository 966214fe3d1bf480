// What comes back: from the transport, and from the queue.
#include <algorithm>
#include <utility>

#include "server/dispatcher/dispatcher.h"
#include "server/errors/errors.h"

namespace router {
namespace {

absl::Status RefusalStatus(const Operation& operation) {
  const Message& message = operation.message;
  switch (operation.refusal) {
    case Refusal::kNoStreamForSubject:
      return error::NoStreamForSubject(message.subject);
    case Refusal::kMessageTooLarge:
    case Refusal::kOther:
    case Refusal::kNone:
      break;
  }
  return error::BrokerRefused(message.subject, operation.error);
}

absl::Status AppendStatus(const absl::Status& status) {
  return absl::IsResourceExhausted(status) ? error::SpoolFull(status.message())
                                           : error::SpoolIoError(status.message());
}

}  // namespace

void Dispatcher::SettleDirect(Operation* operation, SteadyTime now, Work* work) {
  if (operation->verdict == Verdict::kInDoubt) operation->first_sent_time = operation->accept_time;
  switch (operation->verdict) {
    case Verdict::kConfirmed:
      return Answer(operation, Outcome::kDelivered, absl::OkStatus(), work);
    case Verdict::kRefused:
      return Answer(operation, Outcome::kRejected, RefusalStatus(*operation), work);
    case Verdict::kFailed:
    case Verdict::kInDoubt:
    case Verdict::kPending:
      return KeepOrDrop(operation, now, work);
  }
}

void Dispatcher::SettleRedelivered(Operation* operation, Work* work) {
  --ledger_.redelivering_count;
  if (TriedAgain(*operation)) {
    ++redelivery_failures_;
    failed_keys_.push_back(operation->key_hash);
  }
  if (operation->verdict != Verdict::kConfirmed) return;
  backlog_.Remove(operation->key_hash);
  --ledger_.queued_count;
  ledger_.queued_bytes -= operation->size_bytes;
  ++ledger_.delivered_from_queue;
  operation->outcome = Outcome::kDelivered;
  if (operation->message.caller_chose_id) AnswerWaitingForSameId(*operation, work);
}

// All of them leave before the first is decided about: they do not have to wait for one another.
// Those that go to the queue now do so in the order in which they were taken, whichever failed
// first.
std::vector<Operation*> Dispatcher::LeaveWindow(absl::Span<Delivery* const> deliveries,
                                                Work* work) {
  std::vector<Operation*> operations;
  operations.reserve(deliveries.size());
  for (Delivery* delivery : deliveries) {
    Operation* operation = static_cast<Operation*>(delivery);
    --ledger_.in_flight_count;
    ledger_.in_flight_bytes -= operation->size_bytes;
    if (operation->batch != nullptr) LeaveDirectPath(*operation, work);
    operations.push_back(operation);
  }
  const auto is_older = [](const Operation* a, const Operation* b) { return a->order < b->order; };
  if (!std::is_sorted(operations.begin(), operations.end(), is_older)) {
    std::stable_sort(operations.begin(), operations.end(), is_older);
  }
  return operations;
}

void Dispatcher::OnUp(uint64_t epoch) {
  {
    absl::MutexLock lock(&mutex_);
    up_ = true;
    epoch_ = epoch;
  }
  redelivery_->OnDeliverable();
}

void Dispatcher::OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) {
  const SteadyTime now = clock_->SteadyNow();
  std::vector<Operation*> redelivered;
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    up_ = false;
    for (Operation* operation : LeaveWindow(take_unsettled(), &work)) {
      if (operation->batch != nullptr) {
        SettleDirect(operation, now, &work);
      } else {
        SettleRedelivered(operation, &work);
        redelivered.push_back(operation);
      }
    }
    for (Operation* operation : waiting_for_window_) {
      operation->reason = FailureReason::kNotConnected;
    }
    FlushWindowWaiting(now, &work);
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
  observer_->OnRedelivered(redelivered);
  redelivery_->OnConnectionEnded(redelivered);
}

void Dispatcher::OnSettled(absl::Span<Delivery* const> deliveries) {
  const SteadyTime now = clock_->SteadyNow();
  std::vector<Operation*> redelivered;
  bool drainer_rests = false;  // And nothing it has in flight will wake it.
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    for (Operation* operation : LeaveWindow(deliveries, &work)) {
      if (TriedAgain(*operation)) ++failures_;
      if (operation->batch != nullptr) {
        SettleDirect(operation, now, &work);
      } else {
        SettleRedelivered(operation, &work);
        redelivered.push_back(operation);
      }
    }
    AdmitWaiting(now, &work);
    HandOver(&work);
    drainer_rests = ledger_.queued_count > 0 && ledger_.redelivering_count == 0 && !paused_;
  }
  Finish(absl::MakeSpan(work.answered));
  if (redelivered.empty()) {
    if (drainer_rests) redelivery_->OnDeliverable();
    return;
  }
  observer_->OnRedelivered(redelivered);
  redelivery_->OnRedelivered(redelivered);
}

void Dispatcher::OnConnectionEvent(const ConnectionEvent& event) {
  observer_->OnConnectionEvent(event);
}

void Dispatcher::OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) {
  Work work;
  bool deliverable = false;
  {
    absl::MutexLock lock(&mutex_);
    for (Operation* operation : operations) {
      --ledger_.appending_count;
      ledger_.appending_bytes -= operation->size_bytes;
      if (!status.ok()) {
        backlog_.Remove(operation->key_hash);
        Answer(operation, Outcome::kRejected, AppendStatus(status), &work);
        continue;
      }
      ++ledger_.queued_count;
      ledger_.queued_bytes += operation->size_bytes;
      Answer(operation, Outcome::kQueued, absl::OkStatus(), &work);
    }
    if (!status.ok()) AdmitWaiting(clock_->SteadyNow(), &work);
    HandOver(&work);
    deliverable = up_ && !paused_;
  }
  Finish(absl::MakeSpan(work.answered));
  if (status.ok() && deliverable) redelivery_->OnDeliverable();
}

void Dispatcher::OnRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  const int64_t count = static_cast<int64_t>(records.size());
  const bool kept = cause == RemovalCause::kDeadLettered || cause == RemovalCause::kDroppedAndKept;
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    for (const RemovedRecord& record : records) {
      backlog_.Remove(record.key_hash);
      recent_.Forget(record.sequence);
      ledger_.queued_bytes -= record.size_bytes;
      if (kept) ledger_.dead_letter_bytes += record.size_bytes;
    }
    if (kept) ledger_.dead_letter_count += count;
    ledger_.queued_count -= count;
    switch (cause) {
      case RemovalCause::kPurged:
        ledger_.purged += count;
        break;
      case RemovalCause::kDroppedOldest:
        ledger_.dropped_oldest += count;
        break;
      case RemovalCause::kDroppedAndKept:
        ledger_.dropped_oldest += count;
        ledger_.dropped_and_kept += count;
        break;
      case RemovalCause::kDeadLettered:
        ledger_.dead_lettered += count;
        break;
      case RemovalCause::kDamaged:
        ledger_.damaged += count;
        break;
    }
    AdmitWaiting(clock_->SteadyNow(), &work);
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
  observer_->OnRemoved(count, cause);
}

void Dispatcher::OnRedriven(absl::Span<const RemovedRecord> records) {
  const int64_t count = static_cast<int64_t>(records.size());
  {
    absl::MutexLock lock(&mutex_);
    for (const RemovedRecord& record : records) {
      backlog_.Add(record.key_hash);
      ledger_.queued_bytes += record.size_bytes;
      ledger_.dead_letter_bytes -= record.size_bytes;
    }
    ledger_.queued_count += count;
    ledger_.dead_letter_count -= count;
    ledger_.redriven += count;
  }
  redelivery_->OnDeliverable();
}

void Dispatcher::OnDeadLettersRemoved(absl::Span<const RemovedRecord> records, RemovalCause cause) {
  const int64_t count = static_cast<int64_t>(records.size());
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    for (const RemovedRecord& record : records) ledger_.dead_letter_bytes -= record.size_bytes;
    ledger_.dead_letter_count -= count;
    (cause == RemovalCause::kDamaged ? ledger_.damaged_dead_letters
                                     : ledger_.purged_dead_letters) += count;
    AdmitWaiting(clock_->SteadyNow(), &work);
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
}

void Dispatcher::Finish(absl::Span<Operation* const> answered) {
  if (answered.empty()) return;
  observer_->OnAnswered(answered);
  for (size_t begin = 0; begin < answered.size();) {
    PublishBatch* batch = answered[begin]->batch;
    size_t end = begin + 1;
    while (end < answered.size() && answered[end]->batch == batch) ++end;
    batch->CountAnswered(end - begin);
    begin = end;
  }
}

}  // namespace router
