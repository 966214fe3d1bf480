#include "clients/cpp/credentials.h"

#include <fstream>
#include <iterator>
#include <map>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace router::client {
namespace {

constexpr absl::Duration kTokenAgeMax = absl::Seconds(1);

absl::StatusOr<std::string> ReadFile(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  if (!file.is_open() || file.bad() || text.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read \"", path, "\", or it is empty"));
  }
  return text;
}

absl::Status ReadInto(const std::string& path, std::string* to) {
  if (path.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = ReadFile(path);
  if (!text.ok()) return text.status();
  *to = *std::move(text);
  return absl::OkStatus();
}

// Adds the token in a file to each call. Thread-safe.
class TokenFromFile final : public grpc::MetadataCredentialsPlugin {
 public:
  explicit TokenFromFile(std::string path) : path_(std::move(path)) {}

  bool IsBlocking() const override { return false; }
  const char* GetType() const override { return "router-token-file"; }

  grpc::Status GetMetadata(grpc::string_ref, grpc::string_ref, const grpc::AuthContext&,
                           std::multimap<grpc::string, grpc::string>* metadata) override {
    absl::MutexLock lock(&mutex_);
    const absl::Time now = absl::Now();
    if (now < read_time_ || now - read_time_ > kTokenAgeMax) {
      const absl::StatusOr<std::string> text = ReadFile(path_);
      if (!text.ok()) {
        return grpc::Status(grpc::StatusCode::UNAUTHENTICATED,
                            std::string(text.status().message()));
      }
      value_ = absl::StrCat("Bearer ", absl::StripAsciiWhitespace(*text));
      read_time_ = now;
    }
    metadata->emplace("authorization", value_);
    return grpc::Status::OK;
  }

 private:
  const std::string path_;
  absl::Mutex mutex_;
  std::string value_ ABSL_GUARDED_BY(mutex_);
  absl::Time read_time_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

std::shared_ptr<grpc::CallCredentials> TokenCredentials(const std::string& path, bool tls) {
  return grpc::experimental::MetadataCredentialsFromPlugin(
      std::make_unique<TokenFromFile>(path), tls ? GRPC_PRIVACY_AND_INTEGRITY : GRPC_SECURITY_NONE);
}

}  // namespace

absl::StatusOr<std::shared_ptr<grpc::ChannelCredentials>> MakeCredentials(
    const CredentialsOptions& options) {
  if (options.cert_file.empty() != options.key_file.empty()) {
    return absl::InvalidArgumentError("certificate and key: each needs the other");
  }
  const bool tls = options.tls || !options.ca_file.empty() || !options.cert_file.empty();
  std::shared_ptr<grpc::ChannelCredentials> credentials;
  if (tls) {
    grpc::SslCredentialsOptions ssl;
    absl::Status status = ReadInto(options.ca_file, &ssl.pem_root_certs);
    if (status.ok()) status = ReadInto(options.cert_file, &ssl.pem_cert_chain);
    if (status.ok()) status = ReadInto(options.key_file, &ssl.pem_private_key);
    if (!status.ok()) return status;
    credentials = grpc::SslCredentials(ssl);
  } else if (options.token_file.empty()) {
    return grpc::InsecureChannelCredentials();
  } else {
    // A plain connection that is refused to anywhere but this machine.
    credentials = grpc::experimental::LocalCredentials(LOCAL_TCP);
  }
  if (options.token_file.empty()) return credentials;
  if (const absl::Status status = ReadFile(options.token_file).status(); !status.ok()) {
    return status;
  }
  return grpc::CompositeChannelCredentials(credentials, TokenCredentials(options.token_file, tls));
}

}  // namespace router::client
