// Who becomes a dead letter: what has failed too often, and what has expired.
#include <algorithm>
#include <string>
#include <utility>

#include "server/drainer/drainer.h"
#include "server/tracing/trace_context.h"

namespace router {
namespace {

// Expired messages are looked for this often, and moved in slices of at most so many.
constexpr std::chrono::seconds kSweepInterval(1);
constexpr int64_t kSweepCountMax = 256;

}  // namespace

// Whether a failure says something about the message: a lost connection does not, what is sent
// behind an older message of its key may fail because that one did, and what has run into its
// deadline without being in doubt was never sent.
bool Drainer::IsAttempt(const Redelivery& redelivery) {
  const bool was_never_sent =
      redelivery.verdict == Verdict::kFailed && redelivery.reason == FailureReason::kTimeout;
  return redelivery.first_of_key && !was_never_sent &&
         redelivery.reason != FailureReason::kConnectionClosed &&
         redelivery.reason != FailureReason::kNotConnected;
}

bool Drainer::TooManyAttempts(const Redelivery& redelivery, bool connection_ended) const {
  const int attempts_max = attempts_max_.load(std::memory_order_relaxed);
  if (attempts_max <= 0 || connection_ended || !IsAttempt(redelivery)) return false;
  return AttemptsOf(redelivery.operation_id).count + 1 >= attempts_max;
}

DeadLetterVerdict Drainer::DeadLetterOf(const Redelivery& redelivery,
                                        absl::string_view label) const {
  const Attempts before = AttemptsOf(redelivery.operation_id);
  return {redelivery.operation_id,
          {std::string(label), redelivery.error, before.count + 1,
           before.first_error.empty() ? redelivery.error : before.first_error},
          std::string(FindTraceId(redelivery.message.headers).value_or(""))};
}

DeadLetterVerdict Drainer::ExpiredVerdict(uint64_t sequence) const {
  const Attempts before = AttemptsOf(sequence);
  return {sequence,
          {"expired", before.count == 0 ? "its time to live has passed" : before.last_error,
           before.count, before.first_error},
          ""};
}

void Drainer::Apply(const Verdicts& verdicts, SteadyTime now) {
  for (const auto& [sequence, since] : verdicts.in_doubt) queue_->NoteInDoubt({sequence}, since);
  if (!verdicts.release.empty()) queue_->Release(verdicts.release);
  if (!MoveToDeadLetters(verdicts.dead)) {
    for (size_t i = 0; i < verdicts.dead.size(); ++i) {
      KeepDeadLetter(verdicts.dead[i], verdicts.dead_keys[i], now);
    }
  }
  if (!MoveToDeadLetters(verdicts.expired)) {
    for (const DeadLetterVerdict& verdict : verdicts.expired) KeepExpired(verdict.sequence);
  }
}

// Whether the disk has taken them.
bool Drainer::MoveToDeadLetters(const std::vector<DeadLetterVerdict>& verdicts) {
  if (verdicts.empty()) return true;
  if (!queue_->MoveToDeadLetters(verdicts).ok()) return false;
  for (const DeadLetterVerdict& verdict : verdicts) {
    observer_->OnDeadLetter(verdict);
  }
  return true;
}

// It is tried again, before everything behind it of its key.
void Drainer::KeepDeadLetter(const DeadLetterVerdict& verdict, uint64_t key_hash, SteadyTime now) {
  queue_->Release({verdict.sequence});
  if (!Block(&keys_[key_hash], verdict.sequence, now)) return;
  absl::MutexLock lock(&mutex_);
  Attempts& attempts = attempts_[verdict.sequence];
  attempts.count = static_cast<int>(verdict.reason.attempts);
  attempts.first_error = verdict.reason.first_error;
  attempts.last_error = verdict.reason.error;
  attempts.blocks_key = true;
}

// It is looked at again after the next sweep, and does not hold up the others until then.
void Drainer::KeepExpired(uint64_t sequence) {
  queue_->Release({sequence});
  first_kept_expired_ = std::min(first_kept_expired_, sequence);
}

// Expired messages become dead letters whether or not it is their turn.
void Drainer::SweepExpired(SteadyTime now) {
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepInterval;
  if (first_kept_expired_ != kNone) Rewind(std::exchange(first_kept_expired_, kNone));
  const absl::Time wall_now = clock_->WallNow();
  if (queue_->GetStats().next_expire_time > wall_now) return;
  const absl::StatusOr<std::vector<RemovedRecord>> expired =
      queue_->ClaimExpired(wall_now, kSweepCountMax, options_.claim_bytes_max);
  if (!expired.ok() || expired->empty()) return;
  Verdicts verdicts;
  for (const RemovedRecord& record : *expired) {
    verdicts.expired.push_back(ExpiredVerdict(record.sequence));
    ForgetAttempts(record.sequence);
    const auto key = keys_.find(record.key_hash);
    if (key == keys_.end() || key->second.blocked_at != record.sequence) continue;
    Unblock(&key->second);
    if (key->second.in_flight == 0) keys_.erase(key);
  }
  Apply(verdicts, now);
  if (first_kept_expired_ == kNone) next_sweep_ = now;  // There may be more.
}

Drainer::Attempts Drainer::AttemptsOf(uint64_t sequence) const {
  absl::MutexLock lock(&mutex_);
  auto it = attempts_.find(sequence);
  return it == attempts_.end() ? Attempts() : it->second;
}

void Drainer::RememberAttempt(const Redelivery& redelivery) {
  absl::MutexLock lock(&mutex_);
  Attempts& attempts = attempts_[redelivery.operation_id];
  if (IsAttempt(redelivery)) ++attempts.count;
  if (attempts.first_error.empty()) attempts.first_error = redelivery.error;
  attempts.last_error = redelivery.error;
  attempts.blocks_key = true;
}

// What they had failed before counts on.
void Drainer::KeepAttemptsOfHeads() {
  absl::MutexLock lock(&mutex_);
  if (attempts_.size() > 2 * options_.blocked_keys_max) attempts_.clear();
  for (auto& [sequence, attempts] : attempts_) attempts.blocks_key = false;
}

void Drainer::ForgetAttempts(uint64_t sequence) {
  absl::MutexLock lock(&mutex_);
  attempts_.erase(sequence);
}

}  // namespace router
