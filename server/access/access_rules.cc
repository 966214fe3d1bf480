#include "server/access/access_rules.h"

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/access/access_file.h"
#include "server/config/text_file.h"

namespace router {
namespace {

using Errors = std::vector<std::string>;

void Add(const Errors& more, Errors* errors) {
  errors->insert(errors->end(), more.begin(), more.end());
}

absl::optional<std::string> Read(const std::string& path, Errors* errors) {
  absl::StatusOr<std::string> text = ReadTextFile(path);
  if (text.ok()) return *std::move(text);
  errors->push_back(std::string(text.status().message()));
  return absl::nullopt;
}

absl::Status AsStatus(const Errors& errors) {
  return errors.empty() ? absl::OkStatus()
                        : absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
}

}  // namespace

absl::StatusOr<Identity> AccessRules::IdentifyToken(absl::string_view token, absl::Time now) const {
  if (const StaticToken* const known = tokens.Find(token); known != nullptr) {
    if (now >= known->expire_time) return absl::DeadlineExceededError("expired");
    return Identity{absl::StrCat("token:", known->name), known->expire_time};
  }
  if (!jwt.has_value()) return absl::UnauthenticatedError("not a token that is known");
  absl::StatusOr<JwtVerifier::Verified> verified = jwt->Verify(token, now);
  if (!verified.ok()) return verified.status();
  return Identity{absl::StrCat("jwt:", verified->subject), verified->expire_time};
}

absl::StatusOr<std::shared_ptr<const AccessRules>> LoadAccessRules(const AccessFiles& files) {
  auto rules = std::make_shared<AccessRules>();
  Errors errors;
  if (const auto text = Read(files.access_file, &errors)) {
    Add(ReadAccessFile(files.access_file, *text, &rules->policy), &errors);
  }
  if (!files.tokens_file.empty()) {
    if (const auto text = Read(files.tokens_file, &errors)) {
      Add(ReadTokenFile(files.tokens_file, *text, &rules->tokens), &errors);
    }
  }
  if (!files.jwt_keys_file.empty()) {
    if (const auto text = Read(files.jwt_keys_file, &errors)) {
      absl::StatusOr<std::vector<JwtKey>> keys = ReadJwtKeys(*text);
      if (keys.ok()) {
        rules->jwt.emplace(
            JwtVerifier::Options{*std::move(keys), files.jwt_issuer, files.jwt_audience});
      } else {
        errors.push_back(absl::StrCat(files.jwt_keys_file, ": ", keys.status().message()));
      }
    }
  }
  if (absl::Status status = AsStatus(errors); !status.ok()) return status;
  return std::shared_ptr<const AccessRules>(std::move(rules));
}

}  // namespace router
