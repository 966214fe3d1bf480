// Server reflection in both of its versions, which are the same but for the name of their package:
// today's grpcurl and buf ask for v1 first, older tools for v1alpha. The packaged library serves
// v1alpha only, and to anybody.
#ifndef ROUTER_SERVER_SERVICES_REFLECTION_H_
#define ROUTER_SERVER_SERVICES_REFLECTION_H_

#include <string>
#include <utility>
#include <vector>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/access/access_control.h"

namespace router {

struct ReflectionV1 {
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
  using Service = grpc::reflection::v1::ServerReflection::CallbackService;
  static constexpr char kName[] = "grpc.reflection.v1.ServerReflection";
};

struct ReflectionV1Alpha {
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
  using Service = grpc::reflection::v1alpha::ServerReflection::CallbackService;
  static constexpr char kName[] = "grpc.reflection.v1alpha.ServerReflection";
};

// Tells clients about the services and messages compiled into this program. Thread-safe; no stream
// holds a thread, and each has one answer in memory at a time.
template <typename Version>
class ReflectionService final : public Version::Service {
 public:
  // `services` are the full names that list_services answers, such as `router.v1.AdminService`.
  // Borrows `access`; null: no access control.
  ReflectionService(std::vector<std::string> services, AccessControl* access)
      : services_(std::move(services)), access_(access) {}

  grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>*
  ServerReflectionInfo(grpc::CallbackServerContext* context) override;

 private:
  const std::vector<std::string> services_;
  AccessControl* const access_;
};

extern template class ReflectionService<ReflectionV1>;
extern template class ReflectionService<ReflectionV1Alpha>;

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_REFLECTION_H_
