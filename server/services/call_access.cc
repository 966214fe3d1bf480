#include "server/services/call_access.h"

#include <vector>

#include <grpc/grpc_security_constants.h>
#include <grpcpp/security/auth_context.h>

#include "absl/strings/str_cat.h"
#include "server/base/client_address.h"

namespace router {
namespace {

absl::string_view View(grpc::string_ref text) { return {text.data(), text.size()}; }

// The name of a client certificate: its first URI, or else its first DNS name, or else its common
// name. Empty where the handshake has verified none.
std::string CertificateName(const grpc::AuthContext& auth) {
  if (!auth.IsPeerAuthenticated()) return "";
  for (const char* property :
       {GRPC_PEER_URI_PROPERTY_NAME, GRPC_PEER_DNS_PROPERTY_NAME, GRPC_X509_CN_PROPERTY_NAME}) {
    const std::vector<grpc::string_ref> values = auth.FindPropertyValues(property);
    if (!values.empty()) return std::string(View(values.front()));
  }
  return "";
}

Credentials CredentialsOf(const grpc::ServerContextBase& context) {
  Credentials credentials;
  credentials.certificate_name = CertificateName(*context.auth_context());
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
