#include "server/security.h"

#include <string>
#include <utility>
#include <vector>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/tls/http_tls_credentials.h"

namespace router {
namespace {

std::unique_ptr<Reloadable<TlsMaterial>> MakeTls(const TlsFiles& files, bool http_tls,
                                                 Clock* clock) {
  const auto load = [files, http_tls,
                     clock]() -> absl::StatusOr<std::shared_ptr<const TlsMaterial>> {
    absl::StatusOr<TlsMaterial> material = LoadTlsMaterial(files, clock->WallNow());
    if (!material.ok()) return material.status();
    if (http_tls) {
      const absl::Status usable = HttpTlsCredentials::Make(*material).status();
      if (!usable.ok()) return usable;
    }
    return std::make_shared<const TlsMaterial>(*std::move(material));
  };
  return std::make_unique<Reloadable<TlsMaterial>>(
      std::vector<std::string>{files.cert_file, files.key_file, files.client_ca_file}, load);
}

std::unique_ptr<Reloadable<AccessRules>> MakeRules(const AccessFiles& files) {
  return std::make_unique<Reloadable<AccessRules>>(
      std::vector<std::string>{files.access_file, files.tokens_file, files.jwt_keys_file},
      [files] { return LoadAccessRules(files); });
}

}  // namespace

absl::StatusOr<std::unique_ptr<Security>> Security::Open(const Options& options, Clock* clock,
                                                         Logger* log, Metrics* metrics,
                                                         AuditLog* audit, AuditLog* denials) {
  auto security = absl::WrapUnique(new Security(options, clock, log, metrics, audit, denials));
  absl::Status status;
  if (security->tls_ != nullptr) status.Update(security->tls_->Load());
  if (security->rules_ != nullptr) status.Update(security->rules_->Load());
  if (!status.ok()) return status;
  return security;
}

Security::Security(const Options& options, Clock* clock, Logger* log, Metrics* metrics,
                   AuditLog* audit, AuditLog* denials)
    : log_(log), metrics_(metrics), audit_(audit), denials_(clock, log, metrics, denials) {
  if (!options.access_files.access_file.empty()) {
    rules_ = MakeRules(options.access_files);
    access_ =
        std::make_unique<AccessControl>([this] { return rules_->current(); }, clock, &denials_);
  }
  if (options.tls_files.cert_file.empty()) {
    grpc_credentials_ = grpc::InsecureServerCredentials();
    return;
  }
  tls_ = MakeTls(options.tls_files, options.http_tls, clock);
  grpc_credentials_ =
      MakeTlsServerCredentials(options.client_certificates, [this] { return tls_->current(); });
}

TlsMaterialSource Security::tls_material() const {
  return [this] { return tls_->current(); };
}

absl::Time Security::certificate_expire_time() const {
  return tls_ == nullptr ? absl::InfiniteFuture() : tls_->current()->expire_time;
}

void Security::Poll() {
  absl::MutexLock lock(&mutex_);
  if (tls_ != nullptr) PollTls();
  if (rules_ != nullptr) PollAccess();
  denials_.Flush();
}

void Security::PollTls() {
  absl::Status error;
  if (tls_->Poll(&error) != ReloadOutcome::kUnchanged) TellTls(error);
}

void Security::PollAccess() {
  absl::Status error;
  if (rules_->Poll(&error) != ReloadOutcome::kUnchanged) TellAccess(error);
}

absl::StatusOr<std::function<void()>> Security::Read() {
  Certificates::Loaded certificates;
  Rules::Loaded rules;
  std::vector<std::string> errors;
  if (tls_ != nullptr) {
    absl::StatusOr<Certificates::Loaded> loaded = tls_->Read();
    if (loaded.ok()) {
      certificates = *std::move(loaded);
    } else {
      errors.push_back(absl::StrCat("tls_cert_file: ", loaded.status().message()));
    }
  }
  if (rules_ != nullptr) {
    absl::StatusOr<Rules::Loaded> loaded = rules_->Read();
    if (loaded.ok()) {
      rules = *std::move(loaded);
    } else {
      errors.emplace_back(loaded.status().message());
    }
  }
  if (!errors.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors, "\n"));
  return std::function<void()>([this, certificates, rules] { Use(certificates, rules); });
}

void Security::Use(Certificates::Loaded certificates, Rules::Loaded rules) {
  absl::MutexLock lock(&mutex_);
  if (tls_ != nullptr) {
    tls_->Use(std::move(certificates));
    TellTls(absl::OkStatus());
  }
  if (rules_ != nullptr) {
    rules_->Use(std::move(rules));
    TellAccess(absl::OkStatus());
  }
}

void Security::TellTls(const absl::Status& outcome) {
  if (outcome.ok()) {
    metrics_->tls_reloads.ok.Increment();
    log_->Event(LogLevel::kInfo, "TLS_RELOADED", "new connections use the new certificate",
                {{"expire_time", absl::FormatTime(certificate_expire_time())}});
  } else {
    metrics_->tls_reloads.failed.Increment();
    log_->Event(LogLevel::kError, "TLS_RELOAD_FAILED",
                "new certificate files cannot be used; the certificate stays as it was",
                {{"reason", outcome.message()}});
  }
}

void Security::TellAccess(const absl::Status& outcome) {
  if (outcome.ok()) {
    metrics_->access_reloads.ok.Increment();
    log_->Event(LogLevel::kInfo, "ACCESS_RELOADED", "new rules of access are in force");
  } else {
    metrics_->access_reloads.failed.Increment();
    log_->Event(LogLevel::kError, "ACCESS_RELOAD_FAILED",
                "new rules of access cannot be used; they stay as they were",
                {{"reason", outcome.message()}});
  }
  AuditReload(outcome);
}

void Security::AuditReload(const absl::Status& outcome) {
  AuditEvent event;
  event.actor = "router";
  event.method = "ReloadAccess";
  event.reason =
      "the files of access control have changed, or were read again with the configuration";
  event.detail = outcome.ok() ? "new rules" : std::string(outcome.message());
  event.outcome = absl::StatusCodeToString(outcome.code());
  // The log has it too.
  audit_->Record(std::move(event)).status().IgnoreError();
}

}  // namespace router
