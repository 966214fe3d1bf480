// Credentials for a channel to a router with TLS, from files.
#ifndef ROUTER_CLIENTS_CPP_CREDENTIALS_H_
#define ROUTER_CLIENTS_CPP_CREDENTIALS_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "grpcpp/security/credentials.h"

namespace router::client {

struct CredentialsOptions {
  // TLS, with the authorities of the system; implied by the three files below.
  bool tls = false;
  // All PEM. Read once: a channel that is to show a new certificate is made anew.
  std::string ca_file;    // The authorities of routers' certificates; empty: those of the system.
  std::string cert_file;  // The client's certificate; needs key_file.
  std::string key_file;
  // A bearer token, sent with every call. Read again when it is more than a second old, so a token
  // that is renewed in time needs nothing else. Without TLS it is sent to loopback only.
  std::string token_file;
};

// For ChannelOptions::credentials. INVALID_ARGUMENT where a file cannot be read or only one of
// certificate and key is named. No files and no TLS: credentials of a plain connection.
absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const CredentialsOptions& options);

}  // namespace router::client

#endif  // ROUTER_CLIENTS_CPP_CREDENTIALS_H_
