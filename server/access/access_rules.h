#ifndef ROUTER_SERVER_ACCESS_ACCESS_RULES_H_
#define ROUTER_SERVER_ACCESS_ACCESS_RULES_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "server/access/access_policy.h"
#include "server/access/jwt_verifier.h"
#include "server/access/token_table.h"

namespace router {

// The files that say who is who, and who may do what.
struct AccessFiles {
  std::string access_file;    // Empty: no access control.
  std::string tokens_file;    // Empty: no tokens by hash.
  std::string jwt_keys_file;  // Empty: no JWTs. Needs the two below.
  std::string jwt_issuer;
  std::string jwt_audience;
};

// Somebody whose credentials are right.
struct Identity {
  std::string name;  // "cert:…", "jwt:…" or "token:…".
  absl::Time expire_time = absl::InfiniteFuture();
};

// All of the files, read together. Immutable.
struct AccessRules {
  AccessPolicy policy;
  TokenTable tokens;
  absl::optional<JwtVerifier> jwt;

  // Whose bearer token it is, and until when. DEADLINE_EXCEEDED: it has expired. UNAUTHENTICATED:
  // the message is for the log.
  absl::StatusOr<Identity> IdentifyToken(absl::string_view token, absl::Time now) const;
};

// INVALID_ARGUMENT: the message has one line for each thing that is wrong, with its place. Contents
// of tokens and keys are not shown.
absl::StatusOr<std::shared_ptr<const AccessRules>> LoadAccessRules(const AccessFiles& files);

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_ACCESS_RULES_H_
