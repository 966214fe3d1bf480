#include "transports/testing/recording_observer.h"

#include <cstdio>
#include <cstdlib>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

// Whether this thread is inside Transport::Publish.
thread_local bool inside_publish = false;

std::string StepName(ConnectionEvent::Kind kind) {
  switch (kind) {
    case ConnectionEvent::Kind::kEstablished:
      return "established";
    case ConnectionEvent::Kind::kLost:
      return "lost";
    case ConnectionEvent::Kind::kReconnectAttempt:
      return "reconnect_attempt";
    case ConnectionEvent::Kind::kAttemptFailed:
      return "attempt_failed";
    case ConnectionEvent::Kind::kExhausted:
      return "exhausted";
    case ConnectionEvent::Kind::kRestored:
      return "restored";
  }
  return "unknown";
}

}  // namespace

class ABSL_SCOPED_LOCKABLE RecordingObserver::Callback {
 public:
  explicit Callback(RecordingObserver* observer) ABSL_EXCLUSIVE_LOCK_FUNCTION(observer->mutex_)
      : observer_(observer), overlaps_(observer->callbacks_running_.fetch_add(1) != 0) {
    if (inside_publish) {
      std::fprintf(stderr, "the transport calls back from inside Publish\n");
      std::abort();
    }
    observer_->mutex_.Lock();
    if (overlaps_) observer_->BreakRule("two callbacks at a time");
  }
  ~Callback() ABSL_UNLOCK_FUNCTION() {
    ++observer_->changes_;
    observer_->changed_.SignalAll();
    observer_->mutex_.Unlock();
    observer_->callbacks_running_.fetch_sub(1);
  }

 private:
  RecordingObserver* const observer_;
  const bool overlaps_;
};

bool RecordingObserver::Publish(Transport* transport,
                                std::vector<std::unique_ptr<OwnedDelivery>> deliveries) {
  absl::MutexLock lock(&mutex_);
  if (!open_) return false;
  std::vector<Delivery*> batch;
  for (std::unique_ptr<OwnedDelivery>& owned : deliveries) {
    owned->number = ++last_number_;
    Delivery& delivery = owned->delivery;
    delivery.failures_known = failures_;
    if (delivery.key_hash == 0) delivery.key_hash = absl::Hash<std::string>()(owned->subject);
    batch.push_back(&delivery);
    unsettled_[batch.back()] = std::move(owned);
  }
  inside_publish = true;
  transport->Publish(batch);
  inside_publish = false;
  return true;
}

void RecordingObserver::OnUp(uint64_t epoch) {
  Callback callback(this);
  if (open_) BreakRule("OnUp inside an epoch");
  if (epoch != epoch_ + 1) BreakRule(absl::StrCat("epoch ", epoch, " follows ", epoch_));
  open_ = true;
  epoch_ = epoch;
  ++up_count_;
  Note("up");
}

void RecordingObserver::OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) {
  Callback callback(this);
  if (!open_) BreakRule("OnDown outside an epoch");
  open_ = false;
  ++down_count_;
  Note("down");
  uint64_t last = 0;
  for (Delivery* delivery : take_unsettled()) {
    if (delivery->verdict != Verdict::kInDoubt && delivery->verdict != Verdict::kFailed) {
      BreakRule("OnDown hands back with a verdict that is neither kInDoubt nor kFailed");
    }
    const uint64_t number = Settle(delivery, /*handed_back=*/true);
    if (number <= last) BreakRule("OnDown hands back in another order than that of Publish");
    last = number;
  }
  if (!unsettled_.empty()) BreakRule("OnDown keeps what is unsettled");
}

void RecordingObserver::OnSettled(absl::Span<Delivery* const> deliveries) {
  Callback callback(this);
  if (!open_) BreakRule("OnSettled outside an epoch");
  if (deliveries.empty()) BreakRule("OnSettled without deliveries");
  if (steps_.empty() || steps_.back() != "settled") Note("settled");
  for (Delivery* delivery : deliveries) {
    if (TriedAgain(*delivery)) ++failures_;
    Settle(delivery, /*handed_back=*/false);
  }
}

void RecordingObserver::OnConnectionEvent(const ConnectionEvent& event) {
  Callback callback(this);
  events_.push_back(event);
  Note(StepName(event.kind));
}

