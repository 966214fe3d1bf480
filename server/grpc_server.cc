#include "server/grpc_server.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "grpc/health/v1/health.pb.h"
#include "server/options.h"
#include "server/services/admin_calls.h"
#include "server/services/method_metrics.h"

namespace router {
namespace {

constexpr char kPublisherServiceName[] = "router.v1.PublisherService";
constexpr char kAdminServiceName[] = "router.v1.AdminService";
constexpr char kFaultInjectionServiceName[] = "router.v1.FaultInjectionService";

// Answers that are ready still have to get out after the last message is settled.
constexpr absl::Duration kFlushTimeout = absl::Seconds(1);

std::vector<std::string> ServiceNames(bool has_fault_injection) {
  std::vector<std::string> names = {kPublisherServiceName, kAdminServiceName,
                                    "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection",
                                    "grpc.reflection.v1alpha.ServerReflection"};
  if (has_fault_injection) names.push_back(kFaultInjectionServiceName);
  return names;
}

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcServer>> GrpcServer::Start(Parts parts) {
  auto server = absl::WrapUnique(new GrpcServer(std::move(parts)));
  if (absl::Status built = server->Build(); !built.ok()) return built;
  CallQueue* const queue = server->publisher_service_.queue();
  server->health_service_.Start(queue);
  server->reflection_service_.Start(queue);
  server->publisher_service_.Start();
  server->connections_->Start(server->acceptor_.get(), queue);
  return server;
}

GrpcServer::GrpcServer(Parts parts)
    : parts_(std::move(parts)),
      publisher_service_(PublisherServiceOptionsOf(*parts_.settings), parts_.clock,
                         parts_.dispatcher, parts_.transport, parts_.limits,
                         parts_.security->access(), parts_.metrics, parts_.spans),
      admin_service_(parts_.admin),
      reflection_service_(ServiceNames(parts_.faults != nullptr), parts_.security->access()) {
  // Keeps the descriptor of the health service in the program, for reflection.
  google::protobuf::LinkMessageReflection<grpc::health::v1::HealthCheckRequest>();
  if (parts_.faults == nullptr) return;
  fault_injection_service_ = std::make_unique<FaultInjectionService>(
      parts_.faults, parts_.security->access(), parts_.admin.calls, parts_.admin.audit, parts_.log);
}

absl::Status GrpcServer::Build() {
  grpc::ServerBuilder builder;
  ApplyGrpcLimits(*parts_.settings, &builder);
  acceptor_ = builder.experimental().AddExternalConnectionAcceptor(
      grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
      parts_.security->grpc_credentials());
  publisher_service_.Register(&builder);
  health_service_.Register(&builder);
  reflection_service_.Register(&builder);
  builder.RegisterService(&admin_service_);
  if (fault_injection_service_ != nullptr) builder.RegisterService(fault_injection_service_.get());
  const std::vector<std::string> synchronous = {kAdminServiceName, kFaultInjectionServiceName};
  std::vector<std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface>> interceptors;
  interceptors.push_back(
      std::make_unique<MethodMetricsFactory>(synchronous, parts_.clock, parts_.metrics));
  interceptors.push_back(std::make_unique<AdminCallsFactory>(synchronous, parts_.admin.calls));
  builder.experimental().SetInterceptorCreators(std::move(interceptors));
  absl::StatusOr<std::unique_ptr<GrpcConnections>> opened = GrpcConnections::Open(
      GrpcConnectionsOptionsOf(*parts_.settings), parts_.clock, parts_.log, parts_.metrics);
  if (!opened.ok()) {
    return absl::Status(
        opened.status().code(),
        absl::StrCat("cannot listen for gRPC at ", parts_.settings->grpc_listen, ": ",
                     opened.status().message(), "; choose another address with --grpc_listen"));
  }
  connections_ = *std::move(opened);
  server_ = builder.BuildAndStart();
  if (server_ == nullptr) return absl::InternalError("the gRPC server does not start");
  return absl::OkStatus();
}

// Liveness is served by the process being there.
void GrpcServer::SetServing(bool is_serving, bool is_spool_serving) {
  health_service_.SetServing("liveness", true);
  health_service_.SetServing("spool", is_spool_serving);
  for (const char* name : {"", "readiness", kPublisherServiceName, kAdminServiceName}) {
    health_service_.SetServing(name, is_serving);
  }
  if (fault_injection_service_ != nullptr) {
    health_service_.SetServing(kFaultInjectionServiceName, is_serving);
  }
}

void GrpcServer::Shutdown() {
  connections_->StopAccepting();
  health_service_.Stop();
  server_->Shutdown(absl::ToChronoTime(parts_.clock->WallNow() + kFlushTimeout));
  publisher_service_.Shutdown();
  server_->Wait();
  connections_->Stop();
}

}  // namespace router
