#ifndef ROUTER_TESTS_SERVER_ACCESS_JWT_TESTING_H_
#define ROUTER_TESTS_SERVER_ACCESS_JWT_TESTING_H_

#include <openssl/evp.h>

#include <memory>
#include <string>

#include "absl/strings/string_view.h"

namespace router {

// A new pair of keys.
class KeyPair {
 public:
  static KeyPair Rsa(int bits = 2048);
  // "P-256", "P-384", "P-521".
  static KeyPair Ec(const std::string& curve = "P-256");

  std::string PublicPem() const;
  std::string PrivatePem() const;
  // The public key as a JSON object, with these members (`"kid":"a"`) beside those of the key.
  std::string Jwk(const std::string& more = "") const;

 private:
  struct Free {
    void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  };

  explicit KeyPair(EVP_PKEY* key) : key_(key) {}

  std::string Number(const char* name, size_t bytes_min) const;

  std::unique_ptr<EVP_PKEY, Free> key_;
};

// A token with these claims (a JSON object), signed with the bytes of a key as the algorithm has
// it. `header`: text members of the header beside `alg`, as a JSON object.
std::string MakeToken(const std::string& algorithm, const std::string& key,
                      const std::string& claims, const std::string& header = "{}");

// A token of these parts, with whatever signature.
std::string MakeRawToken(absl::string_view header, absl::string_view claims,
                         absl::string_view signature);

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_ACCESS_JWT_TESTING_H_