std::vector<Outcome> RecordingObserver::Outcomes() const {
  absl::MutexLock lock(&mutex_);
  return outcomes_;
}

std::vector<ConnectionEvent> RecordingObserver::Events() const {
  absl::MutexLock lock(&mutex_);
  return events_;
}

std::vector<std::string> RecordingObserver::Steps() const {
  absl::MutexLock lock(&mutex_);
  return steps_;
}

int64_t RecordingObserver::unsettled_count() const {
  absl::MutexLock lock(&mutex_);
  return static_cast<int64_t>(unsettled_.size());
}

uint64_t RecordingObserver::open_epoch() const {
  absl::MutexLock lock(&mutex_);
  return open_ ? epoch_ : 0;
}

int RecordingObserver::up_count() const {
  absl::MutexLock lock(&mutex_);
  return up_count_;
}

int RecordingObserver::down_count() const {
  absl::MutexLock lock(&mutex_);
  return down_count_;
}

std::vector<std::string> RecordingObserver::BrokenRules() const {
  absl::MutexLock lock(&mutex_);
  return broken_rules_;
}

bool RecordingObserver::WaitUntil(const std::function<bool()>& done, absl::Duration limit) const {
  const SteadyTime end = std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(limit);
  for (;;) {
    uint64_t seen = 0;
    {
      absl::MutexLock lock(&mutex_);
      seen = changes_;
    }
    if (done()) return true;
    if (std::chrono::steady_clock::now() >= end) return false;
    absl::MutexLock lock(&mutex_);
    // What `done` asks may also change without a callback.
    if (changes_ == seen) changed_.WaitWithTimeout(&mutex_, absl::Milliseconds(10));
  }
}

bool RecordingObserver::WaitForOutcomes(size_t count) const {
  return WaitUntil([this, count] {
    absl::MutexLock lock(&mutex_);
    return outcomes_.size() >= count;
  });
}

bool RecordingObserver::WaitForEpoch(uint64_t epoch) const {
  return WaitUntil([this, epoch] { return open_epoch() == epoch; });
}

bool RecordingObserver::WaitForDowns(int count) const {
  return WaitUntil([this, count] { return down_count() >= count; });
}

uint64_t RecordingObserver::Settle(Delivery* delivery, bool handed_back) {
  const auto found = unsettled_.find(delivery);
  if (found == unsettled_.end()) {
    BreakRule("a delivery is settled twice, or was never handed over");
    return 0;
  }
  const uint64_t number = found->second->number;
  Outcome outcome;
  outcome.message_id = found->second->message_id;
  outcome.verdict = delivery->verdict;
  outcome.reason = delivery->reason;
  outcome.refusal = delivery->refusal;
  outcome.stream = std::string(delivery->stream);
  outcome.sequence = delivery->sequence;
  outcome.duplicate = delivery->duplicate;
  outcome.possible_duplicate = delivery->possible_duplicate;
  outcome.error = delivery->error;
  outcome.epoch = epoch_;
  outcome.handed_back = handed_back;
  outcome.time = std::chrono::steady_clock::now();
  CheckOutcome(outcome, delivery->message.guarantee);
  outcomes_.push_back(std::move(outcome));
  unsettled_.erase(found);
  return number;
}

void RecordingObserver::CheckOutcome(const Outcome& outcome, Guarantee guarantee) {
  const bool confirmed = outcome.verdict == Verdict::kConfirmed;
  if (outcome.verdict == Verdict::kPending) BreakRule("settled without a verdict");
  if (confirmed != (outcome.reason == FailureReason::kNone)) {
    BreakRule("there is a reason exactly where it is not confirmed");
  }
  if (confirmed != outcome.error.empty()) {
    BreakRule("there is an error exactly where it is not confirmed");
  }
  if ((outcome.verdict == Verdict::kRefused) != (outcome.refusal != Refusal::kNone)) {
    BreakRule("there is a refusal exactly where it is refused");
  }
  const bool stored = confirmed && guarantee == Guarantee::kStored;
  if (stored != (outcome.sequence > 0) || stored != !outcome.stream.empty()) {
    BreakRule("there is a stream and a sequence exactly where kStored is confirmed");
  }
}

void RecordingObserver::Note(std::string step) { steps_.push_back(std::move(step)); }

void RecordingObserver::BreakRule(absl::string_view rule) { broken_rules_.emplace_back(rule); }

}  // namespace router
