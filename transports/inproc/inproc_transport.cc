#include "transports/inproc/inproc_transport.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr absl::string_view kServerName = "inproc";

// Longest single wait on a condition variable, whose timeouts follow the wall clock: a clock that
// is set back delays whatever is due by no more than this.
constexpr absl::Duration kWaitSlice = absl::Milliseconds(100);

SteadyTime Now() { return std::chrono::steady_clock::now(); }

// Saturates, so that "for ever" stays in the future.
SteadyTime After(absl::Duration duration) {
  return Now() + absl::ToChronoNanoseconds(std::min(duration, absl::Hours(24 * 365)));
}

absl::Status Validate(const InprocOptions& options) {
  if (options.stream.empty()) return absl::InvalidArgumentError("inproc: stream has no name");
  if (options.messages_max <= 0 || options.bytes_max <= 0 || options.duplicates_max <= 0 ||
      options.max_payload_bytes <= 0 || options.max_in_flight <= 0) {
    return absl::InvalidArgumentError("inproc: limits must be positive");
  }
  if (options.reconnect_delay <= absl::ZeroDuration() ||
      options.max_reconnect_delay < options.reconnect_delay) {
    return absl::InvalidArgumentError(
        "inproc: reconnect delays must be positive, the longest not below the first");
  }
  return absl::OkStatus();
}

}  // namespace

InprocTransport::InprocTransport(InprocOptions options, FaultInjector* faults)
    : options_(std::move(options)),
      url_(absl::StrCat("inproc://", options_.stream)),
      faults_(faults),
      stream_(options_),
      window_(&stream_, options_.stream, faults) {
  absl::MutexLock lock(&mutex_);
  status_.since = absl::Now();
}

InprocTransport::~InprocTransport() { Stop(absl::ZeroDuration()); }

absl::Status InprocTransport::Start(Observer* observer) {
  if (absl::Status valid = Validate(options_); !valid.ok()) return valid;
  absl::MutexLock stop_lock(&stop_mutex_);
  absl::MutexLock lock(&mutex_);
  if (started_ || stop_deadline_.has_value()) {
    return absl::FailedPreconditionError("inproc: started before, or stopped");
  }
  started_ = true;
  observer_ = observer;
  thread_ = std::thread(&InprocTransport::Run, this);
  return absl::OkStatus();
}

void InprocTransport::Publish(absl::Span<Delivery* const> deliveries) {
  absl::MutexLock lock(&mutex_);
  if (stop_deadline_.has_value()) {
    late_.insert(late_.end(), deliveries.begin(), deliveries.end());
    return;
  }
  if (inbox_.empty()) changed_.Signal();
  inbox_.insert(inbox_.end(), deliveries.begin(), deliveries.end());
}

void InprocTransport::Reconnect() {
  absl::MutexLock lock(&mutex_);
  reconnect_requested_ = true;
  changed_.Signal();
}

void InprocTransport::Stop(absl::Duration timeout) {
  absl::MutexLock stop_lock(&stop_mutex_);
  {
    absl::MutexLock lock(&mutex_);
    if (!stop_deadline_.has_value()) stop_deadline_ = After(timeout);
    changed_.Signal();
  }
  if (thread_.joinable()) thread_.join();
  absl::MutexLock lock(&mutex_);
  if (status_.state != ConnectionState::kStopped) EnterState(ConnectionState::kStopped);
}

ConnectionStatus InprocTransport::GetStatus() const {
  absl::MutexLock lock(&mutex_);
  ConnectionStatus status = status_;
  if (status.state == ConnectionState::kConnected && WasStable()) status.attempts = 0;
  return status;
}

void InprocTransport::SetBrokerUp(bool up) {
  absl::MutexLock lock(&mutex_);
  broker_up_ = up;
  if (!up) broker_lost_us_ = true;
  changed_.Signal();
}

void InprocTransport::HoldAcks(bool hold) {
  absl::MutexLock lock(&mutex_);
  hold_acks_ = hold;
  changed_.Signal();
}

