#ifndef ROUTER_SERVER_SECURITY_H_
#define ROUTER_SERVER_SECURITY_H_

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/base/reloadable.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/tls/grpc_tls_credentials.h"
#include "server/tls/tls_material.h"

namespace router {

// Who may connect: the router's certificate, kept as new as its files are. Borrows everything.
// Thread-safe, but for Poll, which is for one thread at a time.
class Security {
 public:
  struct Options {
    TlsFiles tls_files;  // Without a certificate: no TLS.
    ClientCertificates client_certificates = ClientCertificates::kNotAsked;
  };

  // INVALID_ARGUMENT for files that cannot be used.
  static absl::StatusOr<std::unique_ptr<Security>> Open(const Options& options, Clock* clock,
                                                        Logger* log, Metrics* metrics);

  // For the server's ports. This object must outlive the server.
  const std::shared_ptr<grpc::ServerCredentials>& grpc_credentials() const {
    return grpc_credentials_;
  }

  // InfiniteFuture where there is no certificate.
  absl::Time certificate_expire_time() const;

  // Looks whether files have changed, and reads those that have; all of them if `force` is set.
  // What cannot be used is counted and logged, and what was there before stays.
  void Poll(bool force);

 private:
  Security(const Options& options, Clock* clock, Logger* log, Metrics* metrics);

  Logger* const log_;
  Metrics* const metrics_;
  std::unique_ptr<Reloadable<TlsMaterial>> tls_;  // Null: no TLS.
  std::shared_ptr<grpc::ServerCredentials> grpc_credentials_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SECURITY_H_
