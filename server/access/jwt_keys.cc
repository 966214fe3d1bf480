#include "server/access/jwt_keys.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

#include <nlohmann/json.hpp>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

using Json = nlohmann::json;

constexpr int kRsaBitsMin = 2048;
constexpr size_t kKeysMax = 32;

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(BIGNUM* number) const { BN_free(number); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(EVP_PKEY_CTX* context) const { EVP_PKEY_CTX_free(context); }
  void operator()(OSSL_PARAM_BLD* builder) const { OSSL_PARAM_BLD_free(builder); }
  void operator()(OSSL_PARAM* params) const { OSSL_PARAM_free(params); }
};
template <typename T>
using Owned = std::unique_ptr<T, Free>;

absl::Status Problem(absl::string_view what) {
  ERR_clear_error();
  return absl::InvalidArgumentError(what);
}

// What may be done with a key of its type.
absl::StatusOr<std::vector<std::string>> AlgorithmsOf(const EVP_PKEY* key) {
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_RSA) {
    if (EVP_PKEY_get_bits(key) < kRsaBitsMin) return Problem("an RSA key of less than 2048 bits");
    return std::vector<std::string>{"RS256", "RS384", "RS512"};
  }
  if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
    char curve[64] = "";
    EVP_PKEY_get_group_name(key, curve, sizeof(curve), nullptr);
    const absl::string_view name = curve;
    if (name == "prime256v1") return std::vector<std::string>{"ES256"};
    if (name == "secp384r1") return std::vector<std::string>{"ES384"};
    if (name == "secp521r1") return std::vector<std::string>{"ES512"};
  }
  return Problem("a key that is neither RSA nor on P-256, P-384 or P-521");
}

absl::StatusOr<JwtKey> MakeKey(const EVP_PKEY* key) {
  const absl::StatusOr<std::vector<std::string>> algorithms = AlgorithmsOf(key);
  if (!algorithms.ok()) return algorithms.status();
  const Owned<BIO> bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PUBKEY(bio.get(), key) != 1) return Problem("a key that cannot be written");
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio.get(), &text);
  JwtKey made;
  made.algorithms = *algorithms;
  made.pem.assign(text, static_cast<size_t>(size));
  return made;
}

// The next block of a PEM file as a public key; null where it is none.
Owned<EVP_PKEY> KeyOf(absl::string_view name, const unsigned char* data, long size) {
  if (name != PEM_STRING_PUBLIC) return nullptr;
  return Owned<EVP_PKEY>(d2i_PUBKEY(nullptr, &data, size));
}

absl::StatusOr<std::vector<JwtKey>> ReadPem(absl::string_view text) {
  const Owned<BIO> bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
  std::vector<JwtKey> keys;
  char* name = nullptr;
  char* header = nullptr;
  unsigned char* data = nullptr;
  long size = 0;
  while (PEM_read_bio(bio.get(), &name, &header, &data, &size) == 1) {
    const Owned<EVP_PKEY> key = KeyOf(name, data, size);
    OPENSSL_free(name);
    OPENSSL_free(header);
    OPENSSL_free(data);
    if (key == nullptr) return Problem("something that is not a public key");
    absl::StatusOr<JwtKey> made = MakeKey(key.get());
    if (!made.ok()) return made.status();
    keys.push_back(*std::move(made));
  }
  if (ERR_GET_REASON(ERR_peek_last_error()) != PEM_R_NO_START_LINE) {
    return Problem("something that is not PEM");
  }
  ERR_clear_error();
  return keys;
}

