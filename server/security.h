#ifndef ROUTER_SERVER_SECURITY_H_
#define ROUTER_SERVER_SECURITY_H_

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "absl/status/statusor.h"
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
// new as their files are. Borrows everything. Thread-safe, but for Poll, which is for one thread at
// a time.
class Security {
 public:
  struct Options {
    TlsFiles tls_files;  // Without a certificate: no TLS.
    ClientCertificates client_certificates = ClientCertificates::kNotAsked;
    bool http_tls = false;     // Whether the HTTP port has to be able to use the files as well.
    AccessFiles access_files;  // Without an access file: no access control.
  };

  // INVALID_ARGUMENT for files that cannot be used.
  static absl::StatusOr<std::unique_ptr<Security>> Open(const Options& options, Clock* clock,
                                                        Logger* log, Metrics* metrics,
                                                        AuditLog* audit);

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

  // Looks whether files have changed, and reads those that have; all of them if `force` is set.
  // What cannot be used is counted and logged, and what was there before stays. Writes denials
  // into the audit log. Waits for the disk.
  void Poll(bool force);

 private:
  Security(const Options& options, Clock* clock, Logger* log, Metrics* metrics, AuditLog* audit);

  void PollTls(bool force);
  void PollAccess(bool force);
  void AuditReload(const absl::Status& outcome);

  Logger* const log_;
  Metrics* const metrics_;
  AuditLog* const audit_;
  DenialLog denials_;
  std::unique_ptr<Reloadable<TlsMaterial>> tls_;    // Null: no TLS.
  std::unique_ptr<Reloadable<AccessRules>> rules_;  // Null: no access control.
  std::unique_ptr<AccessControl> access_;
  std::shared_ptr<grpc::ServerCredentials> grpc_credentials_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SECURITY_H_
