#include "server/access/access_control.h"

#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "server/access/access_file.h"
#include "server/errors/errors.h"

namespace router {
namespace {

constexpr size_t kKnownTokensMax = 10000;
constexpr absl::string_view kScheme = "Bearer ";

// Of a header that begins with the scheme.
absl::string_view TokenIn(absl::string_view header) { return header.substr(kScheme.size()); }

}  // namespace

AccessControl::AccessControl(RulesSource rules, Clock* clock, DenialLog* denials)
    : rules_(std::move(rules)), clock_(clock), denials_(denials) {}

absl::StatusOr<Caller> AccessControl::Admit(const Credentials& credentials,
                                            absl::string_view method, const MethodRule* rule) {
  Caller caller;
  caller.rules_ = rules_();
  std::string detail;
  absl::StatusOr<Identity> identity = Identify(credentials, caller.rules_, &detail);
  absl::Status status = identity.status();
  if (status.ok()) {
    caller.identity_ = std::move(identity->name);
    caller.expire_time_ = identity->expire_time;
    caller.address_ = credentials.address;
    if (!credentials.authorization.empty()) {
      caller.token_.emplace(TokenIn(credentials.authorization[0]));
    }
    status = Authorize(caller.identity_, rule, method, *caller.rules_, &caller.grant_);
  }
  if (status.ok()) return caller;
  // Somebody who is not known is in no audit log: anybody could fill it.
  const bool is_known = absl::IsPermissionDenied(status);
  if (detail.empty()) detail = caller.identity_;
  denials_->Add(
      {is_known ? caller.identity_ : "", credentials.address, method, status, std::move(detail)});
  return status;
}

absl::StatusOr<Identity> AccessControl::Identify(const Credentials& credentials,
                                                 const RulesPtr& rules, std::string* detail) {
  const std::vector<absl::string_view>& headers = credentials.authorization;
  if (headers.empty()) {
    if (credentials.certificate_has_no_name) return error::CertificateHasNoName();
    if (credentials.certificate_name.empty()) return error::CredentialsMissing();
    if (IsIdentityName(credentials.certificate_name)) {
      return Identity{absl::StrCat("cert:", credentials.certificate_name)};
    }
    *detail = "the name in the certificate has spaces or other characters than ASCII's";
    return error::CredentialsInvalid();
  }
  if (headers.size() > 1 || !absl::StartsWithIgnoreCase(headers[0], kScheme)) {
    *detail = "the header `authorization` is not `Bearer TOKEN`, once";
    return error::CredentialsInvalid();
  }
  return IdentifyBearer(TokenIn(headers[0]), rules, detail);
}

absl::StatusOr<Identity> AccessControl::IdentifyBearer(absl::string_view token,
                                                       const RulesPtr& rules, std::string* detail) {
  absl::StatusOr<Identity> identity = IdentifyToken(token, rules, clock_->WallNow());
  if (identity.ok()) return identity;
  *detail = std::string(identity.status().message());
  if (absl::IsDeadlineExceeded(identity.status())) return error::CredentialsExpired();
  return error::CredentialsInvalid();
}

absl::StatusOr<Identity> AccessControl::IdentifyToken(absl::string_view token,
                                                      const RulesPtr& rules, absl::Time now) {
  const Sha256Hash hash = Sha256(token);
  const std::string key(hash.begin(), hash.end());
  {
    absl::MutexLock lock(&mutex_);
    if (known_under_ != rules) {
      known_tokens_.clear();
      known_under_ = rules;
    }
    const auto known = known_tokens_.find(key);
    if (known != known_tokens_.end() && now < known->second.expire_time) return known->second;
  }
  absl::StatusOr<Identity> identity = rules->IdentifyToken(token, now);
  if (!identity.ok()) return identity;
  absl::MutexLock lock(&mutex_);
  if (known_under_ != rules) return identity;
  if (known_tokens_.size() >= kKnownTokensMax) known_tokens_.clear();
  known_tokens_[key] = *identity;
  return identity;
}

absl::Status AccessControl::Authorize(const std::string& identity, const MethodRule* rule,
                                      absl::string_view method, const AccessRules& rules,
                                      const Grant** grant) {
  *grant = rules.policy.Find(identity);
  if (*grant == nullptr) return error::IdentityUnknown(identity);
  if (rule == nullptr) return error::MethodNotAllowed(identity, method, "no");
  if (!(*grant)->Has(rule->permission)) {
    return error::MethodNotAllowed(identity, method, RoleName(rule->permission));
  }
  return absl::OkStatus();
}

absl::Status AccessControl::Renew(const MethodRule& rule, Caller* caller) {
  RulesPtr rules = rules_();
  const bool has_expired =
      caller->expire_time_ != absl::InfiniteFuture() && clock_->WallNow() >= caller->expire_time_;
  if (!has_expired && rules == caller->rules_) return absl::OkStatus();
  const Grant* grant = nullptr;
  std::string detail;
  absl::Status status = RenewIdentity(rules, caller, &detail);
  if (status.ok()) status = Authorize(caller->identity_, &rule, rule.method, *rules, &grant);
  if (!status.ok()) {
    if (detail.empty()) detail = caller->identity_;
    denials_->Add({absl::IsPermissionDenied(status) ? caller->identity_ : "", caller->address_,
                   rule.method, status, std::move(detail)});
    return status;
  }
  caller->rules_ = std::move(rules);
  caller->grant_ = grant;
  return absl::OkStatus();
}

// A certificate was verified by the handshake, and is the connection's until it ends.
absl::Status AccessControl::RenewIdentity(const RulesPtr& rules, Caller* caller,
                                          std::string* detail) {
  if (!caller->token_.has_value()) return absl::OkStatus();
  const absl::StatusOr<Identity> identity = IdentifyBearer(*caller->token_, rules, detail);
  if (!identity.ok()) {
    *detail = absl::StrCat(caller->identity_, ": ", *detail);
    return identity.status();
  }
  if (identity->name != caller->identity_) {
    *detail = absl::StrCat(caller->identity_, ": the token is ", identity->name, "'s now");
    return error::CredentialsInvalid();
  }
  caller->expire_time_ = identity->expire_time;
  return absl::OkStatus();
}

absl::Status AccessControl::CheckPayloads(const Caller& caller, absl::string_view method) {
  if (caller.grant().payloads) return absl::OkStatus();
  absl::Status status = error::PayloadsNotAllowed(caller.identity(), method);
  denials_->Add({caller.identity(), caller.address(), method, status, ""});
  return status;
}

void AccessControl::RejectSubjects(const Caller& caller, absl::string_view method,
                                   PublishBatch* batch) {
  const SubjectSet& allowed = caller.grant().publish;
  if (allowed.contains_all()) return;
  Denial denial{caller.identity(), caller.address(), method, absl::OkStatus(), "", 0};
  for (Operation& operation : batch->operations()) {
    if (operation.outcome == Outcome::kRejected || allowed.Contains(operation.message.subject)) {
      continue;
    }
    operation.outcome = Outcome::kRejected;
    operation.status = error::SubjectNotAllowed(caller.identity(), operation.message.subject);
    if (denial.count++ == 0) denial.error = operation.status;
  }
  if (denial.count > 0) denials_->Add(denial);
}

}  // namespace router
