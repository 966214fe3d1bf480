#include "server/services/method_metrics.h"

#include "absl/strings/str_cat.h"
#include "google/protobuf/descriptor.h"

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

MethodMetricsFactory::MethodMetricsFactory(const std::vector<std::string>& services, Clock* clock,
                                           Metrics* metrics)
    : clock_(clock) {
  for (const std::string& name : services) {
    const google::protobuf::ServiceDescriptor* const service =
        google::protobuf::DescriptorPool::generated_pool()->FindServiceByName(name);
    if (service == nullptr) continue;
    for (int i = 0; i < service->method_count(); ++i) {
      const std::string& method = service->method(i)->name();
      by_path_.emplace(absl::StrCat("/", name, "/", method), metrics->GrpcMethod(name, method));
    }
  }
}

grpc::experimental::Interceptor* MethodMetricsFactory::CreateServerInterceptor(
    grpc::experimental::ServerRpcInfo* info) {
  const auto found = by_path_.find(info->method());
  if (found == by_path_.end()) return nullptr;
  return new MethodMetricsInterceptor(clock_, found->second);
}

}  // namespace router
