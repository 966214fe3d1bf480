#ifndef ROUTER_SERVER_TLS_HTTP_TLS_CREDENTIALS_H_
#define ROUTER_SERVER_TLS_HTTP_TLS_CREDENTIALS_H_

#include <memory>

#include "absl/status/statusor.h"
#include "server/tls/tls_material.h"

struct gnutls_certificate_credentials_st;
struct gnutls_session_int;

namespace router {

// What GnuTLS, which the HTTP port speaks TLS by, makes of the material of a TLS server. Immutable.
class HttpTlsCredentials {
 public:
  // The versions and ciphers, in GnuTLS' words: TLS 1.2 at least, forward secrecy, no cipher
  // without authentication.
  static const char kPriorities[];

  // INVALID_ARGUMENT for material that GnuTLS cannot use, though OpenSSL can; the error never shows
  // what is in it.
  static absl::StatusOr<std::shared_ptr<const HttpTlsCredentials>> Make(
      const TlsMaterial& material);

  ~HttpTlsCredentials();
  HttpTlsCredentials(const HttpTlsCredentials&) = delete;
  HttpTlsCredentials& operator=(const HttpTlsCredentials&) = delete;

  // Has a server's session, before its handshake, use these; they must outlive it. The handshake
  // fails unless the client shows a certificate of `client_authorities`, where that is required.
  void ApplyTo(gnutls_session_int* session, bool requires_client_certificate) const;

 private:
  HttpTlsCredentials() = default;

  gnutls_certificate_credentials_st* credentials_ = nullptr;
};

}  // namespace router

#endif  // ROUTER_SERVER_TLS_HTTP_TLS_CREDENTIALS_H_
