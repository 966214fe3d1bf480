#include "transports/nats/nats_transport.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/cleanup/cleanup.h"
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

// OpenSSL writes without MSG_NOSIGNAL. The program ignores the signal; a test program may not.
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
  if (!was_empty) return;  // Whoever found it empty sends these too, or has the thread do so.
  if (deliveries.size() == 1 && SendAtOnce()) return;
  wake_.Signal();
}

// Whether nothing is left for the thread to do but to read the answer.
bool NatsTransport::SendAtOnce() {
  if (!session_mutex_.TryLock()) return false;  // The thread is at work, and looks once more.
  bool sent = false;
  if (session_ != nullptr && !stopping_ && !moving_ && window_.empty() && queue_.empty() &&
      failures_.empty() && !session_->NeedsAttention()) {
    TakeInbox();
    session_->Send(&queue_, Now());
    session_->WriteOut(queue_);
    sent = queue_.empty() && !session_->NeedsAttention();
  }
  session_mutex_.Unlock();
  return sent;
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
  absl::MutexLock lock(&session_mutex_);
  return std::make_unique<NatsSession>(
      options_, std::move(connection),
      NatsSession::Shared{&window_, &failures_, &stream_names_, faults_});
}

void NatsTransport::Use(NatsSession* session) {
  absl::MutexLock lock(&session_mutex_);
  session_ = session;
}

void NatsTransport::SetMoving(bool moving) {
  absl::MutexLock lock(&session_mutex_);
  moving_ = moving;
}

void NatsTransport::RunEpoch(std::unique_ptr<NatsSession> session) {
  Use(session.get());
  bool at_once = false;  // Whether the next attempt needs no backoff.
  SteadyTime next_move = Now();
  while (!IsClosed() && !stopping_) {
    Iterate(/*send=*/true);
    const SteadyTime now = Now();
    supervisor_.StillUp(session->connection(), now);
    if (reconnect_requested_.exchange(false)) {
      at_once = true;
      Close("a reconnect was asked for");
    } else if (session->connection().lame_duck() && supervisor_.HasOtherServers() &&
               now >= next_move) {
      at_once = Move(&session);
      next_move = Now() + kRetryMove;
    }
  }
  if (!IsClosed()) return StopSession();
  const std::string reason = session->close_reason();
  supervisor_.Lost(reason, at_once);
  EndEpoch();
  supervisor_.ReportLost(reason);
}

// Replaces the session by one with another server. While that is being connected to, for
// `connect_timeout` per server at most, the present one is not served. Where its window does not
// get empty in time, it is closed instead, and true is returned: the other server can be had at
// once.
bool NatsTransport::Move(std::unique_ptr<NatsSession>* session) {
  SetMoving(true);
  absl::Cleanup moved = [this] { SetMoving(false); };
  std::unique_ptr<NatsConnection> connection = supervisor_.ConnectElsewhere();
  if (connection == nullptr) return false;
  DrainWindow();
  if (stopping_) return false;
  Close("the server is going away (lame duck)");
  Report();
  if (!IsWindowEmpty()) return true;
  std::unique_ptr<NatsSession> next = NewSession(std::move(connection));
  Use(next.get());
  *session = std::move(next);
  supervisor_.Moved((*session)->connection());
  return false;
}

void NatsTransport::DrainWindow() {
  const SteadyTime give_up = Now() + kDrainBeforeMove;
  while (!IsWindowEmpty() && !IsClosed() && Now() < give_up && !stopping_) {
    Iterate(/*send=*/false);
  }
}

void NatsTransport::StopSession() {
  const SteadyTime give_up = Now() + std::chrono::nanoseconds(stop_timeout_ns_);
  {
    absl::MutexLock lock(&session_mutex_);
    TakeInbox();
  }
  while (!IsAllSettled() && !IsClosed() && Now() < give_up) Iterate(/*send=*/true);
  Close("the transport was stopped");
  EndEpoch();
}

void NatsTransport::EndEpoch() {
  Report();
  observer_->OnDown([this] { return TakeUnsettled(); });
}

void NatsTransport::Iterate(bool send) {
  NatsSession::Sleep sleep;
  {
    absl::MutexLock lock(&session_mutex_);
    if (send && !stopping_) TakeInbox();
    if (send) session_->FailOvertaking(&queue_);
    if (send) session_->Send(&queue_, Now());
    sleep = session_->WriteOut(queue_);
  }
  pollfd fds[2] = {};
  if (sleep.socket >= 0) {
    fds[0].fd = sleep.socket;
    fds[0].events = static_cast<int16_t>(sleep.for_write ? POLLIN | POLLOUT : POLLIN);
    fds[1].fd = wake_.fd();
    fds[1].events = POLLIN;
    poll(fds, 2, static_cast<int>(sleep.longest.count()));
    if (fds[1].revents != 0) wake_.Clear();
  }
  {
    absl::MutexLock lock(&session_mutex_);
    if ((fds[0].revents & ~POLLOUT) != 0) session_->ReadIn(Now());
    session_->Tick(&queue_, Now());
  }
  Report();
}

void NatsTransport::Close(absl::string_view reason) {
  absl::MutexLock lock(&session_mutex_);
  session_->Close(reason);
}

bool NatsTransport::IsClosed() const {
  absl::MutexLock lock(&session_mutex_);
  return session_->closed();
}

bool NatsTransport::IsWindowEmpty() const {
  absl::MutexLock lock(&session_mutex_);
  return window_.empty();
}

bool NatsTransport::IsAllSettled() const {
  absl::MutexLock lock(&session_mutex_);
  return window_.empty() && queue_.empty();
}

void NatsTransport::Report() {
  std::vector<Delivery*> settled;
  {
    absl::MutexLock lock(&session_mutex_);
    settled = session_->TakeSettled();
  }
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

std::vector<Delivery*> NatsTransport::TakeUnsettled() {
  absl::MutexLock lock(&session_mutex_);
  std::vector<Delivery*> taken = session_->TakeWindow();
  session_ = nullptr;
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
