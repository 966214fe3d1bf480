// What NatsSession makes of the answers.
#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "transports/nats/nats_session.h"
#include "transports/nats/reply.h"

namespace router {
namespace {

// A search may have taken all the time there was.
constexpr std::chrono::seconds kAttemptAfterSearch(2);

constexpr absl::string_view kApiPrefix = "$JS.API.";

SteadyTime Now() { return std::chrono::steady_clock::now(); }

}  // namespace

void NatsSession::HandleReplies(SteadyTime now) {
  NatsConnection::Reply reply;
  while (connection_->NextReply(&reply)) {
    switch (reply.kind) {
      case ReplyKind::kAck:
        HandleAck(reply, now);
        break;
      case ReplyKind::kFence:
        HandleFence(reply.number, now);
        break;
      case ReplyKind::kQuestion:
        HandleAnswer(reply);
        break;
      case ReplyKind::kSearch:
        HandleSearch(reply, now);
        break;
    }
  }
  HandleSearchResults();
  AdmitFreed();
}

void NatsSession::HandleAck(const NatsConnection::Reply& reply, SteadyTime now) {
  const InFlight* const entry = window_->Find(reply.number);
  if (entry == nullptr || entry->is_core || entry->state == InFlight::State::kMuted) return;
  if (reply.no_responders) {
    const absl::string_view subject = entry->delivery->message.subject;
    HoldBackEntry(reply.number, FailureReason::kNoResponders, "no responders for the subject", now);
    return Ask(subject);
  }
  StoredReply stored;
  if (ParseStoredReply(reply.data, &stored)) {
    return Confirm(reply.number, stored.stream, stored.sequence, stored.duplicate);
  }
  HandleUnusualAck(reply.number, reply.data, now);
}

void NatsSession::HandleUnusualAck(uint64_t number, absl::string_view data, SteadyTime now) {
  PublishReply parsed = ParsePublishReply(data);
  switch (parsed.kind) {
    case PublishReply::Kind::kStored:
      return Confirm(number, parsed.stream, parsed.sequence, parsed.duplicate);
    case PublishReply::Kind::kRefused:
      hold_back_.Forget(window_->Find(number)->delivery->message.subject, number, now);
      return Refuse(number, parsed.refusal, std::move(parsed.error));
    case PublishReply::Kind::kUnavailable:
      return HoldBackEntry(number, FailureReason::kBrokerError, std::move(parsed.error), now);
    case PublishReply::Kind::kMalformed:
      return;  // Proves nothing: the deadline decides.
  }
}

void NatsSession::Confirm(uint64_t number, absl::string_view stream, uint64_t sequence,
                          bool duplicate) {
  Delivery* const delivery = window_->Remove(number);
  delivery->verdict = Verdict::kConfirmed;
  delivery->stream = stream_names_->Intern(stream);
  delivery->sequence = sequence;
  delivery->duplicate = duplicate;
  if (duplicate) delivery->possible_duplicate = false;  // It was noticed.
  settled_.push_back(delivery);
  LeaveLane(*delivery, number);
  if (!hold_back_.empty()) TransmitAll(hold_back_.Confirmed(delivery->message.subject, number));
}

void NatsSession::ConfirmReceived(uint64_t number) {
  Delivery* const delivery = window_->Remove(number);
  delivery->verdict = Verdict::kConfirmed;
  settled_.push_back(delivery);
  LeaveLane(*delivery, number);
}

void NatsSession::HoldBackEntry(uint64_t number, FailureReason reason, std::string error,
                                SteadyTime now) {
  InFlight* const entry = window_->Find(number);
  entry->state = InFlight::State::kWaiting;
  lanes_.Block(entry->delivery->key_hash, number);
  hold_back_.Refused(entry->delivery->message.subject, number, reason, std::move(error), now);
}

// No responders may mean that the stream has no leader just now, or that there is no such stream.
void NatsSession::Ask(absl::string_view subject) {
  const absl::optional<uint64_t> question = hold_back_.Ask(subject);
  if (!question.has_value()) return;
  connection_->SendRequest(StreamNamesRequest(subject), ReplyKind::kQuestion, *question);
}

// Anything but a clear "there is none" changes nothing: without JetStream the question itself has
// no responders.
void NatsSession::HandleAnswer(const NatsConnection::Reply& reply) {
  const absl::optional<std::string> subject = hold_back_.TakeQuestion(reply.number);
  if (!subject.has_value() || reply.no_responders) return;
  const absl::optional<std::string> stream = ParseStreamName(reply.data);
  if (!stream.has_value() || !stream->empty()) return;
  for (const uint64_t number : hold_back_.Drop(*subject)) {
    if (window_->Find(number) == nullptr) continue;  // It has failed behind one of these.
    Refuse(number, Refusal::kNoStreamForSubject, "no stream takes this subject");
  }
}

void NatsSession::HandleSearch(const NatsConnection::Reply& reply, SteadyTime now) {
  if (!reply.reader_reply.empty()) {
    return search_.HandleMessage(reply.reader_reply, reply.message_id, now);
  }
  search_.HandleAnswer(reply.number, reply.no_responders, reply.data, absl::Now(), now);
}

void NatsSession::AskSearch() {
  for (const StoredSearch::Question& asked : search_.TakeQuestions()) {
    if (closed_) return;
    connection_->SendRequest(asked.request, ReplyKind::kSearch, asked.question);
  }
}

void NatsSession::HandleSearchResults() {
  for (const StoredSearch::Result& result : search_.TakeResults()) {
    InFlight* const entry = window_->Find(result.number);
    Delivery* const delivery = entry->delivery;
    if (result.answer == StoredSearch::Answer::kStored) {
      Confirm(result.number, result.stream, result.sequence, /*duplicate=*/true);
      continue;
    }
    if (result.answer == StoredSearch::Answer::kLater) {
      Settle(result.number, Verdict::kFailed, FailureReason::kNoResponders,
             "JetStream does not say whether it is stored already");
      continue;
    }
    if (entry->overtakes != FailureReason::kNone) {
      const FailureReason reason = entry->overtakes;
      window_->Remove(result.number);
      LeaveLane(*delivery, result.number);
      SettleOvertaking(delivery, reason);
      continue;
    }
    delivery->possible_duplicate = result.answer == StoredSearch::Answer::kUnknown;
    entry->state = InFlight::State::kWaiting;
    entry->deadline = std::max(entry->deadline, Now() + kAttemptAfterSearch);
    earliest_deadline_ = std::min(earliest_deadline_, entry->deadline);
    lanes_.Wait(delivery->key_hash, result.number);
    freed_keys_.push_back(delivery->key_hash);
  }
}

void NatsSession::HandleFence(uint64_t number, SteadyTime now) {
  if (fences_.empty() || fences_.front() != number) return;
  fences_.pop_front();
  liveness_.PingAnswered(!fences_.empty(), now);
  RefuseDenied(now);
  for (; confirmed_below_ < number; ++confirmed_below_) {
    const InFlight* const entry = window_->Find(confirmed_below_);
    if (entry == nullptr || !entry->is_core || entry->state != InFlight::State::kSent) continue;
    if (confirmed_below_ < suspect_below_) {
      Settle(confirmed_below_, Verdict::kInDoubt, FailureReason::kBrokerError,
             "the server denied a message that was sent at the same time");
    } else {
      ConfirmReceived(confirmed_below_);
    }
  }
  SendFenceWhereUseful(now);
}

void NatsSession::RefuseDenied(SteadyTime now) {
  const absl::optional<std::string> denied = connection_->DeniedSubject();
  if (!denied.has_value()) return;
  if (absl::StartsWith(*denied, kApiPrefix)) return search_.NotPermitted(now);
  bool found = denied->empty();  // Unreadable: it may be any.
  for (uint64_t number = window_->head(); number < window_->tail(); ++number) {
    const InFlight* const entry = window_->Find(number);
    if (entry == nullptr || entry->state != InFlight::State::kSent) continue;
    if (entry->delivery->message.subject != *denied) continue;
    found = true;
    Refuse(number, Refusal::kOther, "the server does not permit publishing to this subject");
  }
  if (found) suspect_below_ = window_->tail();
}

}  // namespace router