void InprocTransport::Run() {
  while (ConnectUntilUp()) {
    ReportUp();
    EndEpoch(Serve());
  }
}

bool InprocTransport::ConnectUntilUp() {
  for (;;) {
    const bool is_reconnect = std::exchange(attempted_, true);
    {
      absl::MutexLock lock(&mutex_);
      reconnect_requested_ = false;
      if (is_reconnect) status_.attempts = ++attempts_;
    }
    if (is_reconnect && !IsStopping()) {
      ConnectionEvent event = MakeEvent(ConnectionEvent::Kind::kReconnectAttempt);
      event.is_reconnect = true;
      event.delay = DelayBeforeAttempt();
      observer_->OnConnectionEvent(event);
      Pause(event.delay);
    }
    if (IsStopping()) return false;
    std::string error;
    if (TryConnect(&error)) return true;
    if (IsStopping()) return false;
    ReportFailedAttempt(is_reconnect, error);
  }
}

bool InprocTransport::TryConnect(std::string* error) {
  absl::optional<Fault> fault;
  if (faults_ != nullptr) fault = faults_->Draw(FaultOperation::kConnect);
  if (fault.has_value()) {
    switch (fault->kind) {
      case FaultKind::kError:
        *error = "injected fault: error";
        return false;
      case FaultKind::kTimeout:
        Pause(options_.connect_timeout);
        *error = "injected fault: timeout";
        return false;
      case FaultKind::kCloseConnection:
        closes_at_once_ = true;
        break;
      case FaultKind::kDelay:
        Pause(fault->delay);
        break;
    }
  }
  absl::MutexLock lock(&mutex_);
  if (!broker_up_) {
    closes_at_once_ = false;
    *error = "the in-process broker is down";
    return false;
  }
  broker_lost_us_ = false;
  reconnect_requested_ = false;
  ++status_.epoch;
  up_since_ = Now();
  EnterState(ConnectionState::kConnected);
  return true;
}

void InprocTransport::ReportFailedAttempt(bool is_reconnect, const std::string& error) {
  const bool newly_exhausted =
      !exhausted_ && options_.reconnect_attempts > 0 && attempts_ >= options_.reconnect_attempts;
  exhausted_ = exhausted_ || newly_exhausted;
  {
    absl::MutexLock lock(&mutex_);
    status_.last_error = error;
    if (newly_exhausted) EnterState(ConnectionState::kExhausted);
  }
  ConnectionEvent failed = MakeEvent(ConnectionEvent::Kind::kAttemptFailed);
  failed.attempts = std::max(1, attempts_);
  failed.is_reconnect = is_reconnect;
  failed.reason = error;
  observer_->OnConnectionEvent(failed);
  if (newly_exhausted) observer_->OnConnectionEvent(MakeEvent(ConnectionEvent::Kind::kExhausted));
}

void InprocTransport::ReportUp() {
  const ConnectionStatus status = GetStatus();
  ConnectionEvent established = MakeEvent(ConnectionEvent::Kind::kEstablished);
  established.attempts = 0;
  established.url = url_;
  established.server_name = std::string(kServerName);
  established.epoch = status.epoch;
  observer_->OnConnectionEvent(established);
  if (lost_since_.has_value()) {
    ConnectionEvent restored = MakeEvent(ConnectionEvent::Kind::kRestored);
    restored.outage = absl::FromChrono(Now() - *lost_since_);
    observer_->OnConnectionEvent(restored);
  }
  observer_->OnUp(status.epoch);
}

std::string InprocTransport::Serve() {
  if (std::exchange(closes_at_once_, false)) return "injected fault: connection closed";
  std::vector<Delivery*> settled;
  bool hold_acks = false;
  for (;;) {
    const absl::optional<SteadyTime> next_work = window_.NextWork();
    {
      absl::MutexLock lock(&mutex_);
      while (WhyToEnd().empty() && inbox_.empty() && hold_acks == hold_acks_ &&
             (!next_work.has_value() || Now() < *next_work)) {
        WaitUntil(next_work);
      }
      if (const absl::string_view why = WhyToEnd(); !why.empty()) return std::string(why);
      window_.Add(inbox_);
      inbox_.clear();
      hold_acks = hold_acks_;
    }
    const bool open = window_.Work(Now(), hold_acks, &settled);
    if (!settled.empty()) observer_->OnSettled(settled);
    settled.clear();
    if (!open) return "injected fault: connection closed";
  }
}

