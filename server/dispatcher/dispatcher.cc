#include "server/dispatcher/dispatcher.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"

namespace router {
namespace {

// A part of the caller's time is kept for queueing what could not be delivered in the rest.
SteadyTime AttemptDeadline(SteadyTime now, SteadyTime caller_deadline, absl::Duration ack_timeout) {
  const SteadyTime by_timeout = now + absl::ToChronoNanoseconds(ack_timeout);
  if (caller_deadline == SteadyTime::max()) return by_timeout;
  return std::min(by_timeout, now + (caller_deadline - now) / 4 * 3);
}

}  // namespace

Dispatcher::Dispatcher(const DispatcherOptions& options, Clock* clock, ModeController* mode,
                       Transport* transport, PendingQueue* queue, PublishObserver* observer)
    : options_(options),
      in_flight_max_(transport->max_in_flight()),
      clock_(clock),
      mode_(mode),
      transport_(transport),
      queue_(queue),
      observer_(observer),
      recent_(options.recent) {}

absl::Status Dispatcher::OpenQueue() {
  absl::StatusOr<RecoveredQueue> recovered = queue_->Open(this);
  if (!recovered.ok()) return recovered.status();
  absl::MutexLock lock(&mutex_);
  for (const RemovedRecord& record : recovered->records) {
    backlog_.Add(record.key_hash);
    ++ledger_.recovered;
    ++ledger_.queued_count;
    ledger_.queued_bytes += record.size_bytes;
  }
  recovered->records = {};  // A million of them is memory.
  recent_.Recover(std::move(recovered->ids));
  ledger_.recovered_dead_letters = recovered->dead_letters;
  ledger_.dead_letter_count = recovered->dead_letters;
  ledger_.dead_letter_bytes = recovered->dead_letter_bytes;
  return absl::OkStatus();
}

absl::Status Dispatcher::Start(RedeliveryObserver* redelivery) {
  redelivery_ = redelivery;
  return transport_->Start(this);
}

void Dispatcher::Publish(absl::Span<PublishBatch* const> batches) {
  for (PublishBatch* batch : batches) {
    for (Operation& operation : batch->operations()) {
      operation.batch = batch;
      operation.was_asked = operation.outcome == Outcome::kUnanswered;
    }
    observer_->OnPublish(batch->operations());
  }
  const SteadyTime now = clock_->SteadyNow();
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    for (PublishBatch* batch : batches) RouteAll(batch, now, &work);
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
}

void Dispatcher::RouteAll(PublishBatch* batch, SteadyTime now, Work* work) {
  const SteadyTime attempt_deadline =
      AttemptDeadline(now, batch->caller_deadline, options_.ack_timeout);
  ledger_.taken += static_cast<int64_t>(batch->operations().size());
  for (Operation& operation : batch->operations()) {
    if (operation.outcome != Outcome::kUnanswered) {
      ++ledger_.rejected;
      work->answered.push_back(&operation);
      continue;
    }
    operation.deadline = attempt_deadline;
    Route(&operation, now, work);
  }
}

void Dispatcher::Route(Operation* operation, SteadyTime now, Work* work) {
  // First of all: what is rejected below gives its id free, and must own it.
  if (operation->message.caller_chose_id && AnswerFromMemory(operation, now, work)) return;
  if (!accepting_) return Answer(operation, Outcome::kRejected, error::Draining(), work);
  if (now >= operation->batch->caller_deadline) {
    operation->reason = FailureReason::kTimeout;
    return Answer(operation, Outcome::kRejected, error::DeadlineExceeded(), work);
  }
  const bool is_direct = up_ && !paused_ && !backlog_.Has(operation->key_hash);
  if (!is_direct && ledger_.appending_bytes > options_.waiting_bytes_max) {
    operation->reason = FailureReason::kTimeout;  // The disk does not keep up.
    return Answer(operation, Outcome::kRejected,
                  error::WindowFull(ledger_.appending_bytes, options_.waiting_bytes_max), work);
  }
  operation->order = ++last_order_;
  if (paused_) {
    operation->behind_backlog = true;
    return Enqueue(operation, now, work);
  }
  if (!up_) {
    operation->reason = FailureReason::kNotConnected;
    return KeepOrDrop(operation, now, work);
  }
  if (!is_direct) {
    operation->behind_backlog = true;
    return Enqueue(operation, now, work);
  }
  if (waiting_for_window_.empty() && WindowHasRoom(operation->size_bytes)) {
    direct_.Add(operation->key_hash);
    return Deliver(operation, work);
  }
  WaitForWindow(operation, work);
}

bool Dispatcher::AnswerFromMemory(Operation* operation, SteadyTime now, Work* work) {
  RecentMessages::Known known;
  switch (recent_.Admit(operation, now, &known)) {
    case RecentMessages::Relation::kNew:
      return false;
    case RecentMessages::Relation::kConflict:
      // Answered without Settle: the id belongs to the other message.
      operation->outcome = Outcome::kRejected;
      operation->status = error::MessageIdConflict(operation->message.message_id);
      ++ledger_.rejected;
      work->answered.push_back(operation);
      return true;
    case RecentMessages::Relation::kSame:
      break;
  }
  if (known.outcome == Outcome::kUnanswered) {  // AnswerWaitingForSameId answers it.
    ++ledger_.same_id_count;
    return true;
  }
  ++ledger_.replayed;
  operation->outcome = known.outcome;
  operation->stream = known.stream;
  operation->sequence = known.sequence;
  operation->replayed = true;
  operation->duplicate = known.outcome == Outcome::kDelivered;
  operation->operation_id = known.operation_id;
  operation->behind_backlog = known.outcome == Outcome::kQueued;
  work->answered.push_back(operation);
  return true;
}

void Dispatcher::Deliver(Operation* operation, Work* work) {
  ++ledger_.in_flight_count;
  ledger_.in_flight_bytes += operation->size_bytes;
  operation->failures_known = failures_;
  work->to_transport.push_back(operation);
}

void Dispatcher::KeepOrDrop(Operation* operation, SteadyTime now, Work* work) {
  if (mode_->enabled() && !paused_) {
    return Answer(operation, Outcome::kDropped, absl::OkStatus(), work);
  }
  Enqueue(operation, now, work);
}

void Dispatcher::Enqueue(Operation* operation, SteadyTime now, Work* work) {
  if (now >= operation->batch->caller_deadline) {
    return Answer(operation, Outcome::kRejected, error::DeadlineExceeded(), work);
  }
  if (MustHold(*operation)) return Hold(operation, work);
  if (waiting_for_queue_.empty() && QueueHasRoom(operation->size_bytes)) {
    backlog_.Add(operation->key_hash);
    return Append(operation, work);
  }
  if (mode_->enabled() && !paused_) {
    return Answer(operation, Outcome::kDropped, absl::OkStatus(), work);
  }
  const bool can_wait = options_.full_policy == FullPolicy::kBlock && accepting_ &&
                        operation->size_bytes <= options_.queue_bytes_max &&
                        ledger_.waiting_bytes + operation->size_bytes <= options_.waiting_bytes_max;
  if (!can_wait) {
    return Answer(operation, Outcome::kRejected,
                  error::PendingQueueFull(ledger_.queued_count, options_.queue_count_max,
                                          ledger_.queued_bytes + ledger_.dead_letter_bytes,
                                          options_.queue_bytes_max),
                  work);
  }
  backlog_.Add(operation->key_hash);
  StartWaiting(*operation);
  waiting_for_queue_.push_back(operation);
}

void Dispatcher::Append(Operation* operation, Work* work) {
  ++ledger_.appending_count;
  ledger_.appending_bytes += operation->size_bytes;
  work->to_queue.push_back(operation);
}

void Dispatcher::Answer(Operation* operation, Outcome outcome, absl::Status status, Work* work) {
  operation->outcome = outcome;
  operation->status = std::move(status);
  switch (outcome) {
    case Outcome::kDelivered:
      ++ledger_.accepted;
      ++ledger_.delivered_direct;
      break;
    case Outcome::kQueued:
      ++ledger_.accepted;
      ++ledger_.told_queued;
      break;
    case Outcome::kDropped:
      ++ledger_.accepted;
      ++ledger_.dropped_fail_open;
      break;
    case Outcome::kRejected:
    case Outcome::kUnanswered:
      ++ledger_.rejected;
      break;
  }
  work->answered.push_back(operation);
  if (operation->message.caller_chose_id) AnswerWaitingForSameId(*operation, work);
}

void Dispatcher::AnswerWaitingForSameId(const Operation& operation, Work* work) {
  std::vector<Operation*> waiting = recent_.Settle(operation, clock_->SteadyNow());
  ledger_.same_id_count -= static_cast<int64_t>(waiting.size());
  work->to_route.insert(work->to_route.end(), waiting.begin(), waiting.end());
}

void Dispatcher::HandOver(Work* work) {
  for (size_t i = 0; i < work->to_route.size(); ++i) {
    Route(work->to_route[i], clock_->SteadyNow(), work);
  }
  if (!work->to_transport.empty()) transport_->Publish(work->to_transport);
  if (work->to_queue.empty()) return;
  queue_->Append(work->to_queue);
  const bool over_limit =
      ledger_.queued_count + ledger_.appending_count > options_.queue_count_max ||
      ledger_.queued_bytes + ledger_.dead_letter_bytes + ledger_.appending_bytes >
          options_.queue_bytes_max;
  if (over_limit) {
    queue_->TrimOldest(options_.queue_count_max, options_.queue_bytes_max, options_.keep_dropped);
  }
}

bool Dispatcher::WindowHasRoom(int64_t size_bytes) const {
  // While there is a backlog, a share of the window is kept for it, or live traffic would starve
  // it.
  const int64_t kept = ledger_.queued_count == 0
                           ? 0
                           : std::max<int64_t>(0, in_flight_max_ / 4 - ledger_.redelivering_count);
  return ledger_.in_flight_count + kept < in_flight_max_ &&
         (ledger_.in_flight_bytes + size_bytes <= options_.in_flight_bytes_max ||
          ledger_.in_flight_count == 0);
}

bool Dispatcher::QueueHasRoom(int64_t size_bytes) const {
  // Nothing makes room by itself where the dead letters fill it.
  if (ledger_.dead_letter_bytes + size_bytes > options_.queue_bytes_max) return false;
  int64_t count_max = options_.queue_count_max;
  int64_t bytes_max = options_.queue_bytes_max;
  if (options_.full_policy == FullPolicy::kDropOldest) {
    // Room is made in the commit that appends; what is being delivered cannot be dropped meanwhile.
    count_max += in_flight_max_;
    bytes_max += options_.in_flight_bytes_max;
  }
  return ledger_.queued_count + ledger_.appending_count < count_max &&
         ledger_.queued_bytes + ledger_.dead_letter_bytes + ledger_.appending_bytes + size_bytes <=
             bytes_max;
}

uint64_t Dispatcher::epoch() const {
  absl::MutexLock lock(&mutex_);
  return up_ ? epoch_ : 0;
}

bool Dispatcher::Redeliver(absl::Span<Operation* const> operations, uint64_t epoch,
                           uint64_t failures) {
  absl::MutexLock lock(&mutex_);
  const int64_t count = static_cast<int64_t>(operations.size());
  if (!up_ || epoch != epoch_ || paused_ || MayOvertake(operations, failures) ||
      ledger_.in_flight_count + count > in_flight_max_) {
    return false;
  }
  Work work;
  for (Operation* operation : operations) Deliver(operation, &work);
  ledger_.redelivering_count += count;
  HandOver(&work);
  return true;
}

bool Dispatcher::MayOvertake(absl::Span<Operation* const> operations, uint64_t failures) {
  const uint64_t unknown = redelivery_failures_ - failures;
  while (failed_keys_.size() > unknown) failed_keys_.pop_front();
  if (failed_keys_.empty()) return false;
  const absl::flat_hash_set<uint64_t> failed(failed_keys_.begin(), failed_keys_.end());
  return std::any_of(operations.begin(), operations.end(), [&](const Operation* operation) {
    return failed.contains(operation->key_hash);
  });
}

int64_t Dispatcher::RedeliveryRoom() const {
  absl::MutexLock lock(&mutex_);
  if (!up_ || paused_ || ledger_.in_flight_bytes >= options_.in_flight_bytes_max) return 0;
  const int64_t share = std::max<int64_t>(1, in_flight_max_ / 2);
  return std::max<int64_t>(
      0, std::min(share - ledger_.redelivering_count, in_flight_max_ - ledger_.in_flight_count));
}

bool Dispatcher::PauseDelivery() {
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    if (paused_) return false;
    paused_ = true;
    FlushWindowWaiting(clock_->SteadyNow(), &work);
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
  return true;
}

bool Dispatcher::ResumeDelivery() {
  {
    absl::MutexLock lock(&mutex_);
    if (!paused_) return false;
    paused_ = false;
  }
  redelivery_->OnDeliverable();
  return true;
}

void Dispatcher::StopAccepting() {
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    accepting_ = false;
    for (Operation* operation : waiting_for_queue_) {
      StopWaiting(*operation);
      backlog_.Remove(operation->key_hash);
      Answer(operation, Outcome::kRejected, error::Draining(), &work);
    }
    waiting_for_queue_.clear();
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
}

LedgerSnapshot Dispatcher::GetLedger() const {
  absl::MutexLock lock(&mutex_);
  LedgerSnapshot snapshot;
  static_cast<Ledger&>(snapshot) = ledger_;
  snapshot.connected = up_;
  snapshot.paused = paused_;
  return snapshot;
}

}  // namespace router
