#include "server/drainer/drainer.h"

#include <algorithm>
#include <utility>

namespace router {
namespace {

// Fewer than this are not worth a trip to the queue while others are in flight.
constexpr int64_t kWorthClaiming = 256;
constexpr size_t kWorthRemoving = 512;
constexpr std::chrono::milliseconds kRemovalDelayMax(100);

constexpr std::chrono::milliseconds kShortestRest(10);
constexpr std::chrono::seconds kLongestRest(1);

}  // namespace

Drainer::Drainer(const DrainerOptions& options, Clock* clock, Dispatcher* dispatcher,
                 PendingQueue* queue, DrainObserver* observer)
    : options_(options),
      attempts_max_(options.attempts_max),
      clock_(clock),
      dispatcher_(dispatcher),
      queue_(queue),
      observer_(observer) {}

Drainer::~Drainer() { Stop(); }

void Drainer::Start() { thread_ = std::thread(&Drainer::Run, this); }

void Drainer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (thread_.joinable()) thread_.join();
}

void Drainer::Run() {
  while (true) {
    const SteadyTime wake = Step();
    const absl::Duration wait = absl::FromChrono(wake - clock_->SteadyNow());
    absl::MutexLock lock(&mutex_);
    const auto something = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || woken_;
    };
    mutex_.AwaitWithTimeout(absl::Condition(&something), wait);
    woken_ = false;
    if (stopping_) return;
  }
}

SteadyTime Drainer::Step() {
  const SteadyTime now = clock_->SteadyNow();
  // In this order: what earlier connections gave back is then in the inbox, and nothing newer can
  // be handed to a later connection than this one before it.
  epoch_ = dispatcher_->epoch();
  SettleInbox(now);
  SweepExpired(now);
  RetryBlockedHeads(now);
  Advance(now);
  if (running_ && in_flight_ == 0) EndRun(now);
  return NextWake(now);
}

void Drainer::SettleInbox(SteadyTime now) {
  Inbox inbox = TakeInbox();
  const int64_t succeeded_before = run_succeeded_;
  Verdicts verdicts;
  for (Operation* operation : inbox.settled) {
    std::unique_ptr<Redelivery> redelivery(static_cast<Redelivery*>(operation));
    Settle(redelivery.get(), inbox.connection_ended, now, &verdicts);
  }
  if (run_succeeded_ > succeeded_before) rate_.Add(run_succeeded_ - succeeded_before, now);
  if (inbox.connection_ended) ForgetBlocks();
  for (uint64_t key_hash : inbox.retry_keys) {
    auto it = keys_.find(key_hash);
    if (it != keys_.end()) it->second.retry_at = now;
  }
  RemoveDelivered(now);
  Apply(verdicts, now);
}

SteadyTime Drainer::NextWake(SteadyTime now) const {
  SteadyTime wake = now + kLongestRest;
  if (!delivered_.empty()) wake = now + kRemovalDelayMax;
  if (next_sweep_ <= now) wake = now + kShortestRest;  // There is more to be swept.
  if (blocked_keys_ == 0) return wake;
  for (const auto& [hash, key] : keys_) {
    if (key.blocked_at != 0 && key.in_flight == 0) wake = std::min(wake, key.retry_at);
  }
  return std::max(wake, now + kShortestRest);
}

// Removals are gathered: each batch costs the queue a commit.
void Drainer::RemoveDelivered(SteadyTime now) {
  if (delivered_.empty()) {
    removed_at_ = now;
    return;
  }
  if (delivered_.size() < kWorthRemoving && in_flight_ > 0 &&
      now - removed_at_ < kRemovalDelayMax) {
    return;
  }
  queue_->Remove(delivered_);
  delivered_.clear();
  removed_at_ = now;
}

Drainer::Inbox Drainer::TakeInbox() {
  Inbox inbox;
  absl::MutexLock lock(&mutex_);
  std::swap(inbox, inbox_);
  return inbox;
}

void Drainer::RetryBlockedHeads(SteadyTime now) {
  if (blocked_keys_ == 0) return;
  std::vector<uint64_t> due;
  for (const auto& [hash, key] : keys_) {
    if (key.blocked_at != 0 && key.in_flight == 0 && key.retry_at <= now) due.push_back(hash);
  }
  for (uint64_t hash : due) {
    if (dispatcher_->RedeliveryRoom() == 0) return;
    const uint64_t head = keys_[hash].blocked_at;
    absl::StatusOr<std::vector<PendingRecord>> claimed =
        queue_->Claim(head - 1, 1, options_.claim_bytes_max);
    if (!claimed.ok()) return;
    if (claimed->empty() || claimed->front().sequence != head) {
      // Somebody purged the head: the rest of the key goes on without it.
      if (!claimed->empty()) queue_->Release({claimed->front().sequence});
      Unblock(&keys_[hash]);
      keys_.erase(hash);
      continue;
    }
    if (claimed->front().expire_time <= clock_->WallNow()) {
      Verdicts expired;
      expired.expired.push_back(ExpiredVerdict(head));
      Unblock(&keys_[hash]);
      keys_.erase(hash);
      Apply(expired, now);
      continue;
    }
    BeginRun(now);
    std::vector<std::unique_ptr<Redelivery>> one;
    one.push_back(MakeRedelivery(std::move(claimed->front()), now));
    if (!HandOver(std::move(one))) return;
  }
}

