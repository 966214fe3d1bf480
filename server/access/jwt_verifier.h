#ifndef ROUTER_SERVER_ACCESS_JWT_VERIFIER_H_
#define ROUTER_SERVER_ACCESS_JWT_VERIFIER_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/access/jwt_keys.h"

namespace router {

// Checks JSON Web Tokens. Immutable, thread-safe.
class JwtVerifier {
 public:
  struct Options {
    std::vector<JwtKey> keys;
    std::string issuer;    // `iss` has to be this.
    std::string audience;  // `aud` has to be this, or a list with it.
  };

  struct Verified {
    std::string subject;
    absl::Time expire_time;
  };

  // How far clocks may differ: `exp` may have passed, and `nbf` be ahead, by this.
  static constexpr absl::Duration kLeeway = absl::Seconds(30);

  explicit JwtVerifier(Options options) : options_(std::move(options)) {}

  // Whose token it is, where a key of ours has signed it with an algorithm that goes with the key,
  // and issuer, audience, `exp` (which it must have), `nbf` and `sub` are right. A token says which
  // algorithm and, if it likes, which key; keys that it brings along, and extensions that it calls
  // critical, are of no use to it. DEADLINE_EXCEEDED: it has expired. UNAUTHENTICATED: the message
  // says what is wrong, for the log, not for the caller.
  absl::StatusOr<Verified> Verify(absl::string_view token, absl::Time now) const;

 private:
  absl::StatusOr<std::string> VerifySignature(absl::string_view token) const;

  const Options options_;
};

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_JWT_VERIFIER_H_
