// A router for tests of clients: an in-process gRPC server with the real services' interfaces.
#ifndef ROUTER_TESTS_CLIENTS_FAKE_ROUTER_H_
#define ROUTER_TESTS_CLIENTS_FAKE_ROUTER_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "grpcpp/server.h"
#include "tests/clients/fake_admin_service.h"
#include "tests/clients/fake_publisher_service.h"

namespace router::testing {

class FakeRouter {
 public:
  // On a free port of loopback.
  FakeRouter();
  // Cuts off what is under way.
  ~FakeRouter();

  // host:port
  const std::string& address() const { return address_; }
  FakePublisherService& publisher() { return publisher_; }
  FakeAdminService& admin() { return admin_; }

 private:
  FakePublisherService publisher_;
  FakeAdminService admin_;
  std::string address_;
  std::unique_ptr<grpc::Server> server_;
};

// An error as routers send them.
grpc::Status RouterError(grpc::StatusCode code, const std::string& message,
                         const std::string& reason,
                         std::optional<absl::Duration> retry_delay = std::nullopt);

}  // namespace router::testing

#endif  // ROUTER_TESTS_CLIENTS_FAKE_ROUTER_H_
