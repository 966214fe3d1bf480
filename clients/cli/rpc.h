// One call of a router's method, with the deadline of --timeout.
#ifndef ROUTER_CLIENTS_CLI_RPC_H_
#define ROUTER_CLIENTS_CLI_RPC_H_

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/clock.h"
#include "clients/cli/command.h"
#include "clients/cli/errors.h"
#include "clients/cpp/errors.h"
#include "grpcpp/client_context.h"
#include "router/v1/admin.grpc.pb.h"

namespace router::cli {

// Calls `method` of the router's AdminService. `task` says in an error what could not be done.
template <typename Request, typename Response>
absl::StatusOr<Response> CallAdmin(
    const Invocation& invocation, const std::string& task,
    grpc::Status (v1::AdminService::Stub::*method)(grpc::ClientContext*, const Request&, Response*),
    const Request& request) {
  const auto stub = v1::AdminService::NewStub(invocation.channel);
  grpc::ClientContext context;
  context.set_deadline(absl::ToChronoTime(absl::Now() + invocation.options.timeout));
  Response response;
  const grpc::Status status = (*stub.*method)(&context, request, &response);
  if (!status.ok()) return Annotate(client::FromGrpcStatus(status), task);
  return response;
}

// The flags of commands that change something, and what they put into a request.
inline std::vector<Flag> ChangeFlags() {
  return {
      {"reason", "TEXT", "why; kept in the audit log (required)", ""},
      {"request-id", "ID", "kept in the audit log, to find the change again", ""},
      {"dry-run", "", "only check, change nothing", ""},
  };
}

template <typename Request>
absl::Status SetChange(const Arguments& arguments, Request& request) {
  if (arguments.Get("reason").empty()) {
    return UsageError("say why with --reason TEXT: it is kept in the audit log");
  }
  request.set_reason(arguments.Get("reason"));
  request.set_request_id(arguments.Get("request-id"));
  request.set_validate_only(arguments.Has("dry-run"));
  return absl::OkStatus();
}

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_RPC_H_
