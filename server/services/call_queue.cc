#include "server/services/call_queue.h"

#include <utility>

#include <grpc/support/time.h>

namespace router {
namespace {

// Events of one round at most, so that the first of many does not wait for long.
constexpr int kRoundMax = 256;

thread_local const CallQueue* served_by_this_thread = nullptr;

}  // namespace

CallQueue::CallQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue)
    : queue_(std::move(queue)) {}

CallQueue::~CallQueue() = default;

void CallQueue::Start() { thread_ = std::thread(&CallQueue::Serve, this); }

void CallQueue::Shutdown() {
  {
    absl::MutexLock lock(&mutex_);
    const auto none = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return handlers_ == 0; };
    mutex_.Await(absl::Condition(&none));
  }
  queue_->Shutdown();
  thread_.join();
}

void CallQueue::Serve() {
  served_by_this_thread = this;
  void* tag = nullptr;
  bool ok = false;
  while (queue_->Next(&tag, &ok)) {
    static_cast<CompletionTag*>(tag)->Complete(ok);
    for (int events = 1; events < kRoundMax && !at_end_of_round_.empty(); ++events) {
      const auto next = queue_->AsyncNext(&tag, &ok, gpr_inf_past(GPR_CLOCK_MONOTONIC));
      if (next != grpc::CompletionQueue::GOT_EVENT) break;
      static_cast<CompletionTag*>(tag)->Complete(ok);
    }
    EndRound();
  }
}

void CallQueue::EndRound() {
  while (!at_end_of_round_.empty()) {
    std::swap(at_end_of_round_, running_);
    for (CompletionTag* tag : running_) tag->Complete(true);
    running_.clear();
  }
}

bool CallQueue::IsThisThread() const { return served_by_this_thread == this; }

void CallQueue::Post(CompletionTag* tag) {
  absl::MutexLock lock(&mutex_);
  posted_.push_back(tag);
  if (alarm_is_set_) return;
  alarm_is_set_ = true;
  alarm_.Set(queue_.get(), gpr_inf_past(GPR_CLOCK_MONOTONIC), &run_posted_);
}

void CallQueue::RunPosted(bool /*ok*/) {
  {
    absl::MutexLock lock(&mutex_);
    alarm_is_set_ = false;
    std::swap(posted_, running_);
  }
  for (CompletionTag* tag : running_) tag->Complete(true);
  running_.clear();
}

void CallQueue::AddHandler() {
  absl::MutexLock lock(&mutex_);
  ++handlers_;
}

void CallQueue::RemoveHandler() {
  absl::MutexLock lock(&mutex_);
  --handlers_;
}

}  // namespace router
