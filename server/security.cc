#include "server/security.h"

#include <utility>

#include "absl/memory/memory.h"

namespace router {
namespace {

std::unique_ptr<Reloadable<TlsMaterial>> MakeTls(const TlsFiles& files, Clock* clock) {
  const auto load = [files, clock]() -> absl::StatusOr<std::shared_ptr<const TlsMaterial>> {
    absl::StatusOr<TlsMaterial> material = LoadTlsMaterial(files, clock->WallNow());
    if (!material.ok()) return material.status();
    return std::make_shared<const TlsMaterial>(*std::move(material));
  };
  return std::make_unique<Reloadable<TlsMaterial>>(
      std::vector<std::string>{files.cert_file, files.key_file, files.client_ca_file}, load);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Security>> Security::Open(const Options& options, Clock* clock,
                                                         Logger* log, Metrics* metrics) {
  auto security = absl::WrapUnique(new Security(options, clock, log, metrics));
  if (security->tls_ == nullptr) return security;
  if (absl::Status status = security->tls_->Load(); !status.ok()) return status;
  return security;
}

Security::Security(const Options& options, Clock* clock, Logger* log, Metrics* metrics)
    : log_(log), metrics_(metrics) {
  if (options.tls_files.cert_file.empty()) {
    grpc_credentials_ = grpc::InsecureServerCredentials();
    return;
  }
  tls_ = MakeTls(options.tls_files, clock);
  grpc_credentials_ =
      MakeTlsServerCredentials(options.client_certificates, [this] { return tls_->current(); });
}

absl::Time Security::certificate_expire_time() const {
  return tls_ == nullptr ? absl::InfiniteFuture() : tls_->current()->expire_time;
}

void Security::Poll(bool force) {
  if (tls_ == nullptr) return;
  absl::Status error;
  switch (tls_->Poll(force, &error)) {
    case ReloadOutcome::kUnchanged:
      return;
    case ReloadOutcome::kReloaded:
      metrics_->tls_reloads.ok.Increment();
      log_->Event(LogLevel::kInfo, "TLS_RELOADED", "new connections use the new certificate",
                  {{"expire_time", absl::FormatTime(certificate_expire_time())}});
      return;
    case ReloadOutcome::kFailed:
      metrics_->tls_reloads.failed.Increment();
      log_->Event(LogLevel::kError, "TLS_RELOAD_FAILED",
                  "new certificate files cannot be used; the certificate stays as it was",
                  {{"reason", error.message()}});
      return;
  }
}

}  // namespace router
