#include "server/tls/tls_material.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/config/text_file.h"

namespace router {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
  void operator()(SSL_CTX* context) const { SSL_CTX_free(context); }
};

using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;
using Context = std::unique_ptr<SSL_CTX, Free>;

Bio BioOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it the library would ask for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::Status FileProblem(const std::string& path, absl::string_view problem) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" ", problem));
}

// All certificates; none where something is no certificate.
std::vector<Certificate> CertificatesIn(const std::string& text) {
  const Bio bio = BioOf(text);
  std::vector<Certificate> certificates;
  while (true) {
    Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (certificate == nullptr) break;
    certificates.push_back(std::move(certificate));
  }
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_end) certificates.clear();
  return certificates;
}

absl::StatusOr<absl::Time> TimeOf(const ASN1_TIME* time) {
  std::tm broken_down = {};
  if (ASN1_TIME_to_tm(time, &broken_down) != 1) return absl::InvalidArgumentError("no time");
  return absl::FromTM(broken_down, absl::UTCTimeZone());
}

absl::Status CheckDates(const std::string& path, const X509* certificate, absl::Time now,
                        absl::Time* expire_time) {
  const absl::StatusOr<absl::Time> begin = TimeOf(X509_get0_notBefore(certificate));
  const absl::StatusOr<absl::Time> end = TimeOf(X509_get0_notAfter(certificate));
  if (!begin.ok() || !end.ok()) return FileProblem(path, "has a certificate without valid dates");
  *expire_time = *end;
  if (now < *begin) {
    return FileProblem(path, absl::StrCat("is not valid before ", absl::FormatTime(*begin)));
  }
  if (now >= *end) {
    return FileProblem(path, absl::StrCat("has expired on ", absl::FormatTime(*end)));
  }
  return absl::OkStatus();
}

absl::Status Read(const std::string& path, std::string* to) {
  absl::StatusOr<std::string> text = ReadTextFile(path);
  if (!text.ok()) return absl::InvalidArgumentError(text.status().message());
  *to = *std::move(text);
  return absl::OkStatus();
}

// What OpenSSL says of them when a server is to use them: a key or a signature, of any of them, may
// be too weak for its security level. gRPC goes on with an earlier certificate then, and does not
// say so.
absl::Status CheckUsable(const TlsFiles& files, const std::vector<Certificate>& chain,
                         EVP_PKEY* key) {
  ERR_clear_error();
  const Context context(SSL_CTX_new(TLS_server_method()));
  bool is_usable = context != nullptr &&
                   SSL_CTX_use_certificate(context.get(), chain.front().get()) == 1 &&
                   SSL_CTX_use_PrivateKey(context.get(), key) == 1 &&
                   SSL_CTX_check_private_key(context.get()) == 1;
  for (size_t i = 1; is_usable && i < chain.size(); ++i) {
    is_usable = SSL_CTX_add1_chain_cert(context.get(), chain[i].get()) == 1;
  }
  if (is_usable) return absl::OkStatus();
  const char* const reason = ERR_reason_error_string(ERR_peek_error());
  return FileProblem(files.cert_file, absl::StrCat("cannot be used for TLS: ",
                                                   reason == nullptr ? "no reason" : reason));
}

absl::Status CheckServer(const TlsFiles& files, absl::Time now, TlsMaterial* material) {
  const std::vector<Certificate> chain = CertificatesIn(material->certificate_chain);
  if (chain.empty()) return FileProblem(files.cert_file, "is not a PEM file of certificates");
  const X509* const certificate = chain.front().get();
  const Key key(
      PEM_read_bio_PrivateKey(BioOf(material->private_key).get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return FileProblem(files.key_file, "is not a PEM file with a private key without passphrase");
  }
  if (X509_check_private_key(certificate, key.get()) != 1) {
    return FileProblem(files.key_file, absl::StrCat("is not the key of the certificate in \"",
                                                    files.cert_file, "\""));
  }
  absl::Status status = CheckDates(files.cert_file, certificate, now, &material->expire_time);
  return status.ok() ? CheckUsable(files, chain, key.get()) : status;
}

}  // namespace

absl::StatusOr<TlsMaterial> LoadTlsMaterial(const TlsFiles& files, absl::Time now) {
  TlsMaterial material;
  absl::Status status = Read(files.cert_file, &material.certificate_chain);
  if (status.ok()) status = Read(files.key_file, &material.private_key);
  if (status.ok() && !files.client_ca_file.empty()) {
    status = Read(files.client_ca_file, &material.client_authorities);
  }
  if (status.ok()) status = CheckTlsMaterial(files, now, &material);
  if (!status.ok()) return status;
  return material;
}

absl::Status CheckTlsMaterial(const TlsFiles& files, absl::Time now, TlsMaterial* material) {
  if (absl::Status status = CheckServer(files, now, material); !status.ok()) return status;
  if (files.client_ca_file.empty()) return absl::OkStatus();
  if (CertificatesIn(material->client_authorities).empty()) {
    return FileProblem(files.client_ca_file, "is not a PEM file of certificates");
  }
  return absl::OkStatus();
}

}  // namespace router
