#ifndef ROUTER_SERVER_SERVICES_METHOD_METRICS_H_
#define ROUTER_SERVER_SERVICES_METHOD_METRICS_H_

#include <string>
#include <vector>

#include <grpcpp/support/server_interceptor.h>

#include "server/base/clock.h"
#include "server/metrics/metrics.h"

namespace router {

// Counts and times the calls of the given services, which are served synchronously. Other services'
// calls are not touched: PublisherService counts its own. Borrows clock and metrics.
class MethodMetricsFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `services` are full names, such as "router.v1.AdminService".
  MethodMetricsFactory(std::vector<std::string> services, Clock* clock, Metrics* metrics);

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  const std::vector<std::string> services_;
  Clock* const clock_;
  Metrics* const metrics_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_METHOD_METRICS_H_