void Drainer::Advance(SteadyTime now) {
  while (blocked_keys_ < options_.blocked_keys_max) {
    const int64_t room = dispatcher_->RedeliveryRoom();
    if (room == 0 || (in_flight_ > 0 && room < kWorthClaiming)) return;
    absl::StatusOr<std::vector<PendingRecord>> claimed =
        queue_->Claim(cursor_, std::min(room, options_.claim_count_max), options_.claim_bytes_max);
    if (!claimed.ok() || claimed->empty()) return;
    Verdicts verdicts;
    std::vector<std::unique_ptr<Redelivery>> redeliveries;
    const absl::Time wall_now = clock_->WallNow();
    for (PendingRecord& record : *claimed) {
      cursor_ = record.sequence;
      if (record.expire_time <= wall_now) {
        verdicts.expired.push_back(ExpiredVerdict(record.sequence));
        continue;
      }
      auto key = keys_.find(HashOrderingKey(record.ordering_key));
      if (key != keys_.end() && key->second.blocked_at != 0) {
        if (record.sequence < key->second.blocked_at) BlockUntried(&key->second, record, now);
        verdicts.release.push_back(record.sequence);
        continue;
      }
      redeliveries.push_back(MakeRedelivery(std::move(record), now));
    }
    if (!redeliveries.empty()) BeginRun(now);
    const bool handed_over = redeliveries.empty() || HandOver(std::move(redeliveries));
    Apply(verdicts, now);
    if (!handed_over) return;
  }
}

std::unique_ptr<Drainer::Redelivery> Drainer::MakeRedelivery(PendingRecord record,
                                                             SteadyTime now) const {
  auto redelivery = std::make_unique<Redelivery>();
  redelivery->record = std::move(record);
  const PendingRecord& kept = redelivery->record;
  redelivery->headers.reserve(kept.headers.size());
  for (const auto& [key, value] : kept.headers) redelivery->headers.push_back({key, value});
  redelivery->message.subject = kept.subject;
  redelivery->message.payload = kept.payload;
  redelivery->message.headers = redelivery->headers;
  redelivery->message.message_id = kept.message_id;
  redelivery->message.caller_chose_id = kept.caller_chose_id;
  redelivery->message.guarantee = kept.guarantee;
  redelivery->ordering_key = kept.ordering_key;
  redelivery->key_hash = HashOrderingKey(kept.ordering_key);
  redelivery->size_bytes = kept.size_bytes;
  redelivery->accept_time = kept.accept_time;
  redelivery->expire_time = kept.expire_time;
  redelivery->operation_id = kept.sequence;
  redelivery->first_sent_time = kept.first_sent_time;
  redelivery->waits_for_stream = true;
  redelivery->sent_time = clock_->WallNow();
  redelivery->deadline = now + absl::ToChronoNanoseconds(options_.ack_timeout);
  return redelivery;
}

// On success the transport has them, and they come back through the inbox.
bool Drainer::HandOver(std::vector<std::unique_ptr<Redelivery>> redeliveries) {
  std::vector<Operation*> operations;
  operations.reserve(redeliveries.size());
  for (const auto& redelivery : redeliveries) {
    operations.push_back(redelivery.get());
    redelivery->first_of_key = keys_[redelivery->key_hash].in_flight++ == 0;
  }
  in_flight_ += static_cast<int64_t>(operations.size());
  if (queue_->NoteSending(operations.back()->operation_id).ok() &&
      dispatcher_->Redeliver(operations, epoch_, failures_)) {
    for (auto& redelivery : redeliveries) redelivery.release();
    return true;
  }
  in_flight_ -= static_cast<int64_t>(operations.size());
  std::vector<uint64_t> sequences;
  for (const auto& redelivery : redeliveries) {
    sequences.push_back(redelivery->operation_id);
    auto key = keys_.find(redelivery->key_hash);
    --key->second.in_flight;
    if (key->second.blocked_at != 0) continue;  // It is found again without the cursor.
    Rewind(redelivery->operation_id);
    if (key->second.in_flight == 0) keys_.erase(key);
  }
  queue_->Release(sequences);
  return false;
}

void Drainer::Rewind(uint64_t sequence) { cursor_ = std::min(cursor_, sequence - 1); }

void Drainer::BeginRun(SteadyTime now) {
  if (running_) return;
  running_ = true;
  run_started_ = now;
  run_succeeded_ = 0;
  run_failed_ = 0;
  observer_->OnDrainStarted(dispatcher_->GetLedger().queued_count);
}

void Drainer::EndRun(SteadyTime now) {
  running_ = false;
  observer_->OnDrainEnded(run_succeeded_, run_failed_, absl::FromChrono(now - run_started_));
}

void Drainer::SettleRest() {
  const SteadyTime now = clock_->SteadyNow();
  SettleInbox(now);
  if (running_) EndRun(now);
}

void Drainer::RetryNow(absl::Span<const uint64_t> key_hashes) {
  absl::MutexLock lock(&mutex_);
  inbox_.retry_keys.insert(inbox_.retry_keys.end(), key_hashes.begin(), key_hashes.end());
  woken_ = true;
}

absl::optional<Drainer::Attempts> Drainer::FindAttempts(uint64_t operation_id) const {
  absl::MutexLock lock(&mutex_);
  auto it = attempts_.find(operation_id);
  if (it == attempts_.end() || !it->second.blocks_key) return absl::nullopt;
  return it->second;
}

void Drainer::OnRedelivered(absl::Span<Operation* const> operations) {
  absl::MutexLock lock(&mutex_);
  inbox_.settled.insert(inbox_.settled.end(), operations.begin(), operations.end());
  woken_ = true;
}

void Drainer::OnConnectionEnded(absl::Span<Operation* const> operations) {
  absl::MutexLock lock(&mutex_);
  inbox_.settled.insert(inbox_.settled.end(), operations.begin(), operations.end());
  inbox_.connection_ended = true;
  woken_ = true;
}

void Drainer::OnDeliverable() {
  absl::MutexLock lock(&mutex_);
  woken_ = true;
}

}  // namespace router
