#include "server/services/turn_queue.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <grpc/support/time.h>

#include "absl/types/optional.h"

namespace router {
namespace {

// Room is made by answers to the same client's messages, which are noticed at once where they are
// of this queue, by other queues, by time, and by other clients that stop publishing.
constexpr int64_t kRetryIntervalMs = 10;

}  // namespace

absl::StatusOr<bool> TurnQueue::Enter(LimitedMessages* messages,
                                      std::shared_ptr<ClientLimits::Client> client,
                                      ClientLimits::Amount amount) {
  messages->client_ = std::move(client);
  messages->amount_ = amount;
  messages->state_ = LimitedMessages::State::kOutside;
  ClientLimits::Client* const key = messages->client_.get();
  const auto waiting = waiting_.find(key);
  const bool others_wait = waiting != waiting_.end() && !waiting->second.entered.empty();
  const absl::StatusOr<bool> entered = limits_->Enter(key, amount, others_wait);
  if (entered.ok()) {
    messages->state_ =
        *entered ? LimitedMessages::State::kStarted : LimitedMessages::State::kWaiting;
  }
  return entered;
}

void TurnQueue::Wait(LimitedMessages* messages) {
  Put(messages, &waiting_[messages->client_.get()]);
  SetAlarm();
}

bool TurnQueue::MayWait(const LimitedMessages& messages) const {
  const auto found = waiting_.find(messages.client_.get());
  if (found == waiting_.end() || found->second.outside.empty()) return true;
  const int64_t max = limits_->client_max().bytes;
  return found->second.outside_bytes + messages.amount_.bytes <= max;
}

void TurnQueue::Put(LimitedMessages* messages, Waiting* waiting) {
  const bool is_outside = messages->state_ == LimitedMessages::State::kOutside;
  if (is_outside) waiting->outside_bytes += messages->amount_.bytes;
  messages->list_ = is_outside ? &waiting->outside : &waiting->entered;
  messages->place_ = messages->list_->insert(messages->list_->end(), messages);
}

void TurnQueue::Take(LimitedMessages* messages, Waiting* waiting) {
  if (messages->list_ == &waiting->outside) waiting->outside_bytes -= messages->amount_.bytes;
  std::exchange(messages->list_, nullptr)->erase(messages->place_);
}

void TurnQueue::EndTurn(LimitedMessages* messages) {
  const std::shared_ptr<ClientLimits::Client> client = std::move(messages->client_);
  messages->state_ = LimitedMessages::State::kOutside;
  limits_->EndTurn(client.get(), messages->amount_);
  HasFreed(client.get());
}

void TurnQueue::Leave(ClientLimits::Client* client, int64_t messages) {
  limits_->Leave(client, {messages, 0}, /*has_turn=*/false);
  HasFreed(client);
}

void TurnQueue::Leave(LimitedMessages* messages) {
  const std::shared_ptr<ClientLimits::Client> kept = std::move(messages->client_);
  ClientLimits::Client* const client = kept.get();
  const LimitedMessages::State state =
      std::exchange(messages->state_, LimitedMessages::State::kOutside);
  if (messages->list_ != nullptr) Take(messages, &waiting_.find(client)->second);
  if (state != LimitedMessages::State::kOutside) {
    limits_->Leave(client, messages->amount_, state == LimitedMessages::State::kStarted);
  }
  HasFreed(client);
}

void TurnQueue::HasFreed(ClientLimits::Client* client) {
  if (!waiting_.contains(client)) return;
  if (freed_.empty()) calls_->AtEndOfRound(&on_freed_);
  freed_.insert(client);
}

void TurnQueue::OnFreed(bool /*ok*/) {
  absl::flat_hash_set<ClientLimits::Client*> freed;
  freed.swap(freed_);
  for (ClientLimits::Client* client : freed) LetIn(client);
}

void TurnQueue::SetAlarm() {
  if (std::exchange(alarm_is_set_, true)) return;
  // By a clock that nobody sets.
  const gpr_timespec interval = gpr_time_from_millis(kRetryIntervalMs, GPR_TIMESPAN);
  alarm_.Set(calls_->get(), gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), interval), &on_alarm_);
}

void TurnQueue::OnAlarm(bool /*ok*/) {
  alarm_is_set_ = false;
  std::vector<ClientLimits::Client*> clients;
  for (const auto& [client, waiting] : waiting_) clients.push_back(client);
  for (ClientLimits::Client* client : clients) LetIn(client);
  if (!waiting_.empty()) SetAlarm();
}

void TurnQueue::LetIn(ClientLimits::Client* client) {
  const auto found = waiting_.find(client);
  if (found == waiting_.end()) return;
  Waiting& waiting = found->second;
  while (!waiting.outside.empty()) {
    LimitedMessages* const first = waiting.outside.front();
    const absl::optional<bool> entered =
        limits_->EnterAgain(client, first->amount_, !waiting.entered.empty());
    if (!entered.has_value()) break;
    Take(first, &waiting);
    first->state_ = *entered ? LimitedMessages::State::kStarted : LimitedMessages::State::kWaiting;
    Put(first, &waiting);
  }
  std::vector<LimitedMessages*> started;
  while (!waiting.entered.empty()) {
    LimitedMessages* const first = waiting.entered.front();
    if (first->state_ == LimitedMessages::State::kWaiting) {
      if (!limits_->Start(client, first->amount_)) break;
      first->state_ = LimitedMessages::State::kStarted;
    }
    Take(first, &waiting);
    started.push_back(first);
  }
  if (waiting.entered.empty() && waiting.outside.empty()) waiting_.erase(found);
  for (LimitedMessages* messages : started) messages->OnTurn();
}

}  // namespace router
