#include "transports/nats/nats_session.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

// What the protocol and the headers of our own add to a message, about.
constexpr int64_t kOverheadBytes = 128;

// How exact deadlines and probes are.
constexpr std::chrono::milliseconds kTick(20);
// A long queue is looked through for deadlines less often: each look costs a cache miss.
constexpr size_t kLongQueue = 4096;
constexpr std::chrono::milliseconds kLongQueueScan(200);
SteadyTime Now() { return std::chrono::steady_clock::now(); }

FaultOperation OperationOf(const Delivery& delivery) {
  return delivery.message.guarantee == Guarantee::kStored ? FaultOperation::kPublishWithAck
                                                          : FaultOperation::kPublish;
}

int64_t SizeOf(const Message& message) {
  int64_t bytes = kOverheadBytes + static_cast<int64_t>(message.payload.size());
  for (const Header& header : message.headers) {
    bytes += static_cast<int64_t>(header.key.size() + header.value.size());
  }
  return bytes;
}

}  // namespace

NatsSession::NatsSession(const NatsOptions& options, std::unique_ptr<NatsConnection> connection,
                         const Shared& shared)
    : buffer_bytes_max_(options.io_buffer_bytes),
      strict_order_(options.strict_order),
      connection_(std::move(connection)),
      window_(shared.window),
      failures_(shared.failures),
      stream_names_(shared.stream_names),
      faults_(shared.faults),
      liveness_({options.ping_interval, options.max_pings_out, options.write_deadline}, Now()),
      next_tick_(Now()),
      confirmed_below_(shared.window->tail()) {
  SendFence(Now());  // Proves that the inbox works before anything depends on it.
}

void NatsSession::Send(std::deque<Delivery*>* queue, SteadyTime now) {
  while (!queue->empty() && !window_->full() && !closed_ && buffered_bytes_ < buffer_bytes_max_) {
    if (delayed_until_.has_value() && now < *delayed_until_) break;
    SendHead(queue, now);
  }
  AdmitFreed();
  AskSearch();
  SendFenceWhereUseful(now);
}

void NatsSession::SendHead(std::deque<Delivery*>* queue, SteadyTime now) {
  Delivery* const delivery = queue->front();
  if (failures_->IsOvertaking(*delivery)) {
    queue->pop_front();
    return SettleOvertaking(delivery, failures_->reason(*delivery));
  }
  if (delayed_until_.has_value()) {
    delayed_until_.reset();  // It has had its fault.
  } else if (faults_ != nullptr) {
    const absl::optional<Fault> fault = faults_->Draw(OperationOf(*delivery));
    if (fault.has_value() && SendFaulty(*fault, queue, now)) return;
  }
  queue->pop_front();
  SendNew(delivery);
}

// Returns true when the fault has replaced the sending.
bool NatsSession::SendFaulty(const Fault& fault, std::deque<Delivery*>* queue, SteadyTime now) {
  Delivery* const delivery = queue->front();
  switch (fault.kind) {
    case FaultKind::kDelay:
      delayed_until_ = now + absl::ToChronoNanoseconds(fault.delay);
      return true;
    case FaultKind::kError:
      queue->pop_front();
      SettleUnsent(delivery, FailureReason::kFaultInjected, "an injected error");
      return true;
    case FaultKind::kTimeout:
      queue->pop_front();
      window_->Add(delivery, InFlight::State::kMuted);
      if (strict_order_) lanes_.Block(delivery->key_hash, window_->tail() - 1);
      earliest_deadline_ = std::min(earliest_deadline_, delivery->deadline);
      return true;
    case FaultKind::kCloseConnection:
      queue->pop_front();
      SendNew(delivery);
      WriteNow(now);
      Abort("an injected fault closed the connection");
      return true;
  }
  return false;
}

void NatsSession::SendNew(Delivery* delivery) {
  const uint64_t number = window_->Add(delivery, InFlight::State::kWaiting);
  earliest_deadline_ = std::min(earliest_deadline_, delivery->deadline);
  if (delivery->first_sent_time != absl::InfiniteFuture()) {
    if (window_->Find(number)->is_core) {
      delivery->possible_duplicate = true;  // Nothing keeps core messages: nowhere to look.
    } else {
      window_->Find(number)->state = InFlight::State::kSought;
      lanes_.Block(delivery->key_hash, number);
      return search_.Add(number, delivery->message.subject, delivery->message.message_id,
                         delivery->first_sent_time, Now());
    }
  }
  if (!lanes_.empty() && lanes_.IsClosed(delivery->key_hash)) {
    return lanes_.Wait(delivery->key_hash, number);
  }
  Admit(number);
}

// Nothing of its key is in its way.
void NatsSession::Admit(uint64_t number) {
  const InFlight* const entry = window_->Find(number);
  const Delivery& delivery = *entry->delivery;
  const absl::string_view subject = delivery.message.subject;
  if (entry->is_core) {
    ++core_since_fence_;
  } else if (!hold_back_.empty() && hold_back_.Holds(subject)) {
    lanes_.Block(delivery.key_hash, number);
    return hold_back_.Wait(subject, number);
  }
  if (strict_order_) lanes_.Block(delivery.key_hash, number);
  Transmit(number);
}

