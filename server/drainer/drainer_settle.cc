// What becomes of an operation that came back, and of its key.
#include <algorithm>
#include <utility>

#include "server/drainer/drainer.h"

namespace router {
namespace {

absl::string_view DeadLetterLabel(Refusal refusal) {
  switch (refusal) {
    case Refusal::kNoStreamForSubject:
      return "no_stream";
    case Refusal::kMessageTooLarge:
      return "too_large";
    case Refusal::kNone:
    case Refusal::kOther:
      break;
  }
  return "refused";
}

}  // namespace

void Drainer::Settle(Redelivery* redelivery, bool connection_ended, SteadyTime now,
                     Verdicts* verdicts) {
  const uint64_t sequence = redelivery->operation_id;
  auto it = keys_.find(redelivery->key_hash);
  Key* key = &it->second;
  --key->in_flight;
  --in_flight_;
  if (TriedAgain(*redelivery)) ++failures_;
  const bool was_head = key->blocked_at == sequence;
  const int attempts = was_head ? key->attempts + 1 : 1;
  switch (redelivery->verdict) {
    case Verdict::kConfirmed:
      delivered_.push_back(sequence);
      ++run_succeeded_;
      if (was_head) Unblock(key);
      ForgetAttempts(sequence);
      break;
    case Verdict::kRefused:
      ++run_failed_;
      if (MayStillBeTaken(*redelivery, attempts) && !TooManyAttempts(*redelivery, false)) {
        KeepForLater(key, *redelivery, connection_ended, now, verdicts);
        break;
      }
      verdicts->AddDead(DeadLetterOf(*redelivery, DeadLetterLabel(redelivery->refusal)),
                        redelivery->key_hash);
      if (was_head) Unblock(key);
      ForgetAttempts(sequence);
      break;
    case Verdict::kFailed:
    case Verdict::kInDoubt:
    case Verdict::kPending:
      ++run_failed_;
      if (!TooManyAttempts(*redelivery, connection_ended)) {
        KeepForLater(key, *redelivery, connection_ended, now, verdicts);
        break;
      }
      if (redelivery->verdict == Verdict::kInDoubt) {
        verdicts->in_doubt.emplace_back(sequence, redelivery->sent_time);
      }
      verdicts->AddDead(DeadLetterOf(*redelivery, "attempts"), redelivery->key_hash);
      if (was_head) Unblock(key);
      ForgetAttempts(sequence);
      break;
  }
  if (key->in_flight == 0 && key->blocked_at == 0) keys_.erase(it);
}

// A broker that has just come back may get its streams a moment later, and the message was
// accepted.
bool Drainer::MayStillBeTaken(const Redelivery& redelivery, int attempts) const {
  return redelivery.refusal == Refusal::kNoStreamForSubject &&
         attempts < options_.no_stream_attempts_max;
}

void Drainer::KeepForLater(Key* key, const Redelivery& redelivery, bool connection_ended,
                           SteadyTime now, Verdicts* verdicts) {
  if (redelivery.verdict == Verdict::kInDoubt) {
    verdicts->in_doubt.emplace_back(redelivery.operation_id, redelivery.sent_time);
  }
  verdicts->release.push_back(redelivery.operation_id);
  if (connection_ended) {
    Rewind(redelivery.operation_id);
  } else {
    if (Block(key, redelivery.operation_id, now)) RememberAttempt(redelivery);
  }
}

bool Drainer::Block(Key* key, uint64_t sequence, SteadyTime now) {
  if (key->blocked_at == 0) {
    ++blocked_keys_;
    key->blocked_at = sequence;
    key->attempts = 0;
  } else if (sequence < key->blocked_at) {
    ForgetAttempts(key->blocked_at);
    key->blocked_at = sequence;
    key->attempts = 0;
  } else if (sequence > key->blocked_at) {
    return false;  // Waits behind its head.
  }
  absl::Duration delay = options_.retry_delay;
  for (int i = 0; i < key->attempts && delay < options_.retry_delay_max; ++i) delay *= 2;
  ++key->attempts;
  key->retry_at = now + absl::ToChronoNanoseconds(std::min(delay, options_.retry_delay_max));
  return true;
}

// It was released before a younger one failed, which is the head by now and must not overtake it.
void Drainer::BlockUntried(Key* key, const PendingRecord& record, SteadyTime now) {
  Block(key, record.sequence, now);
  key->retry_at = now;
  absl::MutexLock lock(&mutex_);
  attempts_[record.sequence].blocks_key = true;
}

void Drainer::Unblock(Key* key) {
  ForgetAttempts(key->blocked_at);
  Rewind(key->blocked_at + 1);
  key->blocked_at = 0;
  key->attempts = 0;
  --blocked_keys_;
}

void Drainer::ForgetBlocks() {
  KeepAttemptsOfHeads();
  for (auto it = keys_.begin(); it != keys_.end();) {
    Key& key = it->second;
    if (key.blocked_at != 0) {
      Rewind(key.blocked_at);
      key.blocked_at = 0;
      key.attempts = 0;
      --blocked_keys_;
    }
    if (key.in_flight == 0) {
      keys_.erase(it++);
    } else {
      ++it;
    }
  }
}

}  // namespace router
