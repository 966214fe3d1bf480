#include "tests/simulation/sim_transport.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr absl::string_view kStream = "SIMULATED";

bool IsForGood(SimTransport::Treatment treatment, Refusal refusal) {
  // The drainer tries again where no stream takes the subject: that is one for the moment.
  return treatment == SimTransport::Treatment::kRefuseForGood &&
         refusal != Refusal::kNoStreamForSubject;
}

}  // namespace

SimTransport::SimTransport(const RunOptions& options, Clock* clock, SimMessages* messages,
                           SimBroker* broker, Watcher* watcher)
    : options_(options), clock_(clock), messages_(messages), broker_(broker), watcher_(watcher) {}

absl::Status SimTransport::Start(Observer* observer) {
  observer_ = observer;
  return absl::OkStatus();
}

void SimTransport::Publish(absl::Span<Delivery* const> deliveries) {
  if (!open_) watcher_->OnRuleBroken("a message was handed over while there is no connection");
  std::vector<Delivery*> in_order(deliveries.begin(), deliveries.end());
  if (options_.bug == PlantedBug::kSentOutOfOrder && in_order.size() > 1) {
    std::swap(in_order.front(), in_order.back());
  }
  for (Delivery* delivery : in_order) {
    Operation* const operation = static_cast<Operation*>(delivery);
    SimMessage* const message = messages_->Find(operation->message.payload);
    if (message == nullptr) return watcher_->OnRuleBroken("a payload was changed");
    watcher_->OnHandedOver(*operation, message);
    SentMessage sent;
    sent.handover = ++last_handover_;
    sent.message = message;
    if (message->is_tracked()) sent.id = std::string(operation->message.message_id);
    const bool again = operation->batch == nullptr;
    if (again && options_.bug == PlantedBug::kOtherIdOnRedelivery) sent.id += "-again";
    unsettled_.push_back({operation, sent.handover, message});
    if (!cut_) pipe_.push_back(std::move(sent));
    unsettled_bytes_ += operation->size_bytes;
    if (again) ++redelivering_count_;
  }
  if (unsettled_count() > options_.window) {
    watcher_->OnRuleBroken("more messages are in flight than the window holds");
  }
}

bool SimTransport::MustRefuse(const SentMessage& sent) const {
  const auto key = refusals_.find(sent.message->key_hash);
  if (options_.partial_refusals || key == refusals_.end()) return false;
  return !key->second.unsettled.empty() || sent.handover < key->second.before;
}

void SimTransport::NoteRefusal(const SentMessage& sent) {
  KeyRefusal& key = refusals_[sent.message->key_hash];
  if (sent.given_up_before == 0) {
    key.unsettled.push_back(sent.handover);
  } else {
    key.before = std::max(key.before, sent.given_up_before);
  }
}

bool SimTransport::TreatNext(Treatment treatment, Refusal refusal) {
  if (pipe_.empty()) return false;
  const SentMessage sent = std::move(pipe_.front());
  pipe_.pop_front();
  if (sent.message->refusal != Refusal::kNone && treatment != Treatment::kSwallow) {
    treatment = Treatment::kRefuseForGood;
    refusal = sent.message->refusal;
  }
  if (IsForGood(treatment, refusal) && sent.message->is_stored()) treatment = Treatment::kStore;
  if (MustRefuse(sent) && (treatment == Treatment::kStore || IsForGood(treatment, refusal))) {
    treatment = Treatment::kRefuseForNow;
  }
  InFlight* const in_flight = FindUnsettled(sent.handover);
  if (treatment == Treatment::kStore) {
    const SimBroker::Stored stored = broker_->Store(sent, clock_->SteadyNow());
    if (in_flight == nullptr) return true;
    in_flight->answered = Answered::kStored;
    in_flight->stored = stored;
    return true;
  }
  if (IsForGood(treatment, refusal)) {
    sent.message->refusal = refusal;
  } else {
    NoteRefusal(sent);
  }
  if (in_flight == nullptr) return true;
  in_flight->refusal = refusal;
  in_flight->answered = treatment == Treatment::kSwallow        ? Answered::kLost
                        : treatment == Treatment::kRefuseForNow ? Answered::kRefusedForNow
                                                                : Answered::kRefusedForGood;
  return true;
}