void NatsSession::AdmitFreed() {
  while (!freed_keys_.empty()) {
    const uint64_t key = freed_keys_.back();
    freed_keys_.pop_back();
    while (const absl::optional<uint64_t> next = lanes_.TakeNext(key)) Admit(*next);
  }
}

void NatsSession::Transmit(uint64_t number) {
  InFlight* const entry = window_->Find(number);
  if (entry == nullptr || closed_) return;
  const Message& message = entry->delivery->message;
  const NatsConnection::SendResult result = Hand(*entry, number);
  switch (result) {
    case NatsConnection::SendResult::kBuffered:
      entry->state = InFlight::State::kSent;
      buffered_bytes_ += SizeOf(message);
      return;
    case NatsConnection::SendResult::kTooLarge:
      return Refuse(number, Refusal::kMessageTooLarge,
                    absl::StrCat("larger than the server's max_payload of ",
                                 connection_->max_payload_bytes(), " bytes"));
    case NatsConnection::SendResult::kUnsupported:
      return Refuse(number, Refusal::kOther, "the server supports no headers");
    case NatsConnection::SendResult::kFailed:
      return Close(connection_->LastError());
  }
}

NatsConnection::SendResult NatsSession::Hand(const InFlight& entry, uint64_t number) {
  const Message& message = entry.delivery->message;
  if (entry.delivery->possible_duplicate) {
    return entry.is_core ? connection_->SendCoreAgain(message)
                         : connection_->SendStoredAgain(message, number);
  }
  return entry.is_core ? connection_->SendCore(message) : connection_->SendStored(message, number);
}

void NatsSession::TransmitAll(const std::vector<uint64_t>& numbers) {
  for (const uint64_t number : numbers) Transmit(number);
}

void NatsSession::SendFence(SteadyTime now) {
  if (closed_) return;
  const uint64_t number = window_->tail();
  if (connection_->SendFence(number) != NatsConnection::SendResult::kBuffered) {
    return Close(connection_->LastError());
  }
  fences_.push_back(number);
  core_since_fence_ = 0;
  liveness_.PingSent(now);
}

// One fence on its way at a time, or one for every eighth of the window: the more is sent, the more
// each fence confirms.
void NatsSession::SendFenceWhereUseful(SteadyTime now) {
  if (core_since_fence_ == 0) return;
  if (fences_.empty() || core_since_fence_ >= window_->capacity() / 8) SendFence(now);
}

NatsSession::Sleep NatsSession::WriteOut(const std::deque<Delivery*>& queue) {
  WriteNow(Now());
  if (closed_) return Sleep();
  return {connection_->socket(), connection_->wants_write(), SleepTime(queue)};
}

std::chrono::milliseconds NatsSession::SleepTime(const std::deque<Delivery*>& queue) const {
  const bool can_send = !queue.empty() && !window_->full() && !delayed_until_.has_value() &&
                        buffered_bytes_ < buffer_bytes_max_;
  return can_send ? std::chrono::milliseconds(0) : kTick;
}

void NatsSession::WriteNow(SteadyTime now) {
  const bool progress = connection_->Write();
  buffered_bytes_ = connection_->buffered_bytes();
  liveness_.WriteState(connection_->wants_write(), progress, now);
  if (connection_->closed()) Close(connection_->LastError());
}

void NatsSession::ReadIn(SteadyTime now) {
  if (closed_) return;
  connection_->Read();
  liveness_.Received(now);
  HandleReplies(now);
  AskSearch();
  if (connection_->closed()) Close(connection_->LastError());
}

void NatsSession::Tick(std::deque<Delivery*>* queue, SteadyTime now) {
  if (now < next_tick_ || closed_) return;
  next_tick_ = now + kTick;
  RefuseDenied(now);
  ExpireWindow(now);
  ExpireQueue(queue, now);
  // Behind the deadlines: a probe just sent would be in doubt.
  if (!hold_back_.empty()) TransmitAll(hold_back_.TakeProbes(now));
  if (!search_.empty()) {
    search_.Tick(now);
    HandleSearchResults();
    AskSearch();
  }
  AdmitFreed();
  if (liveness_.WantsPing(now)) SendFence(now);
  const absl::string_view dead = liveness_.Check(now);
  if (!dead.empty()) Close(dead);
}

void NatsSession::ExpireWindow(SteadyTime now) {
  if (now < earliest_deadline_) return;
  earliest_deadline_ = SteadyTime::max();
  for (uint64_t number = window_->head(); number < window_->tail(); ++number) {
    const InFlight* const entry = window_->Find(number);
    if (entry == nullptr) continue;
    if (entry->state == InFlight::State::kSought) continue;  // The search has its own.
    if (entry->deadline > now) {
      earliest_deadline_ = std::min(earliest_deadline_, entry->deadline);
      continue;
    }
    const absl::string_view subject = entry->delivery->message.subject;
    if (entry->state == InFlight::State::kWaiting) {
      const FailureReason reason = hold_back_.reason(subject);
      std::string error = hold_back_.error(subject);
      if (error.empty()) error = "its deadline passed behind an earlier message of its key";
      hold_back_.Forget(subject, number, now);
      Settle(number, Verdict::kFailed, reason, std::move(error));
    } else {
      if (!hold_back_.empty()) hold_back_.Forget(subject, number, now);
      Settle(number, Verdict::kInDoubt, FailureReason::kTimeout,
             "no confirmation within the deadline");
    }
  }
}

