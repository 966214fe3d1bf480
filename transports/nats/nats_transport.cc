#include "transports/nats/nats_transport.h"

#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "transports/nats/nats_connection.h"
#include "transports/nats/nats_session.h"
#include "transports/nats/server_pool.h"
#include "transports/nats/server_url.h"

namespace router {
namespace {

constexpr int64_t kDefaultMaxPayloadBytes = 1024 * 1024;
constexpr absl::Duration kStopTimeoutMax =
    absl::Hours(24);  // Added to a time, it must not overflow.
constexpr std::chrono::seconds kDrainBeforeMove(2);
constexpr std::chrono::seconds kRetryMove(10);

SteadyTime Now() { return std::chrono::steady_clock::now(); }

absl::StatusOr<ServerPool> MakePool(const NatsOptions& options) {
  std::vector<ServerUrl> servers;
  for (const std::string& url : options.urls) {
    absl::StatusOr<ServerUrl> server = ParseServerUrl(url);
    if (!server.ok()) return server.status();
    const absl::Status valid = NatsConnection::Validate(options, *server);
    if (!valid.ok()) return valid;
    servers.push_back(*std::move(server));
  }
  if (servers.empty()) return absl::InvalidArgumentError("no NATS URL is set");
  return ServerPool(std::move(servers));
}

// OpenSSL writes without MSG_NOSIGNAL.
void BlockSigpipe() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

}  // namespace

NatsTransport::NatsTransport(NatsOptions options, FaultInjector* faults)
    : options_(std::move(options)),
      faults_(faults),
      max_payload_bytes_(kDefaultMaxPayloadBytes),
      supervisor_(options_, faults, &stop_, &wake_),
      window_(options_.max_in_flight) {}

NatsTransport::~NatsTransport() { Stop(absl::ZeroDuration()); }

absl::Status NatsTransport::Start(Observer* observer) {
  absl::StatusOr<ServerPool> pool = MakePool(options_);
  if (!pool.ok()) return pool.status();
  absl::MutexLock lock(&lifecycle_mutex_);
  if (observer_ != nullptr || stopping_) return absl::FailedPreconditionError("started before");
  observer_ = observer;
  supervisor_.Begin(*std::move(pool), observer);
  thread_ = std::thread([this] { Run(); });
  return absl::OkStatus();
}

void NatsTransport::Publish(absl::Span<Delivery* const> deliveries) {
  if (deliveries.empty()) return;
  bool was_empty;
  {
    absl::MutexLock lock(&inbox_mutex_);
    was_empty = inbox_.empty();
    inbox_.insert(inbox_.end(), deliveries.begin(), deliveries.end());
  }
  if (was_empty) wake_.Signal();
}

void NatsTransport::Reconnect() {
  reconnect_requested_ = true;
  wake_.Signal();
}

void NatsTransport::Stop(absl::Duration timeout) {
  absl::MutexLock lock(&lifecycle_mutex_);
  if (!stopping_) {
    stop_timeout_ns_ = absl::ToInt64Nanoseconds(std::min(timeout, kStopTimeoutMax));
    stopping_ = true;
    stop_.Signal();
    wake_.Signal();
  }
  if (thread_.joinable()) thread_.join();
  if (observer_ == nullptr) supervisor_.Stopped();  // Never started.
}

void NatsTransport::Run() {
  BlockSigpipe();
  const auto ends_backoff = [this] { return stopping_ || reconnect_requested_.exchange(false); };
  while (!stopping_) {
    std::unique_ptr<NatsConnection> connection = supervisor_.NextAttempt(ends_backoff);
    if (connection == nullptr) continue;
    reconnect_requested_ = false;  // Whatever asked for it has got a new connection.
    std::unique_ptr<NatsSession> session = NewSession(std::move(connection));
    observer_->OnUp(supervisor_.Established(session->connection()));
    RunEpoch(std::move(session));
  }
  supervisor_.Stopped();
}

std::unique_ptr<NatsSession> NatsTransport::NewSession(std::unique_ptr<NatsConnection> connection) {
  max_payload_bytes_.store(connection->max_payload_bytes(), std::memory_order_relaxed);
  return std::make_unique<NatsSession>(
      options_, std::move(connection),
      NatsSession::Shared{&window_, &failures_, &stream_names_, faults_});
}

void NatsTransport::RunEpoch(std::unique_ptr<NatsSession> session) {
  bool at_once = false;  // Whether the next attempt needs no backoff.
  SteadyTime next_move = Now();
  while (!session->closed() && !stopping_) {
    Iterate(session.get(), /*send=*/true);
    const SteadyTime now = Now();
    supervisor_.StillUp(session->connection(), now);
    if (reconnect_requested_.exchange(false)) {
      at_once = true;
      session->Close("a reconnect was asked for");
    } else if (session->connection().lame_duck() && supervisor_.HasOtherServers() &&
               now >= next_move) {
      at_once = Move(&session);
      next_move = Now() + kRetryMove;
    }
  }
  if (!session->closed()) return StopSession(session.get());
  const std::string reason = session->close_reason();
  supervisor_.Lost(reason, at_once);
  EndEpoch(session.get());
  supervisor_.ReportLost(reason);
}

// Replaces the session by one with another server. While that is being connected to, for
// `connect_timeout` per server at most, the present one is not served. Where its window does not
// get empty in time, it is closed instead, and true is returned: the other server can be had at
// once.
bool NatsTransport::Move(std::unique_ptr<NatsSession>* session) {
  std::unique_ptr<NatsConnection> connection = supervisor_.ConnectElsewhere();
  if (connection == nullptr) return false;
  DrainWindow(session->get());
  if (stopping_) return false;
  (*session)->Close("the server is going away (lame duck)");
  Report(session->get());
  if (!window_.empty()) return true;
  *session = NewSession(std::move(connection));
  supervisor_.Moved((*session)->connection());
  return false;
}

void NatsTransport::DrainWindow(NatsSession* session) {
  const SteadyTime give_up = Now() + kDrainBeforeMove;
  while (!window_.empty() && !session->closed() && Now() < give_up && !stopping_) {
    Iterate(session, /*send=*/false);
  }
}

void NatsTransport::StopSession(NatsSession* session) {
  const SteadyTime give_up = Now() + std::chrono::nanoseconds(stop_timeout_ns_);
  TakeInbox();
  while (!(window_.empty() && queue_.empty()) && !session->closed() && Now() < give_up) {
    Iterate(session, /*send=*/true);
  }
  session->Close("the transport was stopped");
  EndEpoch(session);
}

void NatsTransport::EndEpoch(NatsSession* session) {
  Report(session);
  observer_->OnDown([&] { return TakeUnsettled(session); });
}

void NatsTransport::Iterate(NatsSession* session, bool send) {
  if (send && !stopping_) TakeInbox();
  if (send) session->FailOvertaking(&queue_);
  if (send) session->Send(&queue_, Now());
  if (session->Wait(wake_.fd(), queue_)) wake_.Clear();
  session->Tick(&queue_, Now());
  Report(session);
}

void NatsTransport::Report(NatsSession* session) {
  const std::vector<Delivery*> settled = session->TakeSettled();
  if (!settled.empty()) observer_->OnSettled(settled);
}

void NatsTransport::TakeInbox() {
  arrivals_.clear();
  {
    absl::MutexLock lock(&inbox_mutex_);
    arrivals_.swap(inbox_);
  }
  queue_.insert(queue_.end(), arrivals_.begin(), arrivals_.end());
}

std::vector<Delivery*> NatsTransport::TakeUnsettled(NatsSession* session) {
  std::vector<Delivery*> taken = session->TakeWindow();
  TakeInbox();
  for (Delivery* const delivery : queue_) {
    delivery->verdict = Verdict::kFailed;
    delivery->reason = FailureReason::kNotConnected;
    delivery->error = "not connected";
    taken.push_back(delivery);
  }
  queue_.clear();
  failures_.ForgetAll();
  return taken;
}

}  // namespace router
