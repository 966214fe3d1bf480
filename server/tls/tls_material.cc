#include "server/tls/tls_material.h"

#include <openssl/asn1.h>
#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include <ctime>
#include <memory>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "server/config/text_file.h"

namespace router {
namespace {

struct Free {
  void operator()(BIO* bio) const { BIO_free(bio); }
  void operator()(X509* certificate) const { X509_free(certificate); }
  void operator()(EVP_PKEY* key) const { EVP_PKEY_free(key); }
};

using Bio = std::unique_ptr<BIO, Free>;
using Certificate = std::unique_ptr<X509, Free>;
using Key = std::unique_ptr<EVP_PKEY, Free>;

Bio BioOf(const std::string& text) {
  return Bio(BIO_new_mem_buf(text.data(), static_cast<int>(text.size())));
}

// Without it the library would ask for a passphrase on the terminal.
int NoPassphrase(char*, int, int, void*) { return -1; }

absl::Status FileProblem(const std::string& path, absl::string_view problem) {
  ERR_clear_error();
  return absl::InvalidArgumentError(absl::StrCat("\"", path, "\" ", problem));
}

// How many certificates there are; the first one goes to `first`. -1 where something is none.
int CountCertificates(const std::string& text, Certificate* first) {
  const Bio bio = BioOf(text);
  int count = 0;
  while (true) {
    Certificate certificate(PEM_read_bio_X509(bio.get(), nullptr, NoPassphrase, nullptr));
    if (certificate == nullptr) break;
    if (count++ == 0) *first = std::move(certificate);
  }
  const bool is_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  return is_end ? count : -1;
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

absl::Status CheckServer(const TlsFiles& files, absl::Time now, TlsMaterial* material) {
  Certificate certificate;
  if (CountCertificates(material->certificate_chain, &certificate) < 1) {
    return FileProblem(files.cert_file, "is not a PEM file of certificates");
  }
  const Key key(
      PEM_read_bio_PrivateKey(BioOf(material->private_key).get(), nullptr, NoPassphrase, nullptr));
  if (key == nullptr) {
    return FileProblem(files.key_file, "is not a PEM file with a private key without passphrase");
  }
  if (X509_check_private_key(certificate.get(), key.get()) != 1) {
    return FileProblem(files.key_file, absl::StrCat("is not the key of the certificate in \"",
                                                    files.cert_file, "\""));
  }
  return CheckDates(files.cert_file, certificate.get(), now, &material->expire_time);
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
  Certificate first;
  if (CountCertificates(material->client_authorities, &first) < 1) {
    return FileProblem(files.client_ca_file, "is not a PEM file of certificates");
  }
  return absl::OkStatus();
}

}  // namespace router