void NatsSession::ExpireQueue(std::deque<Delivery*>* queue, SteadyTime now) {
  if (now < next_queue_scan_) return;
  next_queue_scan_ = now + (queue->size() > kLongQueue ? kLongQueueScan : kTick);
  const auto expired = [&](Delivery* delivery) {
    if (delivery->deadline > now) return false;
    SettleUnsent(delivery, FailureReason::kTimeout, "the deadline passed before it could be sent");
    return true;
  };
  queue->erase(std::remove_if(queue->begin(), queue->end(), expired), queue->end());
}

void NatsSession::Close(absl::string_view reason) {
  if (closed_) return;
  Abort(reason);
  // A server that sends for ever must not keep us here; what is left is in doubt then.
  constexpr int kMaxReads = 1000;
  for (int i = 0; i < kMaxReads && !connection_->closed(); ++i) {
    connection_->Read();
    HandleReplies(Now());
  }
}

void NatsSession::Abort(absl::string_view reason) {
  if (closed_) return;
  closed_ = true;
  close_reason_ = std::string(reason);
  connection_->Shutdown();
}

std::vector<Delivery*> NatsSession::TakeWindow() {
  std::vector<Delivery*> taken;
  for (uint64_t number = window_->head(); number < window_->tail(); ++number) {
    const InFlight* const entry = window_->Find(number);
    if (entry == nullptr) continue;
    const bool unsent =
        entry->state == InFlight::State::kWaiting || entry->state == InFlight::State::kSought;
    Delivery* const delivery = window_->Remove(number);
    delivery->verdict = unsent ? Verdict::kFailed : Verdict::kInDoubt;
    delivery->reason = unsent ? FailureReason::kNotConnected : FailureReason::kConnectionClosed;
    delivery->error = close_reason_;
    taken.push_back(delivery);
  }
  return taken;
}

void NatsSession::Refuse(uint64_t number, Refusal refusal, std::string error) {
  window_->Find(number)->delivery->refusal = refusal;
  Settle(number, Verdict::kRefused, FailureReason::kBrokerError, std::move(error));
}

void NatsSession::Settle(uint64_t number, Verdict verdict, FailureReason reason,
                         std::string error) {
  Delivery* const delivery = window_->Remove(number);
  delivery->verdict = verdict;
  delivery->reason = reason;
  delivery->error = std::move(error);
  settled_.push_back(delivery);
  LeaveLane(*delivery, number);
  if (!TriedAgain(*delivery)) return;
  failures_->Add(*delivery);
  FailBehind(*delivery, number);
}

void NatsSession::LeaveLane(const Delivery& delivery, uint64_t number) {
  if (lanes_.empty()) return;
  lanes_.Remove(delivery.key_hash, number);
  freed_keys_.push_back(delivery.key_hash);
}

// Those of its key that are not on their way to the broker: in the lane, or held back.
void NatsSession::FailBehind(const Delivery& delivery, uint64_t number) {
  if (lanes_.empty()) return;
  for (const uint64_t behind : lanes_.Behind(delivery.key_hash, number)) {
    InFlight* const entry = window_->Find(behind);
    if (entry == nullptr) continue;
    if (entry->state == InFlight::State::kSought) entry->overtakes = delivery.reason;
    if (entry->state != InFlight::State::kWaiting) continue;
    if (!hold_back_.empty()) {
      hold_back_.Forget(entry->delivery->message.subject, behind, Now());
    }
    lanes_.Remove(delivery.key_hash, behind);
    SettleOvertaking(window_->Remove(behind), delivery.reason);
  }
}

void NatsSession::FailOvertaking(std::deque<Delivery*>* queue) {
  if (failures_->empty() || !settled_.empty()) return;
  const auto overtaking = [&](Delivery* delivery) {
    if (!failures_->IsOvertaking(*delivery)) return false;
    SettleOvertaking(delivery, failures_->reason(*delivery));
    return true;
  };
  queue->erase(std::remove_if(queue->begin(), queue->end(), overtaking), queue->end());
  failures_->ForgetAll();
}

void NatsSession::SettleUnsent(Delivery* delivery, FailureReason reason, std::string error) {
  delivery->verdict = Verdict::kFailed;
  delivery->reason = reason;
  delivery->error = std::move(error);
  settled_.push_back(delivery);
  failures_->Add(*delivery);
}

void NatsSession::SettleOvertaking(Delivery* delivery, FailureReason reason) {
  SettleUnsent(delivery, reason, "an earlier message of its ordering key was not confirmed");
}

}  // namespace router
