#ifndef ROUTER_SERVER_TLS_TLS_MATERIAL_H_
#define ROUTER_SERVER_TLS_TLS_MATERIAL_H_

#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace router {

// The files of a TLS server, all PEM.
struct TlsFiles {
  std::string cert_file;  // The server's certificate, and those between it and its authority.
  std::string key_file;   // Its private key, not encrypted.
  std::string
      client_ca_file;  // The authorities of clients' certificates; empty: none are asked for.
};

// Their content, checked. Holds a secret: never print it.
struct TlsMaterial {
  std::string certificate_chain;
  std::string private_key;
  std::string client_authorities;
  absl::Time expire_time;  // Of the server's certificate.
};

// What connections are made with from now on. Called before each handshake, by one thread of a port
// at a time, and must not block.
using TlsMaterialSource = std::function<std::shared_ptr<const TlsMaterial>()>;

// Reads the files. OK proves that key and certificate belong together, that the certificate is
// valid at `now`, that OpenSSL serves with them at the security level it is set to, and that there
// is an authority in `client_ca_file`, where one is named.
// INVALID_ARGUMENT names the file and never shows what is in it.
absl::StatusOr<TlsMaterial> LoadTlsMaterial(const TlsFiles& files, absl::Time now);

// The same for content that has been read: the names in `files` are for messages, and say whether
// there have to be authorities. Sets `expire_time`.
absl::Status CheckTlsMaterial(const TlsFiles& files, absl::Time now, TlsMaterial* material);

}  // namespace router

#endif  // ROUTER_SERVER_TLS_TLS_MATERIAL_H_
