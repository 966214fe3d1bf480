#include "tests/server/access/jwt_testing.h"

#include <jwt.h>
#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>

#include <algorithm>
#include <cstdlib>
#include <vector>

#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

std::string Take(BIO* bio) {
  char* text = nullptr;
  const long size = BIO_get_mem_data(bio, &text);
  std::string copy(text, static_cast<size_t>(size));
  BIO_free(bio);
  return copy;
}

}  // namespace

KeyPair KeyPair::Rsa(int bits) { return KeyPair(EVP_RSA_gen(static_cast<unsigned int>(bits))); }

KeyPair KeyPair::Ec(const std::string& curve) { return KeyPair(EVP_EC_gen(curve.c_str())); }

std::string KeyPair::PublicPem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(bio, key_.get());
  return Take(bio);
}

std::string KeyPair::PrivatePem() const {
  BIO* const bio = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(bio, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return Take(bio);
}

std::string KeyPair::Number(const char* name, size_t bytes_min) const {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key_.get(), name, &number);
  std::string bytes(std::max(bytes_min, static_cast<size_t>(BN_num_bytes(number))), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(&bytes[0]), static_cast<int>(bytes.size()));
  BN_free(number);
  return absl::WebSafeBase64Escape(bytes);
}

std::string KeyPair::Jwk(const std::string& more) const {
  const std::string tail = more.empty() ? "}" : absl::StrCat(",", more, "}");
  if (EVP_PKEY_get_base_id(key_.get()) == EVP_PKEY_RSA) {
    return absl::StrCat(R"({"kty":"RSA","n":")", Number(OSSL_PKEY_PARAM_RSA_N, 0), R"(","e":")",
                        Number(OSSL_PKEY_PARAM_RSA_E, 0), "\"", tail);
  }
  const int bits = EVP_PKEY_get_bits(key_.get());
  const size_t bytes = static_cast<size_t>(bits + 7) / 8;
  return absl::StrCat(R"({"kty":"EC","crv":"P-)", bits, R"(","x":")",
                      Number(OSSL_PKEY_PARAM_EC_PUB_X, bytes), R"(","y":")",
                      Number(OSSL_PKEY_PARAM_EC_PUB_Y, bytes), "\"", tail);
}

std::string MakeToken(const std::string& algorithm, const std::string& key,
                      const std::string& claims, const std::string& header) {
  jwt_t* jwt = nullptr;
  jwt_new(&jwt);
  jwt_add_grants_json(jwt, claims.c_str());
  jwt_add_headers_json(jwt, header.c_str());
  jwt_set_alg(jwt, jwt_str_alg(algorithm.c_str()),
              reinterpret_cast<const unsigned char*>(key.data()), static_cast<int>(key.size()));
  char* const text = jwt_encode_str(jwt);
  std::string token = text == nullptr ? "" : text;
  std::free(text);
  jwt_free(jwt);
  return token;
}

std::string MakeRawToken(absl::string_view header, absl::string_view claims,
                         absl::string_view signature) {
  return absl::StrCat(absl::WebSafeBase64Escape(header), ".", absl::WebSafeBase64Escape(claims),
                      ".", absl::WebSafeBase64Escape(signature));
}

}  // namespace router
