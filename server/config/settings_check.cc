#include "server/config/settings_check.h"

#include <arpa/inet.h>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/time/clock.h"
#include "server/access/access_rules.h"
#include "server/config/settings_table.h"
#include "server/config/text_file.h"
#include "server/failpoints/failpoints.h"
#include "server/tls/http_tls_credentials.h"
#include "server/tls/tls_material.h"
#include "server/tracing/header_lines.h"

namespace router {
namespace {

using Errors = std::vector<std::string>;

bool IsPort(absl::string_view text, int min) {
  int port = 0;
  return absl::SimpleAtoi(text, &port) && port >= min && port <= 65535;
}

// Splits "host:port"; the brackets of an IPv6 address are removed.
bool SplitHostPort(absl::string_view address, std::string& host, absl::string_view& port) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos || colon == 0) return false;
  absl::string_view host_part = address.substr(0, colon);
  port = address.substr(colon + 1);
  const bool has_brackets =
      absl::ConsumePrefix(&host_part, "[") && absl::ConsumeSuffix(&host_part, "]");
  host = std::string(host_part);
  return !host.empty() && (has_brackets || !absl::StrContains(host, ':'));
}

bool IsLoopback(const std::string& host) {
  if (host == "localhost") return true;
  in_addr v4;
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6;
  return inet_pton(AF_INET6, host.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6);
}

void CheckListen(absl::string_view name, const std::string& address, bool is_guarded,
                 absl::string_view what_guards, Errors& errors) {
  std::string host;
  absl::string_view port;
  if (!SplitHostPort(address, host, port) || !IsPort(port, 0)) {
    errors.push_back(absl::StrCat(name, ": \"", address,
                                  "\" is not host:port, for example 127.0.0.1:50051 or [::1]:0"));
  } else if (!is_guarded && !IsLoopback(host)) {
    errors.push_back(absl::StrCat(
        name, ": ", address,
        " can be reached from other machines, without TLS or authentication; listen at 127.0.0.1, ",
        what_guards, "or set insecure to allow it"));
  }
}

// Never repeats a URL that holds credentials.
void CheckUrl(absl::string_view url, Errors& errors) {
  if (absl::StrContains(url, '@')) {
    errors.push_back(
        "nats_urls: a URL holds credentials; they belong into nats_user and nats_password_file, "
        "nats_token_file or nats_creds_file");
    return;
  }
  absl::string_view address = url;
  const bool has_scheme =
      absl::ConsumePrefix(&address, "nats://") || absl::ConsumePrefix(&address, "tls://");
  std::string host;
  absl::string_view port;
  const bool has_port = SplitHostPort(address, host, port) && IsPort(port, 1);
  const bool is_host_only = !address.empty() && !absl::StrContains(address, ':');
  if ((!has_port && !is_host_only) || absl::StrContains(address, '/') ||
      (!has_scheme && absl::StrContains(url, "://"))) {
    errors.push_back(
        absl::StrCat("nats_urls: \"", url, "\" is not nats://host:port or tls://host:port"));
  }
}

void CheckCredentials(const Settings& settings, Errors& errors) {
  if (settings.nats_user.empty() != settings.nats_password_file.empty()) {
    errors.push_back("nats_user, nats_password_file: each needs the other");
  }
  if (settings.nats_nkey.empty() != settings.nats_nkey_seed_file.empty()) {
    errors.push_back("nats_nkey, nats_nkey_seed_file: each needs the other");
  }
  const int ways = !settings.nats_user.empty() + !settings.nats_token_file.empty() +
                   !settings.nats_creds_file.empty() + !settings.nats_nkey.empty();
  if (ways > 1) {
    errors.push_back(
        "nats_user, nats_token_file, nats_creds_file, nats_nkey: only one of them can be used");
  }
}

TlsFiles TlsFilesOf(const Settings& settings) {
  return {settings.tls_cert_file, settings.tls_key_file, settings.tls_client_ca_file};
}

