#ifndef ROUTER_SERVER_LISTENER_GRPC_CONNECTIONS_H_
#define ROUTER_SERVER_LISTENER_GRPC_CONNECTIONS_H_

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <grpcpp/server_builder.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/listener/connection_table.h"
#include "server/listener/flood_meter.h"
#include "server/listener/listener.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/services/call_queue.h"
#include "server/services/completion_tag.h"

namespace router {

// The connections of the gRPC server: accepts them, within the limits, and ends those that are
// floods. gRPC 1.51 knows neither limit, and takes what comes.
//
// All of it happens on the listener's thread, but for handing a connection to gRPC: that begins to
// read from it, and does not come back while more arrives, so it is left to the thread of a call
// queue, and the listener stays able to end it. A connection costs no descriptor and no hook beyond
// its own: whether it is still open is seen from its socket, what it has brought from the kernel's
// count of its bytes, and what came of those from gRPC's own counts (channelz), which are asked
// only about connections that have brought kLookBytes since the last time.
class GrpcConnections {
 public:
  struct Options {
    Listener::Options listener;
    ConnectionTable::Limits limits;
    FloodMeter::Limits flood;
    absl::Duration flood_ban;  // For the address that a flood came from. Zero: none.
  };

  // Takes the address; errors are those of Listener::Open. Borrows the others.
  static absl::StatusOr<std::unique_ptr<GrpcConnections>> Open(const Options& options, Clock* clock,
                                                               Logger* log, Metrics* metrics);
  ~GrpcConnections();

  // Begins to accept, for the server of this process that was built last. Once. `acceptor` is that
  // server's, `queue` one of its call queues; both are borrowed until StopAccepting.
  void Start(grpc::experimental::ExternalConnectionAcceptor* acceptor, CallQueue* queue)
      ABSL_LOCKS_EXCLUDED(mutex_);

  // Hands over nothing any more: what comes is closed. Call before the server is shut down.
  void StopAccepting() ABSL_LOCKS_EXCLUDED(mutex_);

  // Looks after what is open no longer. Call after the server was shut down: a flood may keep its
  // threads busy for as long as nobody ends it.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

  int port() const { return listener_->port(); }

  // False while the port is not listened at; the next attempt is under way. Thread-safe.
  bool is_listening() const { return listener_->is_listening(); }

  // Open ones, up to a second old. Thread-safe.
  int64_t count() const { return count_; }

 private:
  GrpcConnections(const Options& options, std::unique_ptr<Listener> listener, Clock* clock,
                  Logger* log, Metrics* metrics);

  bool Accept(int fd, const sockaddr_storage& peer) ABSL_LOCKS_EXCLUDED(mutex_);
  void HandOver(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);
  void Refuse(ConnectionTable::Admission admission, const std::string& address);
  void OnDeadSocket(const absl::Status& rebuilt);
  void Tick();
  void LookForFloods(SteadyTime now);
  void FindInChannelz(SteadyTime now, bool among_all);
  void EndFlood(const Connection& connection, FloodMeter::Verdict verdict, SteadyTime now);
  bool IsHostile(const std::string& address, FloodMeter::Verdict verdict, SteadyTime until);

  const Options options_;
  Clock* const clock_;
  Logger* const log_;
  Metrics* const metrics_;
  const std::unique_ptr<Listener> listener_;
  std::atomic<int64_t> count_{0};

  CallQueue* queue_ = nullptr;  // Set by Start.
  MemberTag<GrpcConnections> hand_over_{this, &GrpcConnections::HandOver};

  absl::Mutex mutex_;
  // Null: nothing is handed over.
  grpc::experimental::ExternalConnectionAcceptor* acceptor_ ABSL_GUARDED_BY(mutex_) = nullptr;
  std::vector<int> accepted_ ABSL_GUARDED_BY(mutex_);  // Not handed over yet.

  // Of the listener's thread.
  int64_t channelz_server_ = 0;
  int64_t last_channelz_id_ = 0;  // Of those that were listed.
  ConnectionTable table_;
  SteadyTime ticked_at_ = SteadyTime::min();
  std::chrono::nanoseconds cpu_time_{0};  // At that tick.
  SteadyTime next_sweep_ = SteadyTime::min();
  SteadyTime looked_at_ = SteadyTime::min();
  SteadyTime next_look_ = SteadyTime::min();
  SteadyTime next_list_ = SteadyTime::min();
};

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_GRPC_CONNECTIONS_H_
