#include "server/access/token_table.h"

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "server/access/access_file.h"
#include "server/config/strict_yaml.h"
#include "server/config/suggestion.h"

namespace router {
namespace {

bool IsHash(const std::string& text) {
  return text.size() == 2 * SHA256_DIGEST_LENGTH &&
         std::all_of(text.begin(), text.end(), absl::ascii_isxdigit);
}

class EntryReader {
 public:
  EntryReader(StrictYaml* yaml, TokenTable* table)
      : yaml_(yaml), table_(table), errors_before_(yaml->error_count()) {}

  void Read(const YAML::Node& entry) {
    if (!entry.IsMap()) {
      return yaml_->Error(entry.Mark(), "a token must be a map with name and sha256");
    }
    yaml_->ForEachEntry(
        entry, [this](const std::string& key, const YAML::Node& key_node, const YAML::Node& value) {
          ReadField(key, key_node, value.IsScalar() ? value.Scalar() : "", value.Mark());
        });
    if (yaml_->error_count() > errors_before_) return;
    if (token_.name.empty() || !has_hash_) {
      yaml_->Error(entry.Mark(), "a token needs name and sha256");
    } else if (!table_->Add(std::move(token_))) {
      yaml_->Error(entry.Mark(), "a token that is there already");
    }
  }

 private:
  void ReadField(const std::string& key, const YAML::Node& key_node, const std::string& text,
                 const YAML::Mark& mark) {
    if (key == "name") {
      if (!IsIdentityName(text)) yaml_->Error(mark, "a name must be text without spaces");
      token_.name = text;
    } else if (key == "sha256") {
      ReadHash(text, mark);
    } else if (key == "expires") {
      std::string why;
      if (!absl::ParseTime(absl::RFC3339_full, text, &token_.expire_time, &why)) {
        yaml_->Error(mark, absl::StrCat("not a time as 2027-01-01T00:00:00Z: ", why));
      }
    } else {
      // A token may have come to stand in the place of the key.
      yaml_->Error(
          key_node.Mark(),
          absl::StrCat("unknown key", DidYouMean(ClosestTo(key, {"name", "sha256", "expires"}))));
    }
  }

  // Never repeats the text: it may be the token itself, wrongly.
  void ReadHash(const std::string& text, const YAML::Mark& mark) {
    if (!IsHash(text)) {
      return yaml_->Error(mark, "sha256 must be the 64 hexadecimal digits of the token's hash");
    }
    const std::string bytes = absl::HexStringToBytes(text);
    std::copy(bytes.begin(), bytes.end(), token_.hash.begin());
    has_hash_ = true;
  }

  StrictYaml* const yaml_;
  TokenTable* const table_;
  const size_t errors_before_;
  StaticToken token_;
  bool has_hash_ = false;
};

}  // namespace

Sha256Hash Sha256(absl::string_view bytes) {
  Sha256Hash hash;
  SHA256(reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size(), hash.data());
  return hash;
}

bool TokenTable::Add(StaticToken token) {
  for (const StaticToken& other : tokens_) {
    if (other.hash == token.hash) return false;
  }
  tokens_.push_back(std::move(token));
  return true;
}

const StaticToken* TokenTable::Find(absl::string_view token) const {
  const Sha256Hash hash = Sha256(token);
  const StaticToken* found = nullptr;
  for (const StaticToken& known : tokens_) {
    if (CRYPTO_memcmp(known.hash.data(), hash.data(), hash.size()) == 0) found = &known;
  }
  return found;
}

std::vector<std::string> ReadTokenFile(const std::string& path, const std::string& text,
                                       TokenTable* table) {
  StrictYaml yaml(path, /*is_secret=*/true);
  yaml.Read(text, [&yaml, table](const YAML::Node& top) {
    if (!top.IsMap()) return yaml.Error(top.Mark(), "the file must be a map with tokens");
    yaml.ForEachEntry(top, [&yaml, table](const std::string& key, const YAML::Node& key_node,
                                          const YAML::Node& value) {
      if (key != "tokens") {
        yaml.Error(key_node.Mark(),
                   absl::StrCat("unknown key", DidYouMean(ClosestTo(key, {"tokens"}))));
      } else if (!value.IsSequence()) {
        yaml.Error(value.Mark(), "tokens must be a list");
      } else {
        for (const YAML::Node& entry : value) EntryReader(&yaml, table).Read(entry);
      }
    });
  });
  return yaml.TakeErrors();
}

}  // namespace router
