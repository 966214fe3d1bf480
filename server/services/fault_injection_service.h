#ifndef ROUTER_SERVER_SERVICES_FAULT_INJECTION_SERVICE_H_
#define ROUTER_SERVER_SERVICES_FAULT_INJECTION_SERVICE_H_

#include "router/v1/fault_injection.grpc.pb.h"
#include "server/log/logger.h"
#include "transports/fault_injector.h"

namespace router {

// FaultInjectionService over a FaultInjector, which it borrows together with the log. Registered
// only where faults on purpose are wanted.
class FaultInjectionService final : public v1::FaultInjectionService::Service {
 public:
  FaultInjectionService(FaultInjector* injector, Logger* log) : injector_(injector), log_(log) {}

  grpc::Status SetFault(grpc::ServerContext* context, const v1::SetFaultRequest* request,
                        v1::SetFaultResponse* response) override;
  grpc::Status ListFaults(grpc::ServerContext* context, const v1::ListFaultsRequest* request,
                          v1::ListFaultsResponse* response) override;
  grpc::Status ClearFaults(grpc::ServerContext* context, const v1::ClearFaultsRequest* request,
                           v1::ClearFaultsResponse* response) override;

 private:
  FaultInjector* const injector_;
  Logger* const log_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_FAULT_INJECTION_SERVICE_H_
