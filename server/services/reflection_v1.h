// Server reflection v1, which today's grpcurl and buf ask for first; the packaged library serves
// v1alpha only.
#ifndef ROUTER_SERVER_SERVICES_REFLECTION_V1_H_
#define ROUTER_SERVER_SERVICES_REFLECTION_V1_H_

#include <string>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"

namespace router {

// Tells clients about the services and messages compiled into this program. Thread-safe; no stream
// holds a thread, and each has one answer in memory at a time.
class ReflectionServiceV1 final : public grpc::reflection::v1::ServerReflection::CallbackService {
 public:
  // `services` are the full names that list_services answers, such as `router.v1.AdminService`.
  explicit ReflectionServiceV1(std::vector<std::string> services);

  grpc::ServerBidiReactor<grpc::reflection::v1::ServerReflectionRequest,
                          grpc::reflection::v1::ServerReflectionResponse>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  const std::vector<std::string> services_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_REFLECTION_V1_H_
