#include "transports/nats/connect_options.h"

#include <nats/nats.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace router {
namespace {

// Remembers the first setting that the library refused.
class Settings {
 public:
  void Apply(const char* setting, natsStatus status) {
    if (!result_.ok() || status == NATS_OK) return;
    const char* detail = nats_GetLastError(nullptr);
    result_ = absl::InvalidArgumentError(absl::StrCat(
        "NATS setting ", setting, ": ", natsStatus_GetText(status),
        detail == nullptr || *detail == '\0' ? "" : ": ", detail == nullptr ? "" : detail));
  }

  void NeedFile(const char* setting, const std::string& path) {
    if (!result_.ok() || access(path.c_str(), R_OK) == 0) return;
    result_ = absl::InvalidArgumentError(
        absl::StrCat("NATS setting ", setting, ": cannot read '", path, "'"));
  }

  const absl::Status& result() const { return result_; }

 private:
  absl::Status result_;
};

int64_t Millis(absl::Duration duration) {
  return std::max<int64_t>(1, absl::ToInt64Milliseconds(duration));
}

void ApplyCredentials(const NatsOptions& options, natsOptions* to, Settings* settings) {
  if (!options.user.empty()) {
    settings->Apply("user",
                    natsOptions_SetUserInfo(to, options.user.c_str(), options.password.c_str()));
  }
  if (!options.token.empty()) {
    settings->Apply("token", natsOptions_SetToken(to, options.token.c_str()));
  }
  if (!options.creds_file.empty()) {
    settings->NeedFile("creds_file", options.creds_file);
    settings->Apply("creds_file", natsOptions_SetUserCredentialsFromFiles(
                                      to, options.creds_file.c_str(), nullptr));
  }
  if (!options.nkey.empty()) {
    settings->NeedFile("nkey_seed_file", options.nkey_seed_file);
    settings->Apply("nkey", natsOptions_SetNKeyFromSeed(to, options.nkey.c_str(),
                                                        options.nkey_seed_file.c_str()));
  }
}

void ApplyTls(const NatsTlsOptions& tls, const ServerUrl& server, natsOptions* to,
              Settings* settings) {
  if (tls.enabled || server.scheme == "tls") {
    settings->Apply("tls.enabled", natsOptions_SetSecure(to, true));
  }
  if (!tls.ca_file.empty()) {
    settings->NeedFile("tls.ca_file", tls.ca_file);
    settings->Apply("tls.ca_file", natsOptions_LoadCATrustedCertificates(to, tls.ca_file.c_str()));
  }
  if (!tls.cert_file.empty() || !tls.key_file.empty()) {
    settings->NeedFile("tls.cert_file", tls.cert_file);
    settings->NeedFile("tls.key_file", tls.key_file);
    settings->Apply("tls.cert_file", natsOptions_LoadCertificatesChain(to, tls.cert_file.c_str(),
                                                                       tls.key_file.c_str()));
  }
  // Without one the library checks no name at all. A server may also demand TLS by itself.
  const std::string& hostname = tls.hostname.empty() ? server.host : tls.hostname;
  settings->Apply("tls.hostname", natsOptions_SetExpectedHostname(to, hostname.c_str()));
}

}  // namespace

void NatsLibraryOptionsDeleter::operator()(__natsOptions* options) const {
  natsOptions_Destroy(options);
}

absl::StatusOr<NatsLibraryOptions> MakeLibraryOptions(const NatsOptions& options,
                                                      const ServerUrl& server) {
  natsOptions* raw = nullptr;
  if (natsOptions_Create(&raw) != NATS_OK) {
    return absl::ResourceExhaustedError("no memory for the NATS options");
  }
  NatsLibraryOptions made(raw);
  Settings settings;
  settings.Apply("urls", natsOptions_SetURL(raw, server.Full().c_str()));
  settings.Apply("name", natsOptions_SetName(raw, options.name.c_str()));
  ApplyCredentials(options, raw, &settings);
  ApplyTls(options.tls, server, raw, &settings);
  settings.Apply("connect_timeout", natsOptions_SetTimeout(raw, Millis(options.connect_timeout)));
  settings.Apply("write_deadline",
                 natsOptions_SetWriteDeadline(raw, Millis(options.write_deadline)));
  settings.Apply("io_buffer_bytes",
                 natsOptions_SetIOBufSize(raw, static_cast<int>(options.io_buffer_bytes)));
  // Reconnecting, pinging and flushing are ours: the library must start no thread for them.
  settings.Apply("allow_reconnect", natsOptions_SetAllowReconnect(raw, false));
  settings.Apply("ping_interval", natsOptions_SetPingInterval(raw, 0));
  settings.Apply("send_asap", natsOptions_SetSendAsap(raw, true));
  if (!settings.result().ok()) {
    return absl::InvalidArgumentError(WithoutSecrets(settings.result().message(), options, server));
  }
  return made;
}

std::string WithoutSecrets(absl::string_view text, const NatsOptions& options,
                           const ServerUrl& server) {
  std::string clean(text);
  for (const std::string* secret : {&server.user_info, &options.password, &options.token}) {
    if (!secret->empty()) clean = absl::StrReplaceAll(clean, {{*secret, "***"}});
  }
  return clean;
}

}  // namespace router
