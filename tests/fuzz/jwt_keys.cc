// The input as a file of keys: a JSON Web Key Set, or PEM. What is taken is public, goes with
// algorithms of its own type only, and can be read again as it was written.
#include "server/access/jwt_keys.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

void CheckKey(const JwtKey& key) {
  Require(absl::StartsWith(key.pem, "-----BEGIN PUBLIC KEY-----\n"), "a public key");
  Require(!absl::StrContains(key.pem, "PRIVATE"), "no private key");
  Require(!key.algorithms.empty(), "a key is of use");
  const absl::StatusOr<std::vector<JwtKey>> again = ReadJwtKeys(key.pem);
  Require(again.ok() && again->size() == 1, "a key that was written can be read");
  Require(again->front().pem == key.pem, "a key is written as it was read");
  const std::vector<std::string>& known = again->front().algorithms;
  for (const std::string& algorithm : key.algorithms) {
    Require(std::count(known.begin(), known.end(), algorithm) == 1, "an algorithm of its type");
    Require(algorithm[0] == key.algorithms[0][0], "RS* or ES*, never both");
  }
}

void Fuzz(absl::string_view text) {
  const absl::StatusOr<std::vector<JwtKey>> keys = ReadJwtKeys(text);
  if (!keys.ok()) {
    Require(absl::IsInvalidArgument(keys.status()), "the code of an error");
    Require(!keys.status().message().empty(), "an error says what is wrong");
    return;
  }
  Require(!keys->empty() && keys->size() <= 32, "the number of keys");
  for (const JwtKey& key : *keys) CheckKey(key);
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
