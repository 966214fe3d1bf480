#ifndef ROUTER_SERVER_ACCESS_JWT_KEYS_H_
#define ROUTER_SERVER_ACCESS_JWT_KEYS_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace router {

// A public key that signs JWTs, and what it may be used with.
struct JwtKey {
  std::string id;                       // `kid`; empty: none.
  std::vector<std::string> algorithms;  // Of RS256, RS384, RS512, ES256, ES384, ES512.
  std::string pem;                      // The public key.
};

// The keys in `text`: a JSON Web Key Set, or PEM with public keys one after the other. Keys of a
// set that are not for signatures are passed over.
//
// An algorithm goes with a type of key, so that no token can have its signature checked in another
// way: RSA keys of at least 2048 bits are for RS*, keys on P-256, P-384 and P-521 for ES256, ES384
// and ES512; `alg` of a set narrows it down. INVALID_ARGUMENT for any other key (a secret one
// above all), for a private one, and where there is none or more than 32.
absl::StatusOr<std::vector<JwtKey>> ReadJwtKeys(absl::string_view text);

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_JWT_KEYS_H_
