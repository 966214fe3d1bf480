// The input as certificate, key and authorities in one file. What is taken is valid now; what is
// not is called by its name, and shows nothing of what is in it. The keys in the seeds were made
// for them, and open nothing.
#include "server/tls/tls_material.h"

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1893456000);  // 2030, when the seeds are valid.

void Fuzz(const std::string& text) {
  const TlsFiles files{"cert.pem", "key.pem", "ca.pem"};
  TlsMaterial material;
  material.certificate_chain = material.private_key = material.client_authorities = text;
  const absl::Status status = CheckTlsMaterial(files, kNow, &material);
  if (status.ok()) {
    Require(material.expire_time > kNow, "a certificate that has not expired");
    Require(material.private_key == text, "the content stays as it is");
    return;
  }
  Require(absl::IsInvalidArgument(status), "the code of an error");
  Require(absl::StartsWith(status.message(), "\""), "an error begins with the file");
  Require(status.message().size() < 150, "an error shows nothing of the file");
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
