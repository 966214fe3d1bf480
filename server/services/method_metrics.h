#ifndef ROUTER_SERVER_SERVICES_METHOD_METRICS_H_
#define ROUTER_SERVER_SERVICES_METHOD_METRICS_H_

#include <string>
#include <vector>

#include <grpcpp/support/server_interceptor.h>

#include "absl/container/flat_hash_map.h"
#include "server/base/clock.h"
#include "server/metrics/metrics.h"

namespace router {

// Counts and times the calls of the given services, which are served synchronously. Other services'
// calls are not touched: PublisherService counts its own. Nor are those of methods that do not
// exist, which gRPC may show here with whatever path a caller has made up. Borrows the others.
class MethodMetricsFactory final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  // `services` are full names, such as "router.v1.AdminService", of services that the program has
  // descriptors of.
  MethodMetricsFactory(const std::vector<std::string>& services, Clock* clock, Metrics* metrics);

  grpc::experimental::Interceptor* CreateServerInterceptor(
      grpc::experimental::ServerRpcInfo* info) override;

 private:
  Clock* const clock_;
  absl::flat_hash_map<std::string, GrpcMethodMetrics*> by_path_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_METHOD_METRICS_H_
