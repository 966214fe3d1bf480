#include "server/services/call_access.h"

#include <memory>
#include <vector>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/base/client_address.h"

namespace router {
namespace {

absl::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

// The name of a client certificate: its first URI, or else its first DNS name. The common name
// counts for nothing: it is free text, in which authorities may let stand whatever was asked for.
// A URI has a colon and a DNS name has none, so that neither can be made to look like the other.
// Empty where there is no such name.
std::string CertificateName(const grpc::AuthContext& auth) {
  const std::vector<grpc::string_ref> uris = auth.FindPropertyValues(GRPC_PEER_URI_PROPERTY_NAME);
  const std::vector<grpc::string_ref> names = auth.FindPropertyValues(GRPC_PEER_DNS_PROPERTY_NAME);
  if (uris.empty() && names.empty()) return "";
  std::string name(View(uris.empty() ? names.front() : uris.front()));
  return absl::StrContains(name, ':') == !uris.empty() ? name : "";
}

Credentials CredentialsOf(const grpc::ServerContextBase& context) {
  Credentials credentials;
  const std::shared_ptr<const grpc::AuthContext> auth = context.auth_context();
  if (auth->IsPeerAuthenticated()) {
    credentials.certificate_name = CertificateName(*auth);
    credentials.certificate_has_no_name = credentials.certificate_name.empty();
  }
  const auto headers = context.client_metadata().equal_range("authorization");
  for (auto header = headers.first; header != headers.second; ++header) {
    credentials.authorization.push_back(View(header->second));
  }
  credentials.address = context.peer();
  return credentials;
}

}  // namespace

absl::StatusOr<Caller> Admit(AccessControl* access, const grpc::ServerContextBase& context,
                             const MethodRule* rule) {
  return access->Admit(CredentialsOf(context), rule->method, rule);
}

absl::StatusOr<std::string> AdmitOperator(AccessControl* access, AdminCalls* calls,
                                          const grpc::ServerContextBase& context,
                                          absl::string_view service, absl::string_view method,
                                          bool wants_payloads) {
  if (access == nullptr) {
    std::string peer = context.peer();
    absl::Status begun = calls->Begin(&context, ClientAddressOfPeer(peer));
    if (!begun.ok()) return begun;
    return peer;
  }
  const absl::StatusOr<Caller> caller =
      access->Admit(CredentialsOf(context), method, FindMethodRule(service, method));
  absl::Status status = caller.status();
  if (status.ok() && wants_payloads) status = access->CheckPayloads(*caller, method);
  if (!status.ok()) {
    access->FlushDenials();
    return status;
  }
  status = calls->Begin(&context, caller->identity());
  if (!status.ok()) return status;
  return absl::StrCat(caller->identity(), " ", caller->address());
}

}  // namespace router
