// The input as a bearer token, and as each part of one that was signed before: nobody is let in who
// has not been given a token. And as claims that are signed: then issuer and audience are ours, and
// the name is one.
#include <openssl/evp.h>
#include <openssl/hmac.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "server/access/access_file.h"
#include "server/access/access_rules.h"
#include "server/access/jwt_keys.h"
#include "tests/fuzz/require.h"
#include "tests/server/access/jwt_testing.h"

namespace router {
namespace {

constexpr char kStaticToken[] = "s3cret";
constexpr char kClaims[] = R"({"iss":"issuer","aud":"router","sub":"alice","exp":2000})";
const absl::Time kNow = absl::FromUnixSeconds(1500);

// The parts of a token, in base64url.
struct Parts {
  std::string header;
  std::string claims;
  std::string signature;
};

std::string Join(absl::string_view header, absl::string_view claims, absl::string_view signature) {
  return absl::StrCat(header, ".", claims, ".", signature);
}

// The keys of a router, and a token that was signed with each. Made once; what becomes of an input
// does not depend on what they are.
class Issuer {
 public:
  Issuer() {
    for (const auto& [algorithm, key] : {std::pair("ES256", &ec_), std::pair("RS256", &rsa_)}) {
      const std::vector<std::string> parts =
          absl::StrSplit(MakeToken(algorithm, key->PrivatePem(), kClaims), '.');
      signed_.push_back({parts.at(0), parts.at(1), parts.at(2)});
      public_pems_.push_back(key->PublicPem());
    }
    rules_.tokens.Add({"bot", Sha256(kStaticToken)});
    absl::StatusOr<std::vector<JwtKey>> keys =
        ReadJwtKeys(absl::StrCat(public_pems_[0], public_pems_[1]));
    rules_.jwt.emplace(JwtVerifier::Options{*std::move(keys), "issuer", "router"});
    for (const Parts& parts : signed_) {
      const auto identity = Identify(Join(parts.header, parts.claims, parts.signature));
      Require(identity.ok() && identity->name == "jwt:alice", "a good token is good");
    }
  }

  absl::StatusOr<Identity> Identify(absl::string_view token) const {
    return rules_.IdentifyToken(token, kNow);
  }
  std::string Sign(const std::string& claims) const {
    return MakeToken("ES256", private_pem_, claims);
  }
  const std::vector<Parts>& tokens() const { return signed_; }
  const std::vector<std::string>& public_pems() const { return public_pems_; }

 private:
  const KeyPair ec_ = KeyPair::Ec();
  const KeyPair rsa_ = KeyPair::Rsa();
  const std::string private_pem_ = ec_.PrivatePem();
  std::vector<Parts> signed_;
  std::vector<std::string> public_pems_;
  AccessRules rules_;
};

void RequireRefused(const Issuer& issuer, const std::string& token) {
  const absl::StatusOr<Identity> identity = issuer.Identify(token);
  Require(!identity.ok(), "a forged token is refused");
  Require(absl::IsUnauthenticated(identity.status()), "and was never good");
}

// What is known of a token is used again, but for one part. Checking a signature takes long: the
// size of the input says of which token.
void FuzzParts(const Issuer& issuer, absl::string_view input) {
  const std::string part = absl::WebSafeBase64Escape(input);
  const Parts& parts = issuer.tokens()[input.size() % issuer.tokens().size()];
  if (part != parts.header) RequireRefused(issuer, Join(part, parts.claims, parts.signature));
  if (part != parts.claims) RequireRefused(issuer, Join(parts.header, part, parts.signature));
  RequireRefused(issuer, Join(parts.header, parts.claims, part));
}

// Everybody knows the public keys, and can make a hash with them.
void FuzzHmac(const Issuer& issuer, absl::string_view header) {
  const std::string text =
      absl::StrCat(absl::WebSafeBase64Escape(header), ".", issuer.tokens()[0].claims);
  for (const std::string& pem : issuer.public_pems()) {
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    HMAC(EVP_sha256(), pem.data(), static_cast<int>(pem.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(), hash, &size);
    const absl::string_view bytes(reinterpret_cast<const char*>(hash), size);
    RequireRefused(issuer, absl::StrCat(text, ".", absl::WebSafeBase64Escape(bytes)));
  }
}

void FuzzClaims(const Issuer& issuer, const std::string& claims) {
  if (!absl::StartsWith(claims, "{")) return;
  const std::string token = issuer.Sign(claims);
  const absl::StatusOr<Identity> identity = issuer.Identify(token);
  if (!identity.ok()) return;
  const std::vector<std::string> parts = absl::StrSplit(token, '.');
  std::string text;
  Require(absl::WebSafeBase64Unescape(parts.at(1), &text), "the claims can be read");
  Require(absl::StrContains(text, R"("issuer")"), "our issuer");
  Require(absl::StrContains(text, R"("router")"), "our audience");
  Require(identity->expire_time > kNow, "a token that has not expired");
  absl::string_view name = identity->name;
  Require(absl::ConsumePrefix(&name, "jwt:") && IsIdentityName(name), "a name");
}

void Fuzz(absl::string_view input) {
  static const auto* const kIssuer = new Issuer();
  const absl::StatusOr<Identity> identity = kIssuer->Identify(input);
  Require(identity.ok() == (input == kStaticToken), "a token is known, or not");
  if (identity.ok()) Require(identity->name == "token:bot", "whose token it is");
  FuzzParts(*kIssuer, input);
  FuzzHmac(*kIssuer, input);
  FuzzClaims(*kIssuer, std::string(input));
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