SimTransport::InFlight* SimTransport::FindUnsettled(uint64_t handover) {
  const auto found = std::lower_bound(
      unsettled_.begin(), unsettled_.end(), handover,
      [](const InFlight& in_flight, uint64_t wanted) { return in_flight.handover < wanted; });
  return found == unsettled_.end() || found->handover != handover ? nullptr : &*found;
}

int SimTransport::answers_under_way() const {
  return static_cast<int>(
      std::count_if(unsettled_.begin(), unsettled_.end(), [](const InFlight& in_flight) {
        return in_flight.answered != Answered::kNot && in_flight.answered != Answered::kLost;
      }));
}

std::vector<size_t> SimTransport::AnswersUnderWay() const {
  std::vector<size_t> indices;
  for (size_t i = 0; i < unsettled_.size(); ++i) {
    const Answered answered = unsettled_[i].answered;
    if (answered != Answered::kNot && answered != Answered::kLost) indices.push_back(i);
  }
  return indices;
}

void SimTransport::Answer(int index, int count) {
  const std::vector<size_t> indices = AnswersUnderWay();
  const size_t begin = static_cast<size_t>(index);
  const size_t end = std::min(indices.size(), begin + static_cast<size_t>(count));
  std::vector<Delivery*> settled;
  for (size_t i = begin; i < end; ++i) {
    const InFlight& in_flight = unsettled_[indices[i]];
    SetVerdict(in_flight, /*timed_out=*/false);
    settled.push_back(in_flight.operation);
    NoteSettled(in_flight);
  }
  for (size_t i = end; i-- > begin;) {
    unsettled_.erase(unsettled_.begin() + static_cast<int64_t>(indices[i]));
  }
  Report(settled);
}

void SimTransport::LoseAnswer(int index) {
  unsettled_[AnswersUnderWay()[static_cast<size_t>(index)]].answered = Answered::kLost;
}

int SimTransport::TimeOut() {
  const SteadyTime now = clock_->SteadyNow();
  std::vector<Delivery*> settled;
  for (auto it = unsettled_.begin(); it != unsettled_.end();) {
    if (it->operation->deadline > now) {
      ++it;
      continue;
    }
    SetVerdict(*it, /*timed_out=*/true);
    settled.push_back(it->operation);
    NoteSettled(*it);
    it = unsettled_.erase(it);
  }
  Report(settled);
  return static_cast<int>(settled.size());
}

SteadyTime SimTransport::NextDeadline() const {
  SteadyTime next = SteadyTime::max();
  for (const InFlight& in_flight : unsettled_) {
    next = std::min(next, in_flight.operation->deadline);
  }
  return next;
}

void SimTransport::SetVerdict(const InFlight& in_flight, bool timed_out) const {
  Operation& operation = *in_flight.operation;
  const auto unconfirmed = [&operation](Verdict verdict, FailureReason reason) {
    operation.verdict = verdict;
    operation.reason = reason;
    operation.error = std::string(FailureReasonName(reason));
  };
  const bool refused_for_now = in_flight.answered == Answered::kRefusedForNow;
  if (timed_out && !refused_for_now) {
    unconfirmed(Verdict::kInDoubt, FailureReason::kTimeout);
    if (options_.bug == PlantedBug::kConfirmedWithoutAck) operation.verdict = Verdict::kConfirmed;
  } else if (refused_for_now) {
    unconfirmed(Verdict::kFailed, FailureReason::kNoResponders);
  } else if (in_flight.answered == Answered::kRefusedForGood) {
    unconfirmed(Verdict::kRefused, FailureReason::kBrokerError);
    operation.refusal = in_flight.refusal;
  } else {
    operation.verdict = Verdict::kConfirmed;
    if (in_flight.message->guarantee != Guarantee::kStored) return;
    operation.stream = kStream;
    operation.sequence = in_flight.stored.sequence;
    operation.duplicate = in_flight.stored.duplicate;
  }
}

