// What waits in memory: for room in the window, for room in the queue, and for older messages.
#include <algorithm>
#include <utility>

#include "server/dispatcher/dispatcher.h"
#include "server/errors/errors.h"

namespace router {

void Dispatcher::StartWaiting(const Operation& operation) {
  ++ledger_.waiting_count;
  ledger_.waiting_bytes += operation.size_bytes;
}

void Dispatcher::StopWaiting(const Operation& operation) {
  --ledger_.waiting_count;
  ledger_.waiting_bytes -= operation.size_bytes;
}

void Dispatcher::WaitForWindow(Operation* operation, Work* work) {
  if (ledger_.waiting_bytes + operation->size_bytes > options_.waiting_bytes_max) {
    operation->reason = FailureReason::kTimeout;
    return Answer(operation, Outcome::kRejected,
                  error::WindowFull(ledger_.waiting_bytes, options_.waiting_bytes_max), work);
  }
  direct_.Add(operation->key_hash);
  StartWaiting(*operation);
  waiting_for_window_.push_back(operation);
}

void Dispatcher::LeaveDirectPath(const Operation& operation, Work* work) {
  direct_.Remove(operation.key_hash);
  if (!held_.empty() && !direct_.Has(operation.key_hash)) {
    work->freed_slots.push_back(KeyCounters::Slot(operation.key_hash));
  }
}

// Something older is on the direct path and may yet have to be queued, or is held itself.
bool Dispatcher::MustHold(const Operation& operation) const {
  return direct_.Has(operation.key_hash) ||
         (!held_.empty() && held_.contains(KeyCounters::Slot(operation.key_hash)));
}

void Dispatcher::Hold(Operation* operation, Work* work) {
  // What was in the window is accounted for there, and finds room here.
  const bool was_sent = operation->verdict != Verdict::kPending;
  if (!was_sent && ledger_.waiting_bytes + operation->size_bytes > options_.waiting_bytes_max) {
    return Answer(operation, Outcome::kRejected,
                  error::WindowFull(ledger_.waiting_bytes, options_.waiting_bytes_max), work);
  }
  backlog_.Add(operation->key_hash);
  StartWaiting(*operation);
  held_[KeyCounters::Slot(operation->key_hash)].push_back(operation);
}

void Dispatcher::QueueHeld(SteadyTime now, Work* work) {
  std::vector<Operation*> ready;
  for (uint64_t slot : work->freed_slots) {
    auto it = held_.find(slot);
    if (it == held_.end() || direct_.Has(slot)) continue;
    ready.insert(ready.end(), it->second.begin(), it->second.end());
    held_.erase(it);
  }
  work->freed_slots.clear();
  std::sort(ready.begin(), ready.end(),
            [](const Operation* a, const Operation* b) { return a->order < b->order; });
  for (Operation* operation : ready) {
    StopWaiting(*operation);
    backlog_.Remove(operation->key_hash);
    Enqueue(operation, now, work);
  }
}

void Dispatcher::RejectLateHeld(SteadyTime now, Work* work) {
  for (auto it = held_.begin(); it != held_.end();) {
    std::vector<Operation*> in_time;
    for (Operation* operation : it->second) {
      if (now < operation->batch->caller_deadline) {
        in_time.push_back(operation);
        continue;
      }
      StopWaiting(*operation);
      backlog_.Remove(operation->key_hash);
      Answer(operation, Outcome::kRejected, error::DeadlineExceeded(), work);
    }
    it->second.swap(in_time);
    if (it->second.empty()) {
      held_.erase(it++);
    } else {
      ++it;
    }
  }
}

void Dispatcher::AdmitWaiting(SteadyTime now, Work* work) {
  while (up_ && !waiting_for_window_.empty() &&
         WindowHasRoom(waiting_for_window_.front()->size_bytes)) {
    Operation* operation = waiting_for_window_.front();
    waiting_for_window_.pop_front();
    StopWaiting(*operation);
    if (backlog_.Has(operation->key_hash)) {
      operation->behind_backlog = true;
      LeaveDirectPath(*operation, work);
      Enqueue(operation, now, work);
    } else {
      Deliver(operation, work);
    }
  }
  while (!waiting_for_queue_.empty() && QueueHasRoom(waiting_for_queue_.front()->size_bytes)) {
    Operation* operation = waiting_for_queue_.front();
    waiting_for_queue_.pop_front();
    StopWaiting(*operation);
    Append(operation, work);
  }
  QueueHeld(now, work);
}

void Dispatcher::FlushWindowWaiting(SteadyTime now, Work* work) {
  std::deque<Operation*> waiting;
  waiting.swap(waiting_for_window_);
  for (Operation* operation : waiting) {
    StopWaiting(*operation);
    LeaveDirectPath(*operation, work);
  }
  for (Operation* operation : waiting) KeepOrDrop(operation, now, work);
  QueueHeld(now, work);
}

void Dispatcher::Tick() {
  const SteadyTime now = clock_->SteadyNow();
  Work work;
  {
    absl::MutexLock lock(&mutex_);
    if (ledger_.waiting_count == 0) return;
    std::deque<Operation*> in_time;
    for (Operation* operation : waiting_for_window_) {
      if (now < operation->deadline) {
        in_time.push_back(operation);
        continue;
      }
      StopWaiting(*operation);
      LeaveDirectPath(*operation, &work);
      operation->reason = FailureReason::kTimeout;
      KeepOrDrop(operation, now, &work);
    }
    waiting_for_window_.swap(in_time);
    in_time.clear();
    for (Operation* operation : waiting_for_queue_) {
      if (now < operation->batch->caller_deadline) {
        in_time.push_back(operation);
        continue;
      }
      StopWaiting(*operation);
      backlog_.Remove(operation->key_hash);
      Answer(operation, Outcome::kRejected, error::DeadlineExceeded(), &work);
    }
    waiting_for_queue_.swap(in_time);
    RejectLateHeld(now, &work);
    AdmitWaiting(now, &work);
    HandOver(&work);
  }
  Finish(absl::MakeSpan(work.answered));
}

}  // namespace router
