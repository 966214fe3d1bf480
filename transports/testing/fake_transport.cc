#include "transports/testing/fake_transport.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr absl::string_view kUrl = "fake://broker";
constexpr absl::string_view kServerName = "fake";

SteadyTime Now() { return std::chrono::steady_clock::now(); }

void AbortUnless(bool rule_kept, const char* rule) {
  if (rule_kept) return;
  std::fprintf(stderr, "FakeTransport: rule of Transport broken: %s\n", rule);
  std::abort();
}

FakeMessage Copy(const Message& message, uint64_t epoch) {
  FakeMessage copy;
  copy.subject = std::string(message.subject);
  copy.payload = std::string(message.payload);
  copy.message_id = std::string(message.message_id);
  copy.guarantee = message.guarantee;
  copy.epoch = epoch;
  return copy;
}

// A broker that forgets nothing.
std::unique_ptr<InprocStream> MakeStream(const FakeTransport::Options& options) {
  InprocOptions stream;
  stream.messages_max = std::numeric_limits<int64_t>::max();
  stream.bytes_max = std::numeric_limits<int64_t>::max();
  stream.duplicates_max = std::numeric_limits<int64_t>::max();
  stream.duplicate_window = absl::Hours(24 * 365);
  stream.max_payload_bytes = options.max_payload_bytes;
  return std::make_unique<InprocStream>(stream);
}

ConnectionEvent MakeEvent(ConnectionEvent::Kind kind, int attempts) {
  ConnectionEvent event;
  event.kind = kind;
  event.attempts = attempts;
  return event;
}

}  // namespace

FakeTransport::FakeTransport(Options options) : options_(options) {
  absl::MutexLock lock(&mutex_);
  stream_ = MakeStream(options_);
}

FakeTransport::~FakeTransport() { Stop(absl::ZeroDuration()); }

absl::Status FakeTransport::Start(Observer* observer) {
  absl::MutexLock lock(&mutex_);
  if (observer_ != nullptr || stopping_) {
    return absl::FailedPreconditionError("fake: started before, or stopped");
  }
  observer_ = observer;
  return absl::OkStatus();
}

void FakeTransport::Publish(absl::Span<Delivery* const> deliveries) {
  absl::MutexLock lock(&mutex_);
  AbortUnless(open_, "Publish only between OnUp and OnDown");
  for (Delivery* delivery : deliveries) {
    handed_over_.push_back(Copy(delivery->message, status_.epoch));
    unsettled_.push_back({delivery, /*sent=*/!stopping_});
  }
  AbortUnless(static_cast<int64_t>(unsettled_.size()) <= options_.max_in_flight,
              "no more than max_in_flight unsettled");
  changed_.SignalAll();
}

void FakeTransport::Reconnect() {
  absl::MutexLock lock(&mutex_);
  ++reconnect_count_;
  reconnect_requested_ = open_;
  changed_.SignalAll();
}

void FakeTransport::Stop(absl::Duration timeout) {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
    const absl::Time deadline = absl::Now() + timeout;
    while (auto_thread_.joinable() && HasSent() && !changed_.WaitWithDeadline(&mutex_, deadline)) {
    }
  }
  if (!StopAutoThread()) Pump();
  absl::MutexLock turn(&turn_mutex_);
  EndEpochInTurn("stopped", Fate::kNotStored, /*stopping=*/true);
}

void FakeTransport::Connect() {
  absl::MutexLock turn(&turn_mutex_);
  ConnectInTurn();
}

void FakeTransport::Disconnect(absl::string_view reason, Fate fate) {
  absl::MutexLock turn(&turn_mutex_);
  EndEpochInTurn(reason, fate, /*stopping=*/false);
}

void FakeTransport::FailAttempt(absl::string_view reason) {
  absl::MutexLock turn(&turn_mutex_);
  ConnectionEvent attempt;
  {
    absl::MutexLock lock(&mutex_);
    if (open_ || stopping_ || observer_ == nullptr) return;
    attempt = BeginAttempt();
    status_.last_error = std::string(reason);
  }
  if (attempt.is_reconnect) observer_->OnConnectionEvent(attempt);
  ConnectionEvent failed = MakeEvent(ConnectionEvent::Kind::kAttemptFailed, attempt.attempts);
  failed.is_reconnect = attempt.is_reconnect;
  failed.reason = std::string(reason);
  observer_->OnConnectionEvent(failed);
}

void FakeTransport::Exhaust() {
  absl::MutexLock turn(&turn_mutex_);
  ConnectionEvent exhausted;
  {
    absl::MutexLock lock(&mutex_);
    if (open_ || stopping_ || observer_ == nullptr) return;
    if (status_.state == ConnectionState::kExhausted) return;
    EnterState(ConnectionState::kExhausted);
    exhausted = MakeEvent(ConnectionEvent::Kind::kExhausted, status_.attempts);
  }
  observer_->OnConnectionEvent(exhausted);
}

