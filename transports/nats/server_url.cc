#include "transports/nats/server_url.h"

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace router {
namespace {

// Splits "host[:port]" or "[v6][:port]".
bool ParseHostAndPort(absl::string_view text, ServerUrl* url) {
  absl::string_view port;
  if (absl::ConsumePrefix(&text, "[")) {
    const size_t end = text.find(']');
    if (end == absl::string_view::npos) return false;
    port = text.substr(end + 1);
    text = text.substr(0, end);
    if (!port.empty() && !absl::ConsumePrefix(&port, ":")) return false;
  } else {
    const size_t colon = text.rfind(':');
    if (colon != absl::string_view::npos) {
      port = text.substr(colon + 1);
      text = text.substr(0, colon);
      if (port.empty() || text.find(':') != absl::string_view::npos) return false;
    }
  }
  for (const char c : text) {
    if (!absl::ascii_isgraph(static_cast<unsigned char>(c)) || c == '/') return false;
  }
  url->host = std::string(text);
  if (!port.empty() && !absl::SimpleAtoi(port, &url->port)) return false;
  return !url->host.empty() && url->port > 0 && url->port <= 65535;
}

}  // namespace

std::string ServerUrl::Address() const {
  const bool is_v6 = host.find(':') != std::string::npos;
  return is_v6 ? absl::StrCat("[", host, "]:", port) : absl::StrCat(host, ":", port);
}

std::string ServerUrl::Redacted() const { return absl::StrCat(scheme, "://", Address()); }

std::string ServerUrl::Full() const {
  if (user_info.empty()) return Redacted();
  return absl::StrCat(scheme, "://", user_info, "@", Address());
}

absl::StatusOr<ServerUrl> ParseServerUrl(absl::string_view text) {
  ServerUrl url;
  absl::string_view rest = absl::StripAsciiWhitespace(text);
  const size_t scheme_end = rest.find("://");
  if (scheme_end != absl::string_view::npos) {
    url.scheme = absl::AsciiStrToLower(rest.substr(0, scheme_end));
    rest = rest.substr(scheme_end + 3);
    if (url.scheme != "nats" && url.scheme != "tls") {
      return absl::InvalidArgumentError("a NATS URL begins with nats:// or tls://");
    }
  }
  const size_t at = rest.rfind('@');
  if (at != absl::string_view::npos) {
    url.user_info = std::string(rest.substr(0, at));
    rest = rest.substr(at + 1);
  }
  absl::ConsumeSuffix(&rest, "/");
  if (!ParseHostAndPort(rest, &url)) {
    return absl::InvalidArgumentError(
        absl::StrCat("a NATS URL is nats://host:port; this is not a host and port: '", rest, "'"));
  }
  return url;
}

}  // namespace router
