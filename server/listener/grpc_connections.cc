#include "server/listener/grpc_connections.h"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/memory/memory.h"
#include "server/base/client_address.h"
#include "server/listener/channelz.h"

namespace router {
namespace {

constexpr std::chrono::seconds kSweepInterval{1};
// Between looks for floods; none, but for what kLookShareOfTime says, while the process is busy.
constexpr std::chrono::milliseconds kLookInterval{100};
constexpr double kBusyCores = 0.5;
// A connection is looked at when it has brought so much since the last look.
constexpr int64_t kLookBytes = 64 << 10;
// Looking for floods takes one part in so many of the time at most, and so does listing all of
// gRPC's connections.
constexpr int kLookShareOfTime = 5;
constexpr int kListShareOfTime = 20;
// Calls wait meanwhile.
constexpr size_t kHandedOverAtOnce = 16;

// CPU time that this process has used.
std::chrono::nanoseconds CpuTime() {
  timespec time = {};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
  return std::chrono::seconds(time.tv_sec) + std::chrono::nanoseconds(time.tv_nsec);
}

const char* NameOf(FloodMeter::Verdict verdict) {
  switch (verdict) {
    case FloodMeter::Verdict::kStreams:
      return "streams";
    case FloodMeter::Verdict::kResets:
      return "resets";
    case FloodMeter::Verdict::kMessage:
      return "message";
    case FloodMeter::Verdict::kUploads:
      return "uploads";
    case FloodMeter::Verdict::kBytes:
    case FloodMeter::Verdict::kNone:
      break;
  }
  return "bytes";
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcConnections>> GrpcConnections::Open(const Options& options,
                                                                       Clock* clock, Logger* log,
                                                                       Metrics* metrics) {
  absl::StatusOr<std::unique_ptr<Listener>> listener = Listener::Open(options.listener);
  if (!listener.ok()) return listener.status();
  auto connections =
      absl::WrapUnique(new GrpcConnections(options, *std::move(listener), clock, log, metrics));
  if (!connections->table_.ok()) return absl::ResourceExhaustedError("no file descriptor is left");
  return connections;
}

GrpcConnections::GrpcConnections(const Options& options, std::unique_ptr<Listener> listener,
                                 Clock* clock, Logger* log, Metrics* metrics)
    : options_(options),
      clock_(clock),
      log_(log),
      metrics_(metrics),
      listener_(std::move(listener)),
      table_(options.limits) {}

GrpcConnections::~GrpcConnections() { Stop(); }

void GrpcConnections::Start(grpc::experimental::ExternalConnectionAcceptor* acceptor,
                            CallQueue* queue) {
  {
    absl::MutexLock lock(&mutex_);
    acceptor_ = acceptor;
  }
  queue_ = queue;
  channelz_server_ = NewestChannelzServer();
  ticked_at_ = clock_->SteadyNow();
  Listener::Handlers handlers;
  handlers.on_connection = [this](int fd, const sockaddr_storage& peer) {
    return Accept(fd, peer);
  };
  handlers.on_refused = [this] {
    metrics_->connections_refused.descriptors.Increment();
    log_->RepeatingEvent(LogLevel::kWarn, "GRPC_CONNECTION_REFUSED",
                         "too many connections for the file descriptors that there may be",
                         {{"reason", "descriptors"}, {"limit", options_.listener.descriptors_max}});
  };
  handlers.on_dead_socket = [this](const absl::Status& rebuilt) { OnDeadSocket(rebuilt); };
  handlers.on_tick = [this] { Tick(); };
  listener_->Start(std::move(handlers));
}

void GrpcConnections::StopAccepting() {
  absl::MutexLock lock(&mutex_);
  acceptor_ = nullptr;
  for (int fd : accepted_) close(fd);
  accepted_.clear();
}

void GrpcConnections::Stop() {
  StopAccepting();
  listener_->Stop();
}

bool GrpcConnections::Accept(int fd, const sockaddr_storage& peer) {
  const ConnectionTable::Admission admission = table_.Add(fd, peer, clock_->SteadyNow());
  count_ = static_cast<int64_t>(table_.size());
  if (admission != ConnectionTable::Admission::kOk) {
    Refuse(admission, ClientAddress(peer));
    close(fd);
    return false;
  }
  absl::MutexLock lock(&mutex_);
  if (acceptor_ == nullptr) {
    close(fd);
    return false;
  }
  accepted_.push_back(fd);
  if (accepted_.size() == 1) queue_->Post(&hand_over_);
  return true;
}

void GrpcConnections::HandOver(bool /*ok*/) {
  std::vector<int> accepted;
  grpc::experimental::ExternalConnectionAcceptor* acceptor = nullptr;
  {
    absl::MutexLock lock(&mutex_);
    const size_t count = std::min(accepted_.size(), kHandedOverAtOnce);
    accepted.assign(accepted_.begin(), accepted_.begin() + static_cast<std::ptrdiff_t>(count));
    accepted_.erase(accepted_.begin(), accepted_.begin() + static_cast<std::ptrdiff_t>(count));
    if (!accepted_.empty()) queue_->Post(&hand_over_);
    acceptor = acceptor_;
  }
  for (int fd : accepted) {
    grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters connection;
    connection.fd = fd;
    acceptor->HandleNewConnection(&connection);
  }
}

void GrpcConnections::Refuse(ConnectionTable::Admission admission, const std::string& address) {
  ConnectionRefusalCounters& refused = metrics_->connections_refused;
  switch (admission) {
    case ConnectionTable::Admission::kOk:
      return;
    case ConnectionTable::Admission::kTooMany:
      refused.connections.Increment();
      return log_->RepeatingEvent(LogLevel::kWarn, "GRPC_CONNECTION_REFUSED",
                                  "there are as many connections as there may be",
                                  {{"reason", "connections"},
                                   {"address", address},
                                   {"limit", options_.limits.connections_max}});
    case ConnectionTable::Admission::kTooManyOfAddress:
      refused.address_connections.Increment();
      return log_->RepeatingEvent(LogLevel::kWarn, "GRPC_CONNECTION_REFUSED",
                                  "this address has as many connections as it may have",
                                  {{"reason", "address_connections"},
                                   {"address", address},
                                   {"limit", options_.limits.address_connections_max}});
    case ConnectionTable::Admission::kBanned:
      refused.banned.Increment();
      return log_->RepeatingEvent(LogLevel::kWarn, "GRPC_CONNECTION_REFUSED",
                                  "a flood came from this address a moment ago",
                                  {{"reason", "banned"}, {"address", address}});
  }
}

void GrpcConnections::OnDeadSocket(const absl::Status& rebuilt) {
  if (!rebuilt.ok()) {
    return log_->Event(LogLevel::kError, "GRPC_LISTENER_DEAD",
                       "the gRPC port is not listened at, and cannot be; it is tried again",
                       {{"reason", rebuilt.message()}});
  }
  metrics_->grpc_listener_rebuilt_total.Increment();
  log_->Event(LogLevel::kWarn, "GRPC_LISTENER_REBUILT",
              "the gRPC port was not listened at any more, and is again", {{"port", port()}});
}

void GrpcConnections::Tick() {
  const SteadyTime now = clock_->SteadyNow();
  const std::chrono::nanoseconds cpu_time = CpuTime();
  const bool is_busy = cpu_time - cpu_time_ > kBusyCores * (now - ticked_at_);
  cpu_time_ = cpu_time;
  ticked_at_ = now;
  if (now >= next_look_ && (is_busy || now >= looked_at_ + kLookInterval)) {
    LookForFloods(now);
    looked_at_ = now;
  }
  if (now < next_sweep_) return;
  next_sweep_ = now + kSweepInterval;
  table_.Sweep(now);
  count_ = static_cast<int64_t>(table_.size());
}

void GrpcConnections::LookForFloods(SteadyTime now) {
  std::vector<std::pair<Connection*, int64_t>> busy;  // With the bytes read.
  bool has_unknown = false;
  for (Connection* connection : table_.TakeActive()) {
    const ConnectionBytes bytes = BytesOf(*connection);
    if (bytes.unread > 0) table_.KeepActive(*connection);
    if (bytes.read - connection->looked_bytes < kLookBytes) continue;
    busy.emplace_back(connection, bytes.read);
    has_unknown = has_unknown || connection->channelz_id == 0;
  }
  if (has_unknown) FindInChannelz(now, /*among_all=*/false);
  for (const auto& [connection, bytes] : busy) {
    if (connection->channelz_id == 0 && now >= next_list_) FindInChannelz(now, /*among_all=*/true);
    if (connection->channelz_id == 0) continue;
    absl::optional<ConnectionCounts> counts = ReadChannelzSocket(connection->channelz_id);
    if (!counts.has_value()) continue;
    connection->looked_bytes = bytes;
    counts->received_bytes = bytes;
    const FloodMeter::Verdict verdict = connection->meter.Look(options_.flood, *counts, now);
    if (verdict != FloodMeter::Verdict::kNone) EndFlood(*connection, verdict, now);
  }
  next_look_ = now + kLookShareOfTime * (clock_->SteadyNow() - now);
}

// Ids ascend, so what is new is at the end; one that came late is found by going through all.
void GrpcConnections::FindInChannelz(SteadyTime now, bool among_all) {
  absl::flat_hash_map<std::string, Connection*> unknown;
  for (auto& [fd, connection] : table_.connections()) {
    if (connection.channelz_id == 0) unknown[connection.peer] = &connection;
  }
  const int64_t first_id = among_all ? 0 : last_channelz_id_ + 1;
  for (const ChannelzSocket& socket : ListChannelzSockets(channelz_server_, first_id)) {
    const auto found = unknown.find(socket.peer);
    if (found != unknown.end()) found->second->channelz_id = socket.id;
    last_channelz_id_ = std::max(last_channelz_id_, socket.id);
  }
  if (among_all) next_list_ = now + kListShareOfTime * (clock_->SteadyNow() - now);
}

void GrpcConnections::EndFlood(const Connection& connection, FloodMeter::Verdict verdict,
                               SteadyTime now) {
  ConnectionTable::Shutdown(connection);
  const SteadyTime until = now + absl::ToChronoNanoseconds(options_.flood_ban);
  const bool is_banned = until > now && IsHostile(connection.address, verdict, until);
  if (is_banned) table_.Ban(connection.address, until);
  metrics_->floods_ended_total.Increment();
  log_->RepeatingEvent(LogLevel::kWarn, "GRPC_FLOOD_ENDED",
                       "a connection made work and brought no messages, and was ended",
                       {{"kind", NameOf(verdict)},
                        {"address", connection.address},
                        {"ban_ms", is_banned ? absl::ToInt64Milliseconds(options_.flood_ban) : 0}});
}

// Whether nobody does so who means well. Others may just want too much.
bool GrpcConnections::IsHostile(const std::string& address, FloodMeter::Verdict verdict,
                                SteadyTime until) {
  switch (verdict) {
    case FloodMeter::Verdict::kStreams:
    case FloodMeter::Verdict::kBytes:
      return true;
    case FloodMeter::Verdict::kMessage:
    case FloodMeter::Verdict::kUploads:
      return table_.IsOnceTooOften(address, until);
    case FloodMeter::Verdict::kNone:
    case FloodMeter::Verdict::kResets:
      break;
  }
  return false;
}

}  // namespace router