// A member of an object that must be text; "" where it is missing.
std::string TextOf(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

// A number in base64url; null where it is none.
Owned<BIGNUM> NumberOf(const Json& object, const char* name, std::string* bytes = nullptr) {
  std::string decoded;
  if (!absl::WebSafeBase64Unescape(TextOf(object, name), &decoded) || decoded.empty()) {
    return nullptr;
  }
  if (bytes != nullptr) *bytes = decoded;
  return Owned<BIGNUM>(BN_bin2bn(reinterpret_cast<const unsigned char*>(decoded.data()),
                                 static_cast<int>(decoded.size()), nullptr));
}

Owned<EVP_PKEY> KeyFrom(const char* type, OSSL_PARAM_BLD* builder) {
  const Owned<OSSL_PARAM> params(OSSL_PARAM_BLD_to_param(builder));
  const Owned<EVP_PKEY_CTX> context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (params == nullptr || context == nullptr || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1) {
    return nullptr;
  }
  return Owned<EVP_PKEY>(key);
}

Owned<EVP_PKEY> RsaKey(const Json& object) {
  const Owned<BIGNUM> n = NumberOf(object, "n");
  const Owned<BIGNUM> e = NumberOf(object, "e");
  const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
  if (n == nullptr || e == nullptr ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1 ||
      OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1) {
    return nullptr;
  }
  return KeyFrom("RSA", builder.get());
}

Owned<EVP_PKEY> EcKey(const Json& object) {
  static constexpr struct {
    const char* name;
    const char* group;
    size_t bytes;
  } kCurves[] = {
      {"P-256", "prime256v1", 32}, {"P-384", "secp384r1", 48}, {"P-521", "secp521r1", 66}};
  const std::string curve = TextOf(object, "crv");
  std::string x;
  std::string y;
  if (NumberOf(object, "x", &x) == nullptr || NumberOf(object, "y", &y) == nullptr) return nullptr;
  for (const auto& known : kCurves) {
    if (curve != known.name || x.size() != known.bytes || y.size() != known.bytes) continue;
    const std::string point = absl::StrCat("\x04", x, y);
    const Owned<OSSL_PARAM_BLD> builder(OSSL_PARAM_BLD_new());
    if (OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, known.group,
                                        0) != 1 ||
        OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(),
                                         point.size()) != 1) {
      return nullptr;
    }
    return KeyFrom("EC", builder.get());
  }
  return nullptr;
}

absl::StatusOr<JwtKey> ReadJwk(const Json& object) {
  const std::string id = TextOf(object, "kid");
  const std::string type = TextOf(object, "kty");
  if (object.contains("d") || object.contains("k")) {
    return Problem(absl::StrCat("key \"", id, "\" is a secret one: give the public one"));
  }
  if (type != "RSA" && type != "EC") {
    return Problem(absl::StrCat("key \"", id, "\" is neither RSA nor EC"));
  }
  const Owned<EVP_PKEY> key = type == "RSA" ? RsaKey(object) : EcKey(object);
  if (key == nullptr)
    return Problem(absl::StrCat("key \"", id, "\" is not a valid ", type, " key"));
  absl::StatusOr<JwtKey> made = MakeKey(key.get());
  if (!made.ok()) return made.status();
  made->id = id;
  if (object.contains("alg")) {
    const std::string algorithm = TextOf(object, "alg");
    if (std::count(made->algorithms.begin(), made->algorithms.end(), algorithm) == 0) {
      return Problem(absl::StrCat("key \"", id, "\" cannot be used with its `alg`"));
    }
    made->algorithms = {algorithm};
  }
  return made;
}

absl::StatusOr<std::vector<JwtKey>> ReadJwks(absl::string_view text) {
  const Json set = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!set.is_object() || !set.contains("keys") || !set["keys"].is_array()) {
    return Problem("not a JSON Web Key Set");
  }
  std::vector<JwtKey> keys;
  for (const Json& object : set["keys"]) {
    if (!object.is_object()) return Problem("a key that is not an object");
    if (object.contains("use") && TextOf(object, "use") != "sig") continue;
    absl::StatusOr<JwtKey> key = ReadJwk(object);
    if (!key.ok()) return key.status();
    keys.push_back(*std::move(key));
  }
  return keys;
}

}  // namespace

absl::StatusOr<std::vector<JwtKey>> ReadJwtKeys(absl::string_view text) {
  const bool is_json = absl::StartsWith(absl::StripLeadingAsciiWhitespace(text), "{");
  if (!is_json && absl::StrContains(text, "PRIVATE KEY")) {
    return Problem("a private key: give the public one");
  }
  absl::StatusOr<std::vector<JwtKey>> keys = is_json ? ReadJwks(text) : ReadPem(text);
  if (!keys.ok()) return keys.status();
  if (keys->empty()) return Problem("no key for signatures");
  if (keys->size() > kKeysMax) return Problem(absl::StrCat("more than ", kKeysMax, " keys"));
  return keys;
}

}  // namespace router
