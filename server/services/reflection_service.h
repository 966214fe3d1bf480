#ifndef ROUTER_SERVER_SERVICES_REFLECTION_SERVICE_H_
#define ROUTER_SERVER_SERVICES_REFLECTION_SERVICE_H_

#include <string>
#include <vector>

#include <grpcpp/server_builder.h>

#include "grpc/reflection/v1/reflection.grpc.pb.h"
#include "grpc/reflection/v1alpha/reflection.grpc.pb.h"
#include "server/access/access_control.h"
#include "server/services/call_queue.h"

namespace router {

// Server reflection, v1 and v1alpha, on a call queue: tells clients about the services and messages
// compiled into this program. Today's grpcurl and buf ask for v1 first; the packaged library has
// v1alpha only, and threads of its own that read from all connections.
class ReflectionService {
 public:
  // `services` are the full names that list_services answers, such as `router.v1.AdminService`.
  // Borrows `access`; null: no access control.
  ReflectionService(std::vector<std::string> services, AccessControl* access);

  void Register(grpc::ServerBuilder* builder);

  // Waits for calls on `queue`, which must be shut down before this is destroyed. After the server
  // was built. A stream has one answer in memory at a time.
  void Start(CallQueue* queue);

 private:
  const std::vector<std::string> services_;
  AccessControl* const access_;
  grpc::reflection::v1::ServerReflection::AsyncService v1_;
  grpc::reflection::v1alpha::ServerReflection::AsyncService v1alpha_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_REFLECTION_SERVICE_H_
