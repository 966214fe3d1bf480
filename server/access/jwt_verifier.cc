#include "server/access/jwt_verifier.h"

#include <jwt.h>

#include <algorithm>
#include <cstdlib>
#include <memory>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "absl/types/optional.h"
#include "server/access/access_file.h"

namespace router {
namespace {

using Json = nlohmann::json;

constexpr size_t kTokenBytesMax = 8192;

struct Free {
  void operator()(jwt_t* jwt) const { jwt_free(jwt); }
  void operator()(char* text) const { std::free(text); }
};

absl::Status Wrong(absl::string_view why) { return absl::UnauthenticatedError(why); }

// Three parts in base64url: nothing else goes to the library.
bool HasForm(absl::string_view token) {
  if (token.size() > kTokenBytesMax || std::count(token.begin(), token.end(), '.') != 2) {
    return false;
  }
  return std::all_of(token.begin(), token.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '_' || c == '.';
  });
}

Json ParseObject(absl::string_view text) {
  Json json = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  return json.is_object() ? json : Json();
}

// The claims of a token that is signed with the key; null where it is not.
Json ClaimsSignedWith(const JwtKey& key, const std::string& token, const std::string& algorithm) {
  jwt_t* decoded = nullptr;
  const int error =
      jwt_decode(&decoded, token.c_str(), reinterpret_cast<const unsigned char*>(key.pem.data()),
                 static_cast<int>(key.pem.size()));
  if (error != 0) return Json();
  const std::unique_ptr<jwt_t, Free> jwt(decoded);
  // The library goes by the token's own word; it has to have read the same one as we did.
  if (jwt_get_alg(jwt.get()) != jwt_str_alg(algorithm.c_str())) return Json();
  const std::unique_ptr<char, Free> claims(jwt_get_grants_json(jwt.get(), nullptr));
  return claims == nullptr ? Json() : ParseObject(claims.get());
}

// A time of a claim, in seconds since 1970; nothing where it is no such number.
absl::optional<absl::Time> TimeOf(const Json& claim) {
  if (!claim.is_number()) return absl::nullopt;
  return absl::UnixEpoch() + absl::Seconds(claim.get<double>());
}

bool IsFor(const Json& claims, const std::string& audience) {
  const auto claim = claims.find("aud");
  if (claim == claims.end()) return false;
  if (claim->is_string()) return *claim == audience;
  return claim->is_array() &&
         std::any_of(claim->begin(), claim->end(),
                     [&audience](const Json& one) { return one.is_string() && one == audience; });
}

}  // namespace

absl::StatusOr<JwtVerifier::Verified> JwtVerifier::Verify(absl::string_view token,
                                                          absl::Time now) const {
  const absl::StatusOr<std::string> signed_claims = VerifySignature(token);
  if (!signed_claims.ok()) return signed_claims.status();
  const Json claims = ParseObject(*signed_claims);
  if (claims.value("iss", Json()) != options_.issuer) return Wrong("another issuer");
  if (!IsFor(claims, options_.audience)) return Wrong("another audience");
  const absl::optional<absl::Time> expire_time = TimeOf(claims.value("exp", Json()));
  if (!expire_time.has_value()) return Wrong("no `exp`");
  if (now >= *expire_time + kLeeway) return absl::DeadlineExceededError("expired");
  if (claims.contains("nbf")) {
    const absl::optional<absl::Time> begin = TimeOf(claims["nbf"]);
    if (!begin.has_value() || now + kLeeway < *begin) return Wrong("not valid yet");
  }
  const Json subject = claims.value("sub", Json());
  if (!subject.is_string() || !IsIdentityName(subject.get<std::string>())) {
    return Wrong("no `sub` that could be an identity");
  }
  return Verified{subject.get<std::string>(), *expire_time + kLeeway};
}

// The claims, as JSON.
absl::StatusOr<std::string> JwtVerifier::VerifySignature(absl::string_view token) const {
  if (!HasForm(token)) return Wrong("not a JWT");
  const std::vector<absl::string_view> parts = absl::StrSplit(token, '.');
  std::string header_text;
  if (!absl::WebSafeBase64Unescape(parts[0], &header_text)) return Wrong("not a JWT");
  const Json header = ParseObject(header_text);
  if (header.is_null()) return Wrong("not a JWT");
  const Json algorithm = header.value("alg", Json());
  if (!algorithm.is_string()) return Wrong("no algorithm");
  if (header.contains("crit")) return Wrong("an extension that is critical");
  const Json id = header.value("kid", Json(""));
  if (!id.is_string()) return Wrong("a `kid` that is no text");
  const std::string text(token);
  for (const JwtKey& key : options_.keys) {
    // A key or a token without an id may go with any.
    const bool id_fits = key.id.empty() || id == "" || id == key.id;
    if (!id_fits || std::count(key.algorithms.begin(), key.algorithms.end(), algorithm) == 0) {
      continue;
    }
    const Json claims = ClaimsSignedWith(key, text, algorithm.get<std::string>());
    if (!claims.is_null()) return claims.dump(-1, ' ', false, Json::error_handler_t::replace);
  }
  return Wrong("not signed by a key that is known, with an algorithm that goes with it");
}

}  // namespace router
