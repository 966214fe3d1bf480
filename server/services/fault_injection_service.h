#ifndef ROUTER_SERVER_SERVICES_FAULT_INJECTION_SERVICE_H_
#define ROUTER_SERVER_SERVICES_FAULT_INJECTION_SERVICE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "router/v1/fault_injection.grpc.pb.h"
#include "server/audit/audit_log.h"
#include "server/log/logger.h"
#include "server/services/call_access.h"
#include "transports/fault_injector.h"

namespace router {

// FaultInjectionService over a FaultInjector, which it borrows together with everything else.
// Registered only where faults on purpose are wanted.
class FaultInjectionService final : public v1::FaultInjectionService::Service {
 public:
  // `access` may be null.
  FaultInjectionService(FaultInjector* injector, AccessControl* access, AdminCalls* calls,
                        AuditLog* audit, Logger* log)
      : injector_(injector), access_(access), calls_(calls), audit_(audit), log_(log) {}

  grpc::Status SetFault(grpc::ServerContext* context, const v1::SetFaultRequest* request,
                        v1::SetFaultResponse* response) override;
  grpc::Status ListFaults(grpc::ServerContext* context, const v1::ListFaultsRequest* request,
                          v1::ListFaultsResponse* response) override;
  grpc::Status ClearFaults(grpc::ServerContext* context, const v1::ClearFaultsRequest* request,
                           v1::ClearFaultsResponse* response) override;

 private:
  // Who calls, if it may.
  absl::StatusOr<std::string> Admit(const grpc::ServerContext& context,
                                    absl::string_view method) const;
  absl::Status Audit(const std::string& actor, absl::string_view method, std::string detail);

  FaultInjector* const injector_;
  AccessControl* const access_;
  AdminCalls* const calls_;
  AuditLog* const audit_;
  Logger* const log_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_FAULT_INJECTION_SERVICE_H_
