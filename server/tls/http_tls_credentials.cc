#include "server/tls/http_tls_credentials.h"

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

#include <string>

#include "absl/memory/memory.h"
#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

gnutls_datum_t DatumOf(const std::string& text) {
  // The library does not write there.
  return {reinterpret_cast<unsigned char*>(const_cast<char*>(text.data())),
          static_cast<unsigned>(text.size())};
}

absl::Status Unusable(absl::string_view what, int error) {
  return absl::InvalidArgumentError(
      absl::StrCat("GnuTLS cannot use ", what, " for the HTTP port: ", gnutls_strerror(error)));
}

// Called for a client that was asked for a certificate, whether or not it has shown one. The
// library that drives the handshake ends the connection without a word, so the reason is sent from
// here.
int VerifyClient(gnutls_session_t session) {
  unsigned count = 0;
  if (gnutls_certificate_get_peers(session, &count) == nullptr || count == 0) {
    gnutls_alert_send(session, GNUTLS_AL_FATAL, GNUTLS_A_CERTIFICATE_REQUIRED);
    return GNUTLS_E_CERTIFICATE_ERROR;
  }
  // What it has to be good for, where it says what it is good for.
  char purpose[] = GNUTLS_KP_TLS_WWW_CLIENT;
  gnutls_typed_vdata_st data = {GNUTLS_DT_KEY_PURPOSE_OID,
                                reinterpret_cast<unsigned char*>(purpose), 0};
  unsigned problems = 0;
  if (gnutls_certificate_verify_peers(session, &data, 1, &problems) == GNUTLS_E_SUCCESS &&
      problems == 0) {
    return 0;
  }
  gnutls_alert_send(session, GNUTLS_AL_FATAL,
                    (problems & GNUTLS_CERT_EXPIRED) != 0 ? GNUTLS_A_CERTIFICATE_EXPIRED
                                                          : GNUTLS_A_BAD_CERTIFICATE);
  return GNUTLS_E_CERTIFICATE_ERROR;
}

}  // namespace

const char HttpTlsCredentials::kPriorities[] =
    "NORMAL:-VERS-ALL:+VERS-TLS1.3:+VERS-TLS1.2:-KX-ALL:+ECDHE-ECDSA:+ECDHE-RSA:"
    "-CIPHER-ALL:+AES-256-GCM:+CHACHA20-POLY1305:+AES-128-GCM:-MAC-ALL:+AEAD";

absl::StatusOr<std::shared_ptr<const HttpTlsCredentials>> HttpTlsCredentials::Make(
    const TlsMaterial& material) {
  std::shared_ptr<HttpTlsCredentials> made = absl::WrapUnique(new HttpTlsCredentials);
  int result = gnutls_certificate_allocate_credentials(&made->credentials_);
  if (result < 0) return absl::ResourceExhaustedError(gnutls_strerror(result));
  const gnutls_datum_t certificate = DatumOf(material.certificate_chain);
  const gnutls_datum_t key = DatumOf(material.private_key);
  result = gnutls_certificate_set_x509_key_mem(made->credentials_, &certificate, &key,
                                               GNUTLS_X509_FMT_PEM);
  if (result < 0) return Unusable("the certificate and its key", result);
  if (!material.client_authorities.empty()) {
    const gnutls_datum_t authorities = DatumOf(material.client_authorities);
    result = gnutls_certificate_set_x509_trust_mem(made->credentials_, &authorities,
                                                   GNUTLS_X509_FMT_PEM);
    if (result < 0) return Unusable("the authorities of clients", result);
  }
  return made;
}

HttpTlsCredentials::~HttpTlsCredentials() {
  if (credentials_ != nullptr) gnutls_certificate_free_credentials(credentials_);
}

void HttpTlsCredentials::ApplyTo(gnutls_session_int* session,
                                 bool requires_client_certificate) const {
  gnutls_credentials_set(session, GNUTLS_CRD_CERTIFICATE, credentials_);
  if (!requires_client_certificate) return;
  // Not GNUTLS_CERT_REQUIRE, which would not get as far as saying why.
  gnutls_certificate_server_set_request(session, GNUTLS_CERT_REQUEST);
  gnutls_session_set_verify_function(session, &VerifyClient);
}

}  // namespace router
