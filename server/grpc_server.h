#ifndef ROUTER_SERVER_GRPC_SERVER_H_
#define ROUTER_SERVER_GRPC_SERVER_H_

#include <cstdint>
#include <memory>

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include "absl/status/statusor.h"
#include "server/base/clock.h"
#include "server/config/settings.h"
#include "server/dispatcher/dispatcher.h"
#include "server/limits/client_limits.h"
#include "server/listener/grpc_connections.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/security.h"
#include "server/services/admin_service.h"
#include "server/services/fault_injection_service.h"
#include "server/services/health_service.h"
#include "server/services/publisher_service.h"
#include "server/services/reflection_service.h"
#include "server/tracing/span_buffer.h"
#include "transports/transport.h"

namespace router {

// The API: the services, gRPC's server, and the connections that it gets.
class GrpcServer {
 public:
  // All of them outlive the server.
  struct Parts {
    const Settings* settings = nullptr;
    Clock* clock = nullptr;
    Logger* log = nullptr;
    Metrics* metrics = nullptr;
    SpanBuffer* spans = nullptr;  // Null: no spans are recorded.
    Security* security = nullptr;
    Dispatcher* dispatcher = nullptr;
    Transport* transport = nullptr;
    ClientLimits* limits = nullptr;
    FaultInjector* faults = nullptr;  // Null: no FaultInjectionService.
    AdminService::Parts admin;
  };

  // Serves. An error that says what to do where it cannot listen.
  static absl::StatusOr<std::unique_ptr<GrpcServer>> Start(Parts parts);

  // Shutdown must have been called.
  ~GrpcServer() = default;

  int port() const { return connections_->port(); }
  // False while the socket is dead that the port is listened at.
  bool is_listening() const { return connections_->is_listening(); }
  int64_t connection_count() const { return connections_->count(); }

  // What the health service says of each service, and of the queue on disk.
  void SetServing(bool is_serving, bool is_spool_serving);

  // Ends what would otherwise stay open: watches of operators. Calls are taken until Shutdown.
  void StopWatches() { admin_service_.Stop(); }

  // Takes no more calls, waits a moment for answers to get out, and ends the threads. Everything in
  // hand must have been answered.
  void Shutdown();

 private:
  explicit GrpcServer(Parts parts);

  absl::Status Build();

  const Parts parts_;
  HealthService health_service_;
  PublisherService publisher_service_;
  AdminService admin_service_;
  ReflectionService reflection_service_;
  std::unique_ptr<FaultInjectionService> fault_injection_service_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> acceptor_;
  std::unique_ptr<GrpcConnections> connections_;  // Hands over to `acceptor_`.
};

}  // namespace router

#endif  // ROUTER_SERVER_GRPC_SERVER_H_
