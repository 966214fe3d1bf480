#include "server/tls/grpc_tls_credentials.h"

#include <string>
#include <utility>

#include <grpc/grpc.h>
#include <grpc/grpc_security.h>

namespace router {
namespace {

grpc_ssl_client_certificate_request_type RequestTypeOf(ClientCertificates certificates) {
  switch (certificates) {
    case ClientCertificates::kNotAsked:
      return GRPC_SSL_DONT_REQUEST_CLIENT_CERTIFICATE;
    case ClientCertificates::kOptional:
      return GRPC_SSL_REQUEST_CLIENT_CERTIFICATE_AND_VERIFY;
    case ClientCertificates::kRequired:
      break;
  }
  return GRPC_SSL_REQUEST_AND_REQUIRE_CLIENT_CERTIFICATE_AND_VERIFY;
}

// The C++ interface has no credentials that change, but for ones that read the files themselves,
// and would take a key that does not belong to the certificate. Those of the C interface ask before
// each handshake.
class TlsServerCredentials final : public grpc::ServerCredentials {
 public:
  TlsServerCredentials(ClientCertificates certificates, TlsMaterialSource source)
      : source_(std::move(source)),
        credentials_(grpc_ssl_server_credentials_create_with_options(
            grpc_ssl_server_credentials_create_options_using_config_fetcher(
                RequestTypeOf(certificates), &TlsServerCredentials::Fetch, this))) {}

  ~TlsServerCredentials() override { grpc_server_credentials_release(credentials_); }

  // Callers are authenticated by the services.
  void SetAuthMetadataProcessor(const std::shared_ptr<grpc::AuthMetadataProcessor>&) override {}

 private:
  int AddPortToServer(const std::string& address, grpc_server* server) override {
    return grpc_server_add_http2_port(server, address.c_str(), credentials_);
  }

  static grpc_ssl_certificate_config_reload_status Fetch(
      void* self, grpc_ssl_server_certificate_config** config) {
    return static_cast<TlsServerCredentials*>(self)->Fetch(config);
  }

  grpc_ssl_certificate_config_reload_status Fetch(grpc_ssl_server_certificate_config** config) {
    std::shared_ptr<const TlsMaterial> material = source_();
    if (material == fetched_) return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_UNCHANGED;
    const grpc_ssl_pem_key_cert_pair pair = {material->private_key.c_str(),
                                             material->certificate_chain.c_str()};
    *config = grpc_ssl_server_certificate_config_create(
        material->client_authorities.empty() ? nullptr : material->client_authorities.c_str(),
        &pair, 1);
    fetched_ = std::move(material);
    return GRPC_SSL_CERTIFICATE_CONFIG_RELOAD_NEW;
  }

  const TlsMaterialSource source_;
  grpc_server_credentials* const credentials_;
  std::shared_ptr<const TlsMaterial> fetched_;
};

}  // namespace

std::shared_ptr<grpc::ServerCredentials> MakeTlsServerCredentials(ClientCertificates certificates,
                                                                  TlsMaterialSource source) {
  return std::make_shared<TlsServerCredentials>(certificates, std::move(source));
}

}  // namespace router
