#ifndef ROUTER_SERVER_TLS_GRPC_TLS_CREDENTIALS_H_
#define ROUTER_SERVER_TLS_GRPC_TLS_CREDENTIALS_H_

#include <memory>

#include <grpcpp/security/server_credentials.h>

#include "server/tls/tls_material.h"

namespace router {

enum class ClientCertificates {
  kNotAsked,
  kOptional,  // One that is shown has to be valid.
  kRequired,
};

// Credentials for a gRPC server: TLS 1.2 at least, with whatever material `source` gives when a
// client connects. Connections that are open stay as they are. A handshake that fails ends the
// connection, and no call comes of it.
std::shared_ptr<grpc::ServerCredentials> MakeTlsServerCredentials(ClientCertificates certificates,
                                                                  TlsMaterialSource source);

}  // namespace router

#endif  // ROUTER_SERVER_TLS_GRPC_TLS_CREDENTIALS_H_
