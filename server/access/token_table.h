#ifndef ROUTER_SERVER_ACCESS_TOKEN_TABLE_H_
#define ROUTER_SERVER_ACCESS_TOKEN_TABLE_H_

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace router {

using Sha256Hash = std::array<uint8_t, 32>;

Sha256Hash Sha256(absl::string_view bytes);

// A token that is known by its hash only.
struct StaticToken {
  std::string name;
  Sha256Hash hash;
  absl::Time expire_time = absl::InfiniteFuture();
};

// Tokens by their hashes. Immutable once filled.
class TokenTable {
 public:
  // False where the token is there already.
  bool Add(StaticToken token);

  // Null where it is not known. Takes the same time whether a token is known or not, and however
  // much of one is right.
  const StaticToken* Find(absl::string_view token) const;

  bool empty() const { return tokens_.empty(); }

 private:
  std::vector<StaticToken> tokens_;
};

// Reads the text of a file of tokens:
//
//   tokens:
//     - name: deploy-bot
//       sha256: 5e884898da28047151d0e56f8dc6292773603d0d6aabbdd62a11ef721d1542d8
//       expires: 2027-01-01T00:00:00Z   # may be left out
//
// Returns everything that is wrong, each with its place; `*table` is of use only where nothing is.
std::vector<std::string> ReadTokenFile(const std::string& path, const std::string& text,
                                       TokenTable* table);

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_TOKEN_TABLE_H_
