#include "transports/nats/supervisor.h"

#include <poll.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/strings/str_cat.h"
#include "transports/nats/backoff.h"

namespace router {
namespace {

constexpr absl::Duration kProbeInterval = absl::Seconds(1);
constexpr absl::Duration kProbePatience = absl::Milliseconds(500);
constexpr std::chrono::seconds kDiscoveryInterval(1);

SteadyTime Now() { return std::chrono::steady_clock::now(); }

ConnectionEvent NewEvent(ConnectionEvent::Kind kind) {
  ConnectionEvent event;
  event.kind = kind;
  return event;
}

}  // namespace

Supervisor::Supervisor(const NatsOptions& options, FaultInjector* faults, WakeFd* stop,
                       WakeFd* wake)
    : options_(options),
      faults_(faults),
      stop_(stop),
      wake_(wake),
      pool_({ServerUrl()}),
      probe_(kProbeInterval, kProbePatience) {
  absl::MutexLock lock(&status_mutex_);
  status_.since = absl::Now();
}

void Supervisor::Begin(ServerPool pool, Transport::Observer* observer) {
  pool_ = std::move(pool);
  observer_ = observer;
}

std::unique_ptr<NatsConnection> Supervisor::NextAttempt(absl::FunctionRef<bool()> ends_backoff) {
  const bool is_reconnect = !first_attempt_;
  first_attempt_ = false;
  if (is_reconnect) {
    ++attempts_;
    ConnectionEvent event = NewEvent(ConnectionEvent::Kind::kReconnectAttempt);
    event.attempts = attempts_;
    event.max_attempts = options_.reconnect_attempts;
    event.is_reconnect = true;
    event.delay = DelayBefore(attempts_);
    {
      absl::MutexLock lock(&status_mutex_);
      status_.attempts = attempts_;
    }
    observer_->OnConnectionEvent(event);
    if (!Backoff(event.delay, ends_backoff)) return nullptr;
  }
  absl::StatusOr<std::unique_ptr<NatsConnection>> connection = Attempt(pool_.current());
  if (connection.ok()) return *std::move(connection);
  if (!absl::IsCancelled(connection.status())) {
    AttemptFailed(absl::StrCat(pool_.current().Redacted(), ": ", connection.status().message()),
                  is_reconnect);
    pool_.Advance();
  }
  return nullptr;
}

absl::Duration Supervisor::DelayBefore(int attempt) {
  if (std::exchange(next_at_once_, false)) return absl::ZeroDuration();
  return BackoffDelay({options_.reconnect_delay, options_.max_reconnect_delay}, attempt, random_);
}

// False when the transport is to stop.
bool Supervisor::Backoff(absl::Duration delay, absl::FunctionRef<bool()> ends_backoff) {
  const SteadyTime until = Now() + absl::ToChronoNanoseconds(delay);
  while (Now() < until) {
    const ServerProbe::Outcome outcome = probe_.Sleep(pool_.servers(), until, wake_->fd());
    if (outcome != ServerProbe::Outcome::kWoken) break;
    wake_->Clear();
    if (ends_backoff()) break;
  }
  return SleepUnlessStopped(absl::ZeroDuration());
}

absl::StatusOr<std::unique_ptr<NatsConnection>> Supervisor::Attempt(const ServerUrl& server) {
  const absl::optional<Fault> fault =
      faults_ == nullptr ? absl::nullopt : faults_->Draw(FaultOperation::kConnect);
  if (!fault.has_value()) return NatsConnection::Connect(options_, server, stop_->fd());
  switch (fault->kind) {
    case FaultKind::kError:
      return absl::UnavailableError("an injected error");
    case FaultKind::kTimeout:
      if (!SleepUnlessStopped(options_.connect_timeout)) return absl::CancelledError("stopped");
      return absl::UnavailableError("timed out (injected)");
    case FaultKind::kDelay:
      if (!SleepUnlessStopped(fault->delay)) return absl::CancelledError("stopped");
      return NatsConnection::Connect(options_, server, stop_->fd());
    case FaultKind::kCloseConnection:
      break;
  }
  auto connection = NatsConnection::Connect(options_, server, stop_->fd());
  if (connection.ok()) (*connection)->Shutdown();  // It comes up, and is lost at once.
  return connection;
}

// False when the transport is to stop.
bool Supervisor::SleepUnlessStopped(absl::Duration duration) {
  pollfd fd = {stop_->fd(), POLLIN, 0};
  return poll(&fd, 1, static_cast<int>(absl::ToInt64Milliseconds(duration))) == 0;
}

void Supervisor::AttemptFailed(absl::string_view reason, bool is_reconnect) {
  ConnectionEvent event = NewEvent(ConnectionEvent::Kind::kAttemptFailed);
  event.attempts = std::max(1, attempts_);
  event.max_attempts = options_.reconnect_attempts;
  event.is_reconnect = is_reconnect;
  event.reason = std::string(reason);
  const bool newly_exhausted = !exhausted_ && BudgetUsedUp();
  exhausted_ = exhausted_ || newly_exhausted;
  const ConnectionState below =
      was_up_ ? ConnectionState::kReconnecting : ConnectionState::kDisconnected;
  SetState(exhausted_ ? ConnectionState::kExhausted : below, reason);
  observer_->OnConnectionEvent(event);
  if (!newly_exhausted) return;
  ConnectionEvent exhausted = NewEvent(ConnectionEvent::Kind::kExhausted);
  exhausted.attempts = attempts_;
  exhausted.max_attempts = options_.reconnect_attempts;
  observer_->OnConnectionEvent(exhausted);
}

bool Supervisor::BudgetUsedUp() const {
  return options_.reconnect_attempts > 0 && attempts_ >= options_.reconnect_attempts;
}

std::unique_ptr<NatsConnection> Supervisor::ConnectElsewhere() {
  for (size_t i = 1; i < pool_.servers().size(); ++i) {
    pool_.Advance();
    auto connection = Attempt(pool_.current());
    if (connection.ok()) return *std::move(connection);
    ConnectionEvent failed = NewEvent(ConnectionEvent::Kind::kAttemptFailed);
    failed.attempts = 1;
    failed.reason = absl::StrCat(pool_.current().Redacted(), ": ", connection.status().message());
    observer_->OnConnectionEvent(failed);
  }
  pool_.Advance();  // Back to where we are.
  return nullptr;
}

uint64_t Supervisor::Established(const NatsConnection& connection) {
  const uint64_t epoch = ReportEstablished(connection, /*new_epoch=*/true);
  if (lost_before_) {
    ConnectionEvent restored = NewEvent(ConnectionEvent::Kind::kRestored);
    restored.attempts = attempts_;
    restored.outage = absl::FromChrono(up_since_ - lost_at_);
    observer_->OnConnectionEvent(restored);
  }
  return epoch;
}

void Supervisor::Moved(const NatsConnection& connection) {
  ReportEstablished(connection, /*new_epoch=*/false);
}

uint64_t Supervisor::ReportEstablished(const NatsConnection& connection, bool new_epoch) {
  up_since_ = Now();
  next_discovery_ = up_since_;
  was_up_ = true;
  ConnectionEvent event = NewEvent(ConnectionEvent::Kind::kEstablished);
  event.url = pool_.current().Redacted();
  event.server_name = connection.server_name();
  {
    absl::MutexLock lock(&status_mutex_);
    if (new_epoch) ++status_.epoch;
    event.epoch = status_.epoch;
    status_.state = ConnectionState::kConnected;
    status_.since = absl::Now();
    status_.server_url = event.url;
    status_.server_name = event.server_name;
  }
  observer_->OnConnectionEvent(event);
  return event.epoch;
}

void Supervisor::StillUp(const NatsConnection& connection, SteadyTime now) {
  if (now >= next_discovery_) {
    next_discovery_ = now + kDiscoveryInterval;
    pool_.SetDiscovered(connection.DiscoveredServers());
  }
  if (attempts_ == 0 || absl::FromChrono(now - up_since_) < options_.stable_after) return;
  attempts_ = 0;
  exhausted_ = false;
  absl::MutexLock lock(&status_mutex_);
  status_.attempts = 0;
}

void Supervisor::Lost(absl::string_view reason, bool at_once) {
  const SteadyTime now = Now();
  next_at_once_ = at_once || absl::FromChrono(now - up_since_) >= options_.stable_after;
  lost_before_ = true;
  lost_at_ = now;
  if (!at_once) pool_.Advance();
  SetState(exhausted_ ? ConnectionState::kExhausted : ConnectionState::kReconnecting, reason);
}

void Supervisor::ReportLost(absl::string_view reason) {
  ConnectionEvent event = NewEvent(ConnectionEvent::Kind::kLost);
  event.reason = std::string(reason);
  observer_->OnConnectionEvent(event);
}

void Supervisor::Stopped() { SetState(ConnectionState::kStopped, ""); }

void Supervisor::SetState(ConnectionState state, absl::string_view error) {
  absl::MutexLock lock(&status_mutex_);
  if (status_.state != state) status_.since = absl::Now();
  status_.state = state;
  status_.server_url.clear();
  status_.server_name.clear();
  if (!error.empty()) status_.last_error = std::string(error);
}

ConnectionStatus Supervisor::GetStatus() const {
  absl::MutexLock lock(&status_mutex_);
  return status_;
}

}  // namespace router
