// The input as a file of tokens. What is read twice is the same twice, and no token is known but
// the one whose hash stands in the seeds.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "server/access/access_file.h"
#include "server/access/token_table.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

constexpr char kPath[] = "tokens.yaml";
constexpr char kToken[] = "s3cret";
constexpr char kHash[] = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

void Fuzz(const std::string& text) {
  TokenTable table;
  const std::vector<std::string> errors = ReadTokenFile(kPath, text, &table);
  for (const std::string& error : errors) {
    Require(absl::StartsWith(error, kPath), "an error says where");
    Require(!absl::StrContains(error, kHash), "an error shows no hash");
  }
  if (!errors.empty()) return;

  TokenTable again;
  Require(ReadTokenFile(kPath, text, &again).empty(), "what is right is right twice");
  Require(table.empty() == again.empty(), "as many tokens twice");
  for (const std::string& other : {std::string(), std::string(kHash), text}) {
    Require(table.Find(other) == nullptr, "no other token is known");
  }
  const StaticToken* const token = table.Find(kToken);
  const StaticToken* const other = again.Find(kToken);
  Require((token == nullptr) == (other == nullptr), "the same tokens twice");
  if (token == nullptr) return;
  Require(IsIdentityName(token->name), "a token has a name");
  Require(token->name == other->name && token->expire_time == other->expire_time,
          "the same token twice");
  Require(!again.Add(*token), "a token is there once");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