// From now on the router knows: what it hands over later is not affected by a refusal before.
void SimTransport::NoteSettled(const InFlight& in_flight) {
  unsettled_bytes_ -= in_flight.operation->size_bytes;
  if (in_flight.operation->batch == nullptr) --redelivering_count_;
  const auto refused = refusals_.find(in_flight.message->key_hash);
  if (refused != refusals_.end()) {
    std::vector<uint64_t>& unsettled = refused->second.unsettled;
    const auto it = std::find(unsettled.begin(), unsettled.end(), in_flight.handover);
    if (it != unsettled.end()) {
      unsettled.erase(it);
      refused->second.before = last_handover_ + 1;
    }
  }
  if (in_flight.answered != Answered::kNot) return;
  for (SentMessage& sent : pipe_) {
    if (sent.handover == in_flight.handover) sent.given_up_before = last_handover_ + 1;
  }
}

void SimTransport::Report(const std::vector<Delivery*>& settled) {
  if (settled.empty()) return;
  std::vector<const Operation*> direct;
  for (Delivery* delivery : settled) {
    const Operation* const operation = static_cast<Operation*>(delivery);
    watcher_->OnSettling(*operation);
    if (operation->batch != nullptr) direct.push_back(operation);
  }
  observer_->OnSettled(settled);
  watcher_->OnSettled(direct);
}

void SimTransport::Connect() {
  if (open_) return;
  open_ = true;
  status_.state = ConnectionState::kConnected;
  observer_->OnUp(++status_.epoch);
}

void SimTransport::ReadRest(int arrives, int late) {
  const SteadyTime now = clock_->SteadyNow();
  while (arrives-- > 0 && TreatNext(Treatment::kStore)) {
  }
  for (; late > 0 && !pipe_.empty(); --late) {
    if (MustRefuse(pipe_.front())) {
      NoteRefusal(pipe_.front());
    } else {
      broker_->AddLate(std::move(pipe_.front()), now);
    }
    pipe_.pop_front();
  }
  pipe_.clear();
}

void SimTransport::Disconnect(int arrives, int late) {
  if (!open_) return;
  open_ = false;
  status_.state = ConnectionState::kReconnecting;
  const size_t unread = static_cast<size_t>(std::max(0, in_pipe() - arrives - late));
  const uint64_t first_unsent =
      unread == 0 ? last_handover_ + 1 : pipe_[pipe_.size() - unread].handover;
  ReadRest(arrives, late);
  refusals_.clear();
  const auto unsent = std::lower_bound(
      unsettled_.begin(), unsettled_.end(), first_unsent,
      [](const InFlight& in_flight, uint64_t wanted) { return in_flight.handover < wanted; });
  const size_t sent_count = static_cast<size_t>(unsent - unsettled_.begin());
  std::vector<const Operation*> direct;
  int taken = 0;
  observer_->OnDown([&] {
    ++taken;
    std::vector<Delivery*> unsettled = TakeUnsettled(sent_count);
    for (Delivery* delivery : unsettled) {
      const Operation* const operation = static_cast<Operation*>(delivery);
      watcher_->OnSettling(*operation);
      if (operation->batch != nullptr) direct.push_back(operation);
    }
    return unsettled;
  });
  if (taken != 1) watcher_->OnRuleBroken("OnDown takes what is unsettled, once");
  watcher_->OnSettled(direct);
}

std::vector<Delivery*> SimTransport::TakeUnsettled(size_t sent_count) {
  std::vector<Delivery*> taken;
  for (size_t i = 0; i < unsettled_.size(); ++i) {
    Operation* const operation = unsettled_[i].operation;
    operation->verdict = i < sent_count ? Verdict::kInDoubt : Verdict::kFailed;
    operation->reason = FailureReason::kConnectionClosed;
    if (options_.bug == PlantedBug::kUnsettledConfirmed) operation->verdict = Verdict::kConfirmed;
    taken.push_back(operation);
  }
  unsettled_.clear();
  unsettled_bytes_ = 0;
  redelivering_count_ = 0;
  return taken;
}

void SimTransport::Cut(int arrives, int late) {
  ReadRest(arrives, late);
  refusals_.clear();
  cut_ = true;
}

void SimTransport::Stop(absl::Duration) {
  Disconnect(0, 0);
  status_.state = ConnectionState::kStopped;
}

}  // namespace router