int FakeTransport::Pump() {
  absl::MutexLock turn(&turn_mutex_);
  bool reconnect = false;
  bool held = false;
  {
    absl::MutexLock lock(&mutex_);
    std::swap(reconnect, reconnect_requested_);
    reconnect = reconnect && !stopping_;
    held = held_;
  }
  if (reconnect) {
    EndEpochInTurn("reconnect requested", Fate::kNotStored, /*stopping=*/false);
    ConnectInTurn();
  }
  return held ? 0 : ReleaseInTurn(std::numeric_limits<int>::max());
}

bool FakeTransport::ReleaseOne() {
  absl::MutexLock turn(&turn_mutex_);
  return ReleaseInTurn(1) == 1;
}

int FakeTransport::ReleaseAll() {
  absl::MutexLock turn(&turn_mutex_);
  return ReleaseInTurn(std::numeric_limits<int>::max());
}

void FakeTransport::ResumeCompletions() {
  absl::MutexLock lock(&mutex_);
  held_ = false;
  changed_.SignalAll();
}

int FakeTransport::ExpireUntil(SteadyTime now) {
  absl::MutexLock turn(&turn_mutex_);
  const Plan timeout = {Verdict::kInDoubt, FailureReason::kTimeout, Refusal::kNone,
                        Fate::kNotStored};
  std::vector<Delivery*> expired;
  {
    absl::MutexLock lock(&mutex_);
    const auto first = std::stable_partition(
        unsettled_.begin(), unsettled_.end(),
        [now](const InFlight& unsettled) { return unsettled.delivery->deadline > now; });
    for (auto it = first; it != unsettled_.end(); ++it) {
      Complete(*it, timeout);
      expired.push_back(it->delivery);
    }
    unsettled_.erase(first, unsettled_.end());
  }
  return Report(expired);
}

std::vector<FakeMessage> FakeTransport::Unsettled() const {
  absl::MutexLock lock(&mutex_);
  std::vector<FakeMessage> messages;
  for (const InFlight& unsettled : unsettled_) {
    messages.push_back(Copy(unsettled.delivery->message, status_.epoch));
  }
  return messages;
}

void FakeTransport::FailNext(Verdict verdict, FailureReason reason, Refusal refusal) {
  absl::MutexLock lock(&mutex_);
  plans_.push_back({verdict, reason, refusal, Fate::kNotStored});
}

void FakeTransport::LoseNextAck() {
  absl::MutexLock lock(&mutex_);
  plans_.push_back({Verdict::kInDoubt, FailureReason::kTimeout, Refusal::kNone, Fate::kStored});
}

void FakeTransport::SetAutoThread(bool enabled) {
  StopAutoThread();
  if (!enabled) return;
  absl::MutexLock lock(&mutex_);
  quit_auto_thread_ = false;
  auto_thread_ = std::thread(&FakeTransport::RunAutoThread, this);
}

void FakeTransport::ForgetHistory() {
  absl::MutexLock lock(&mutex_);
  handed_over_.clear();
  stream_ = MakeStream(options_);
}

void FakeTransport::ConnectInTurn() {
  ConnectionEvent attempt;
  ConnectionEvent established;
  absl::optional<ConnectionEvent> restored;
  {
    absl::MutexLock lock(&mutex_);
    if (open_ || stopping_ || observer_ == nullptr) return;
    attempt = BeginAttempt();
    ++status_.epoch;
    status_.attempts = 0;
    EnterState(ConnectionState::kConnected);
    established = MakeEvent(ConnectionEvent::Kind::kEstablished, 0);
    established.url = status_.server_url;
    established.server_name = status_.server_name;
    established.epoch = status_.epoch;
    if (lost_since_.has_value()) {
      restored = MakeEvent(ConnectionEvent::Kind::kRestored, attempt.attempts);
      restored->outage = absl::FromChrono(Now() - *lost_since_);
      lost_since_.reset();
    }
    open_ = true;
  }
  if (attempt.is_reconnect) observer_->OnConnectionEvent(attempt);
  observer_->OnConnectionEvent(established);
  if (restored.has_value()) observer_->OnConnectionEvent(*restored);
  observer_->OnUp(established.epoch);
}

void FakeTransport::EndEpochInTurn(absl::string_view reason, Fate fate, bool stopping) {
  {
    absl::MutexLock lock(&mutex_);
    if (stopping && status_.state != ConnectionState::kStopped) {
      EnterState(ConnectionState::kStopped);
    }
    if (!open_) return;
    if (!stopping) {
      EnterState(ConnectionState::kReconnecting);
      status_.last_error = std::string(reason);
      lost_since_ = Now();
    }
  }
  int taken = 0;
  observer_->OnDown([this, fate, &taken] {
    ++taken;
    return TakeUnsettled(fate);
  });
  AbortUnless(taken == 1, "OnDown takes what is unsettled, once");
  if (stopping) return;
  ConnectionEvent lost = MakeEvent(ConnectionEvent::Kind::kLost, 0);
  lost.reason = std::string(reason);
  observer_->OnConnectionEvent(lost);
}