void InprocTransport::EndEpoch(const std::string& reason) {
  const bool stopping = IsStopping();
  {
    absl::MutexLock lock(&mutex_);
    const bool was_stable = WasStable();
    if (was_stable) {
      attempts_ = 0;
      exhausted_ = false;
    }
    next_at_once_ = was_stable || reconnect_requested_;
    if (stopping) {
      EnterState(ConnectionState::kStopped);
    } else {
      EnterState(exhausted_ ? ConnectionState::kExhausted : ConnectionState::kReconnecting);
      status_.last_error = reason;
    }
    status_.attempts = attempts_;
  }
  lost_since_ = Now();
  observer_->OnDown([this] { return TakeUnsettled(); });
  if (stopping) return;
  ConnectionEvent lost = MakeEvent(ConnectionEvent::Kind::kLost);
  lost.attempts = 0;
  lost.reason = reason;
  observer_->OnConnectionEvent(lost);
}

std::vector<Delivery*> InprocTransport::TakeUnsettled() {
  absl::MutexLock lock(&mutex_);
  window_.Add(inbox_);
  window_.Add(late_);
  inbox_.clear();
  late_.clear();
  return window_.TakeUnsettled();
}

absl::Duration InprocTransport::DelayBeforeAttempt() {
  if (std::exchange(next_at_once_, false)) return absl::ZeroDuration();
  if (exhausted_) return options_.max_reconnect_delay;
  absl::Duration delay = options_.reconnect_delay;
  for (int attempt = 1; attempt < attempts_ && delay < options_.max_reconnect_delay; ++attempt) {
    delay *= 2;
  }
  return std::min(delay, options_.max_reconnect_delay);
}

bool InprocTransport::WasStable() const {
  return absl::FromChrono(Now() - up_since_) >= options_.stable_after;
}

ConnectionEvent InprocTransport::MakeEvent(ConnectionEvent::Kind kind) const {
  ConnectionEvent event;
  event.kind = kind;
  event.attempts = attempts_;
  if (kind == ConnectionEvent::Kind::kReconnectAttempt) {
    event.max_attempts = options_.reconnect_attempts;
  }
  return event;
}

bool InprocTransport::IsStopping() const {
  absl::MutexLock lock(&mutex_);
  return stop_deadline_.has_value();
}

void InprocTransport::Pause(absl::Duration duration) {
  const SteadyTime end = After(duration);
  absl::MutexLock lock(&mutex_);
  while (!stop_deadline_.has_value() && !reconnect_requested_ && Now() < end) WaitUntil(end);
}

void InprocTransport::WaitUntil(absl::optional<SteadyTime> time) {
  if (stop_deadline_.has_value() && (!time.has_value() || *stop_deadline_ < *time)) {
    time = stop_deadline_;
  }
  if (!time.has_value()) {
    changed_.Wait(&mutex_);
    return;
  }
  const absl::Duration left = absl::FromChrono(*time - Now());
  changed_.WaitWithTimeout(&mutex_, std::min(left, kWaitSlice));
}

absl::string_view InprocTransport::WhyToEnd() const {
  if (broker_lost_us_) return "the in-process broker went down";
  if (stop_deadline_.has_value()) {
    const bool nothing_left = window_.empty() && inbox_.empty();
    return nothing_left || Now() >= *stop_deadline_ ? "stopped" : "";
  }
  return reconnect_requested_ ? "reconnect requested" : "";
}

void InprocTransport::EnterState(ConnectionState state) {
  status_.state = state;
  status_.since = absl::Now();
  const bool connected = state == ConnectionState::kConnected;
  status_.server_url = connected ? url_ : "";
  status_.server_name = connected ? std::string(kServerName) : "";
}

}  // namespace router
