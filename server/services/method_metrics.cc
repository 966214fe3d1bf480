#include "server/services/method_metrics.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"

namespace router {
namespace {

// Lives as long as its call.
class MethodMetricsInterceptor final : public grpc::experimental::Interceptor {
 public:
  MethodMetricsInterceptor(Clock* clock, GrpcMethodMetrics* metrics)
      : clock_(clock), metrics_(metrics), start_time_(clock->SteadyNow()) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    using grpc::experimental::InterceptionHookPoints;
    if (methods->QueryInterceptionHookPoint(InterceptionHookPoints::PRE_SEND_STATUS)) {
      metrics_->Handled(methods->GetSendStatus().error_code(),
                        absl::FromChrono(clock_->SteadyNow() - start_time_));
    }
    methods->Proceed();
  }

 private:
  Clock* const clock_;
  GrpcMethodMetrics* const metrics_;
  const SteadyTime start_time_;
};

}  // namespace

MethodMetricsFactory::MethodMetricsFactory(std::vector<std::string> services, Clock* clock,
                                           Metrics* metrics)
    : services_(std::move(services)), clock_(clock), metrics_(metrics) {}

grpc::experimental::Interceptor* MethodMetricsFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const std::vector<absl::string_view> path = absl::StrSplit(info->method(), '/');
  if (path.size() != 3 ||
      std::find(services_.begin(), services_.end(), path[1]) == services_.end()) {
    return nullptr;
  }
  return new MethodMetricsInterceptor(clock_, metrics_->GrpcMethod(path[1], path[2]));
}

}  // namespace router