void CheckServerTls(const Settings& settings, Errors& errors) {
  if (settings.tls_cert_file.empty() != settings.tls_key_file.empty()) {
    errors.push_back("tls_cert_file, tls_key_file: each needs the other");
  }
  if (!settings.tls_client_ca_file.empty() && settings.tls_cert_file.empty()) {
    errors.push_back("tls_client_ca_file: needs tls_cert_file");
  }
}

void CheckHttpTls(const Settings& settings, Errors& errors) {
  if (settings.http_tls_enabled && settings.tls_cert_file.empty()) {
    errors.push_back("http_tls_enabled: needs tls_cert_file");
  }
  if (settings.http_tls_client_auth == "require" &&
      (!settings.http_tls_enabled || settings.tls_client_ca_file.empty())) {
    errors.push_back("http_tls_client_auth: require needs http_tls_enabled and tls_client_ca_file");
  }
}

void CheckAccess(const Settings& settings, Errors& errors) {
  const bool has_jwt = !settings.access_jwt_keys_file.empty();
  if (has_jwt == settings.access_jwt_issuer.empty() ||
      has_jwt == settings.access_jwt_audience.empty()) {
    errors.push_back(
        "access_jwt_keys_file, access_jwt_issuer, access_jwt_audience: each needs the others");
  }
  const bool has_tokens = has_jwt || !settings.access_tokens_file.empty();
  if (settings.access_file.empty()) {
    if (has_tokens) {
      errors.push_back("access_file: must be set for the other access_* to have an effect");
    }
  } else if (!has_tokens && settings.tls_client_ca_file.empty()) {
    errors.push_back(
        "access_file: nobody could be identified; set tls_client_ca_file, access_tokens_file or "
        "access_jwt_keys_file");
  }
}

AccessFiles AccessFilesOf(const Settings& settings) {
  return {settings.access_file, settings.access_tokens_file, settings.access_jwt_keys_file,
          settings.access_jwt_issuer, settings.access_jwt_audience};
}

void CheckTls(const Settings& settings, Errors& errors) {
  if (settings.nats_tls_cert_file.empty() != settings.nats_tls_key_file.empty()) {
    errors.push_back("nats_tls_cert_file, nats_tls_key_file: each needs the other");
  }
  const bool has_options =
      !settings.nats_tls_ca_file.empty() || !settings.nats_tls_cert_file.empty() ||
      !settings.nats_tls_key_file.empty() || !settings.nats_tls_hostname.empty();
  if (has_options && !settings.nats_tls_enabled) {
    errors.push_back("nats_tls_enabled: must be true for the other nats_tls_* to have an effect");
  }
}

void CheckFailpoints(const Settings& settings, Errors& errors) {
  if (!settings.failpoints.empty() && !settings.enable_fault_injection) {
    errors.push_back("failpoints: needs enable_fault_injection");
  }
  const absl::Status parsed = ParseFailpoints(settings.failpoints).status();
  if (!parsed.ok()) errors.push_back(absl::StrCat("failpoints: ", parsed.message()));
}

// Never repeats a URL that holds credentials.
void CheckOtlp(const Settings& settings, Errors& errors) {
  if (settings.otlp_endpoint.empty()) {
    if (!settings.otlp_headers_file.empty()) {
      errors.push_back("otlp_headers_file: needs otlp_endpoint");
    }
    return;
  }
  if (absl::StrContains(settings.otlp_endpoint, '@')) {
    errors.push_back("otlp_endpoint: it holds credentials; they belong into otlp_headers_file");
    return;
  }
  absl::string_view rest = settings.otlp_endpoint;
  const bool has_scheme =
      absl::ConsumePrefix(&rest, "http://") || absl::ConsumePrefix(&rest, "https://");
  const absl::string_view address = rest.substr(0, rest.find('/'));
  const bool has_odd_characters = rest.find_first_of(" \t\r\n?#") != absl::string_view::npos;
  std::string host;
  absl::string_view port;
  const bool is_host = !address.empty() && !absl::StrContains(address, ':');
  const bool is_address = is_host || (SplitHostPort(address, host, port) && IsPort(port, 1));
  if (!has_scheme || !is_address || has_odd_characters) {
    errors.push_back(absl::StrCat("otlp_endpoint: \"", settings.otlp_endpoint,
                                  "\" is not a URL such as http://127.0.0.1:4318"));
  }
}

