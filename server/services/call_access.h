// Access control as gRPC's calls need it. Everywhere, a null AccessControl means that there is
// none: everybody may do everything.
#ifndef ROUTER_SERVER_SERVICES_CALL_ACCESS_H_
#define ROUTER_SERVER_SERVICES_CALL_ACCESS_H_

#include <string>

#include <grpcpp/server_context.h>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/access/access_control.h"
#include "server/services/admin_calls.h"

namespace router {

// Lets the caller in to a method; errors are those of AccessControl::Admit. `access` is not null.
absl::StatusOr<Caller> Admit(AccessControl* access, const grpc::ServerContextBase& context,
                             const MethodRule* rule);

// The same for a method of administration: who calls, as the audit log has it. Where the caller
// wants to see payloads, it has to be allowed to. What is denied is in the audit log when this
// returns. A caller that is let in has one more call in `calls`, and RESOURCE_EXHAUSTED where it
// has too many.
absl::StatusOr<std::string> AdmitOperator(AccessControl* access, AdminCalls* calls,
                                          const grpc::ServerContextBase& context,
                                          absl::string_view service, absl::string_view method,
                                          bool wants_payloads = false);

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_CALL_ACCESS_H_
