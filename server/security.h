#ifndef ROUTER_SERVER_SECURITY_H_
#define ROUTER_SERVER_SECURITY_H_

#include <functional>
#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "absl/base/thread_annotations.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/access/access_control.h"
#include "server/access/access_rules.h"
#include "server/access/denial_log.h"
#include "server/audit/audit_log.h"
#include "server/base/clock.h"
#include "server/base/reloadable.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/tls/grpc_tls_credentials.h"
#include "server/tls/tls_material.h"

namespace router {

// Who may connect, and who may do what: the router's certificate and the rules of access, kept as
// new as their files are. Borrows everything. Thread-safe.
class Security {
 public:
  struct Options {
    TlsFiles tls_files;  // Without a certificate: no TLS.
    ClientCertificates client_certificates = ClientCertificates::kNotAsked;
    bool http_tls = false;     // Whether the HTTP port has to be able to use the files as well.
    AccessFiles access_files;  // Without an access file: no access control.
  };

  // INVALID_ARGUMENT for files that cannot be used. Denials have an audit log of their own: they
  // come as often as callers like, and must not push anything else out.
  static absl::StatusOr<std::unique_ptr<Security>> Open(const Options& options, Clock* clock,
                                                        Logger* log, Metrics* metrics,
                                                        AuditLog* audit, AuditLog* denials);

  // For the server's ports. This object must outlive the server.
  const std::shared_ptr<grpc::ServerCredentials>& grpc_credentials() const {
    return grpc_credentials_;
  }

  // Of a server with TLS. This object must outlive those who call it.
  TlsMaterialSource tls_material() const;

  // Null: there is no access control.
  AccessControl* access() const { return access_.get(); }

  // InfiniteFuture where there is no certificate.
  absl::Time certificate_expire_time() const;

  // Whether the certificate, or the rules of access, are older than their files, which cannot be
  // used.
  bool certificate_is_stale() const { return tls_ != nullptr && tls_->is_stale(); }
  bool rules_are_stale() const { return rules_ != nullptr && rules_->is_stale(); }

  // Looks whether files have changed, and reads those that have. What cannot be used is counted and
  // logged, and what was there before stays. Writes denials into the audit log. Waits for the disk.
  void Poll() ABSL_LOCKS_EXCLUDED(mutex_);

  // Writes the denials that are left into the audit log, at the end of all calls. Waits for the
  // disk.
  void Close() { denials_.FlushAtEnd(); }

  // Reads all of the files, changed or not, and returns what puts them in force, to be called at
  // most once. INVALID_ARGUMENT with a line for each error. Waits for the disk.
  absl::StatusOr<std::function<void()>> Read();

 private:
  Security(const Options& options, Clock* clock, Logger* log, Metrics* metrics, AuditLog* audit,
           AuditLog* denials);

  using Certificates = Reloadable<TlsMaterial>;
  using Rules = Reloadable<AccessRules>;

  void PollTls() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void PollAccess() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Use(Certificates::Loaded certificates, Rules::Loaded rules) ABSL_LOCKS_EXCLUDED(mutex_);
  void TellTls(const absl::Status& outcome);
  void TellAccess(const absl::Status& outcome);
  void AuditReload(const absl::Status& outcome);

  Logger* const log_;
  Metrics* const metrics_;
  AuditLog* const audit_;
  DenialLog denials_;
  absl::Mutex mutex_;                  // One thread at a time changes what the next two have.
  std::unique_ptr<Certificates> tls_;  // Null: no TLS.
  std::unique_ptr<Rules> rules_;       // Null: no access control.
  std::unique_ptr<AccessControl> access_;
  std::shared_ptr<grpc::ServerCredentials> grpc_credentials_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SECURITY_H_