int FakeTransport::ReleaseInTurn(int count_max) {
  std::vector<Delivery*> settled;
  {
    absl::MutexLock lock(&mutex_);
    while (HasSent() && static_cast<int>(settled.size()) < count_max) {
      Plan plan;
      if (!plans_.empty()) {
        plan = plans_.front();
        plans_.pop_front();
      }
      Complete(unsettled_.front(), plan);
      settled.push_back(unsettled_.front().delivery);
      unsettled_.pop_front();
    }
  }
  return Report(settled);
}

int FakeTransport::Report(const std::vector<Delivery*>& settled) {
  if (settled.empty()) return 0;
  {
    absl::MutexLock lock(&mutex_);
    settled_count_ += static_cast<int64_t>(settled.size());
    changed_.SignalAll();
  }
  observer_->OnSettled(settled);
  return static_cast<int>(settled.size());
}

std::vector<Delivery*> FakeTransport::TakeUnsettled(Fate fate) {
  const Plan in_doubt = {Verdict::kInDoubt, FailureReason::kConnectionClosed, Refusal::kNone, fate};
  const Plan not_sent = {Verdict::kFailed, FailureReason::kConnectionClosed, Refusal::kNone,
                         Fate::kNotStored};
  absl::MutexLock lock(&mutex_);
  std::vector<Delivery*> taken;
  for (const InFlight& unsettled : unsettled_) {
    Complete(unsettled, unsettled.sent ? in_doubt : not_sent);
    taken.push_back(unsettled.delivery);
  }
  unsettled_.clear();
  open_ = false;
  changed_.SignalAll();
  return taken;
}

void FakeTransport::RunAutoThread() {
  for (;;) {
    {
      absl::MutexLock lock(&mutex_);
      const auto has_work = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
        return reconnect_requested_ || (!held_ && HasSent());
      };
      while (!quit_auto_thread_ && !has_work()) {
        if (unsettled_.empty()) {
          changed_.Wait(&mutex_);
        } else if (changed_.WaitWithTimeout(&mutex_, absl::Milliseconds(10))) {
          break;
        }
      }
      if (quit_auto_thread_) return;
    }
    Pump();
    ExpireUntil(Now());
  }
}

bool FakeTransport::StopAutoThread() {
  std::thread thread;
  {
    absl::MutexLock lock(&mutex_);
    quit_auto_thread_ = true;
    changed_.SignalAll();
    thread.swap(auto_thread_);
  }
  if (!thread.joinable()) return false;
  thread.join();
  return true;
}

bool FakeTransport::HasSent() const { return !unsettled_.empty() && unsettled_.front().sent; }

void FakeTransport::Complete(const InFlight& unsettled, const Plan& plan) {
  Delivery* const delivery = unsettled.delivery;
  InprocStream::StoreResult stored;
  if (plan.fate == Fate::kStored) stored = stream_->Store(delivery->message, Now());
  if (plan.verdict != Verdict::kConfirmed) {
    delivery->verdict = plan.verdict;
    delivery->reason = plan.reason;
    delivery->refusal = plan.refusal;
  } else if (stored.too_large) {
    delivery->verdict = Verdict::kRefused;
    delivery->reason = FailureReason::kBrokerError;
    delivery->refusal = Refusal::kMessageTooLarge;
  } else {
    delivery->verdict = Verdict::kConfirmed;
    if (delivery->message.guarantee != Guarantee::kStored) return;
    delivery->stream = kServerName;
    delivery->sequence = stored.sequence;
    delivery->duplicate = stored.duplicate;
    return;
  }
  delivery->error = absl::StrCat("fake: ", FailureReasonName(delivery->reason));
}

ConnectionEvent FakeTransport::BeginAttempt() {
  const bool is_reconnect = std::exchange(attempted_, true);
  if (is_reconnect) ++status_.attempts;
  ConnectionEvent attempt =
      MakeEvent(ConnectionEvent::Kind::kReconnectAttempt, std::max(1, status_.attempts));
  attempt.is_reconnect = is_reconnect;
  return attempt;
}

void FakeTransport::EnterState(ConnectionState state) {
  const bool connected = state == ConnectionState::kConnected;
  status_.state = state;
  status_.since = absl::Now();
  status_.server_url = connected ? std::string(kUrl) : "";
  status_.server_name = connected ? std::string(kServerName) : "";
}

}  // namespace router
