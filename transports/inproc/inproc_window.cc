#include "transports/inproc/inproc_window.h"

#include <algorithm>

#include "absl/time/time.h"

namespace router {
namespace {

void SetUnconfirmed(Delivery* delivery, Verdict verdict, FailureReason reason,
                    absl::string_view error) {
  delivery->verdict = verdict;
  delivery->reason = reason;
  delivery->error = std::string(error);
}

}  // namespace

bool InprocWindow::Work(SteadyTime now, bool hold_acks, std::vector<Delivery*>* settled) {
  if (!hold_acks) SettleAnswered(settled);
  SettleExpired(now, settled);
  if (held_until_.has_value() && *held_until_ > now) return true;

  bool draw_fault =
      !held_until_.has_value();  // One draw each: a delay that is over strikes no more.
  held_until_.reset();
  while (!waiting_.empty()) {
    Delivery* const head = waiting_.front();
    const absl::optional<Fault> fault = draw_fault ? DrawFault(*head) : absl::nullopt;
    draw_fault = true;
    if (fault.has_value() && fault->kind == FaultKind::kDelay) {
      held_until_ = now + absl::ToChronoNanoseconds(fault->delay);
      return true;
    }
    waiting_.pop_front();
    if (!Send(head, fault, now, hold_acks, settled)) return false;
  }
  return true;
}

absl::optional<SteadyTime> InprocWindow::NextWork() const {
  absl::optional<SteadyTime> next = held_until_;
  const auto consider = [&next](SteadyTime time) {
    if (!next.has_value() || time < *next) next = time;
  };
  for (const Sent& sent : sent_) consider(sent.delivery->deadline);
  for (const Delivery* delivery : waiting_) consider(delivery->deadline);
  return next;
}

std::vector<Delivery*> InprocWindow::TakeUnsettled() {
  std::vector<Delivery*> unsettled;
  unsettled.reserve(sent_.size() + waiting_.size());
  for (const Sent& sent : sent_) {
    SetUnconfirmed(sent.delivery, Verdict::kInDoubt, FailureReason::kConnectionClosed,
                   "connection closed before the confirmation");
    unsettled.push_back(sent.delivery);
  }
  for (Delivery* delivery : waiting_) {
    SetUnconfirmed(delivery, Verdict::kFailed, FailureReason::kConnectionClosed,
                   "connection closed before it was sent");
    unsettled.push_back(delivery);
  }
  sent_.clear();
  waiting_.clear();
  held_until_.reset();
  return unsettled;
}

absl::optional<Fault> InprocWindow::DrawFault(const Delivery& delivery) const {
  if (faults_ == nullptr) return absl::nullopt;
  return faults_->Draw(delivery.message.guarantee == Guarantee::kStored
                           ? FaultOperation::kPublishWithAck
                           : FaultOperation::kPublish);
}

// Returns false when the fault closes the connection.
bool InprocWindow::Send(Delivery* delivery, const absl::optional<Fault>& fault, SteadyTime now,
                        bool hold_acks, std::vector<Delivery*>* settled) {
  if (fault.has_value() && fault->kind == FaultKind::kError) {
    SetUnconfirmed(delivery, Verdict::kFailed, FailureReason::kFaultInjected,
                   "injected fault: error");
    settled->push_back(delivery);
    return true;
  }
  if (fault.has_value() && fault->kind == FaultKind::kTimeout) {
    sent_.push_back({delivery, /*answered=*/false, {}});
    return true;
  }
  const Sent sent = {delivery, /*answered=*/true, stream_->Store(delivery->message, now)};
  const bool closes = fault.has_value() && fault->kind == FaultKind::kCloseConnection;
  if (closes || hold_acks) {
    sent_.push_back(sent);
  } else {
    Settle(sent, settled);
  }
  return !closes;
}

void InprocWindow::Settle(const Sent& sent, std::vector<Delivery*>* settled) const {
  Delivery* const delivery = sent.delivery;
  if (sent.answer.too_large) {
    SetUnconfirmed(delivery, Verdict::kRefused, FailureReason::kBrokerError,
                   "message exceeds the largest size the stream takes");
    delivery->refusal = Refusal::kMessageTooLarge;
  } else {
    delivery->verdict = Verdict::kConfirmed;
    if (delivery->message.guarantee == Guarantee::kStored) {
      delivery->stream = stream_name_;
      delivery->sequence = sent.answer.sequence;
      delivery->duplicate = sent.answer.duplicate;
    }
  }
  settled->push_back(delivery);
}

void InprocWindow::SettleAnswered(std::vector<Delivery*>* settled) {
  const auto first_answered = std::stable_partition(
      sent_.begin(), sent_.end(), [](const Sent& sent) { return !sent.answered; });
  for (auto sent = first_answered; sent != sent_.end(); ++sent) Settle(*sent, settled);
  sent_.erase(first_answered, sent_.end());
}

void InprocWindow::SettleExpired(SteadyTime now, std::vector<Delivery*>* settled) {
  const auto first_sent =
      std::stable_partition(sent_.begin(), sent_.end(),
                            [now](const Sent& sent) { return sent.delivery->deadline > now; });
  for (auto sent = first_sent; sent != sent_.end(); ++sent) {
    SetUnconfirmed(sent->delivery, Verdict::kInDoubt, FailureReason::kTimeout,
                   "no confirmation before the deadline");
    settled->push_back(sent->delivery);
  }
  sent_.erase(first_sent, sent_.end());

  const auto first_waiting =
      std::stable_partition(waiting_.begin(), waiting_.end(),
                            [now](const Delivery* delivery) { return delivery->deadline > now; });
  for (auto delivery = first_waiting; delivery != waiting_.end(); ++delivery) {
    SetUnconfirmed(*delivery, Verdict::kFailed, FailureReason::kTimeout,
                   "not sent before the deadline");
    settled->push_back(*delivery);
  }
  waiting_.erase(first_waiting, waiting_.end());
}

}  // namespace router