// The content of a file that a setting names; adds an error and returns "" when there is none.
std::string ReadNamedFile(absl::string_view name, const std::string& path, Errors& errors) {
  const absl::StatusOr<std::string> content = ReadTextFile(path);
  if (!content.ok()) {
    errors.push_back(absl::StrCat(name, ": ", content.status().message()));
    return "";
  }
  if (content->empty()) errors.push_back(absl::StrCat(name, ": \"", path, "\" is empty"));
  return *content;
}

}  // namespace

std::vector<std::string> CheckSettings(const Settings& settings) {
  Errors errors;
  const bool has_tls = !settings.tls_cert_file.empty();
  const bool has_access_control = !settings.access_file.empty();
  const bool demands_http_certificates = settings.http_tls_client_auth == "require";
  CheckListen("grpc_listen", settings.grpc_listen,
              settings.insecure || (has_tls && has_access_control),
              "set tls_cert_file and access_file, ", errors);
  CheckListen("http_listen", settings.http_listen,
              settings.insecure || (settings.http_tls_enabled && demands_http_certificates),
              "set http_tls_enabled and http_tls_client_auth: require, ", errors);
  for (const std::string& url : settings.nats_urls) CheckUrl(url, errors);
  CheckCredentials(settings, errors);
  CheckTls(settings, errors);
  CheckServerTls(settings, errors);
  CheckHttpTls(settings, errors);
  CheckAccess(settings, errors);
  if (settings.nats_max_reconnect_delay < settings.nats_reconnect_delay) {
    errors.push_back("nats_max_reconnect_delay_ms: must not be less than nats_reconnect_delay_ms");
  }
  CheckFailpoints(settings, errors);
  CheckOtlp(settings, errors);
  if (settings.pending_dir.empty()) errors.push_back("pending_dir: must not be empty");
  return errors;
}

std::vector<std::string> LoadSecrets(Settings& settings) {
  Errors errors;
  for (const SettingSpec& setting : SettingsTable()) {
    if (setting.secret == nullptr) continue;
    const std::string& path = settings.*absl::get<std::string Settings::*>(setting.member);
    if (path.empty()) continue;
    std::string content = ReadNamedFile(setting.name, path, errors);
    absl::string_view secret = content;
    absl::ConsumeSuffix(&secret, "\n");
    absl::ConsumeSuffix(&secret, "\r");
    settings.*setting.secret = std::string(secret);
  }
  const absl::Status headers = ParseHeaderLines(settings.otlp_headers).status();
  if (!headers.ok()) errors.push_back(absl::StrCat("otlp_headers_file: ", headers.message()));
  for (std::string Settings::*file :
       {&Settings::nats_creds_file, &Settings::nats_nkey_seed_file, &Settings::nats_tls_ca_file,
        &Settings::nats_tls_cert_file, &Settings::nats_tls_key_file}) {
    if ((settings.*file).empty()) continue;
    for (const SettingSpec& setting : SettingsTable()) {
      if (setting.member == SettingSpec::Member(file)) {
        ReadNamedFile(setting.name, settings.*file, errors);
      }
    }
  }
  if (!settings.tls_cert_file.empty() && !settings.tls_key_file.empty()) {
    const absl::StatusOr<TlsMaterial> loaded = LoadTlsMaterial(TlsFilesOf(settings), absl::Now());
    absl::Status status = loaded.status();
    if (status.ok() && settings.http_tls_enabled) {
      status = HttpTlsCredentials::Make(*loaded).status();
    }
    if (!status.ok()) errors.push_back(absl::StrCat("tls_cert_file: ", status.message()));
  }
  if (!settings.access_file.empty()) {
    const absl::Status loaded = LoadAccessRules(AccessFilesOf(settings)).status();
    if (!loaded.ok()) errors.push_back(std::string(loaded.message()));
  }
  return errors;
}

}  // namespace router
