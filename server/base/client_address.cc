#include "server/base/client_address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"

namespace router {
namespace {

constexpr char kUnknown[] = "unknown";

std::string Text(int family, const void* address) {
  char text[INET6_ADDRSTRLEN];
  return inet_ntop(family, address, text, sizeof(text)) == nullptr ? kUnknown : text;
}

std::string Network(in6_addr address) {
  if (IN6_IS_ADDR_V4MAPPED(&address)) return Text(AF_INET, &address.s6_addr[12]);
  if (IN6_IS_ADDR_LOOPBACK(&address)) return Text(AF_INET6, &address);
  memset(&address.s6_addr[8], 0, 8);
  return absl::StrCat(Text(AF_INET6, &address), "/64");
}

}  // namespace

std::string ClientAddress(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    return Text(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr);
  }
  if (peer.ss_family == AF_INET6) {
    return Network(reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr);
  }
  return kUnknown;
}

std::string ClientAddressOfPeer(absl::string_view peer) {
  const absl::string_view without_port = peer.substr(0, peer.rfind(':'));
  absl::string_view host = without_port;
  if (absl::ConsumePrefix(&host, "ipv4:")) return std::string(host);
  if (!absl::ConsumePrefix(&host, "ipv6:")) return kUnknown;
  std::string text = absl::StrReplaceAll(host, {{"%5B", ""}, {"%5D", ""}, {"[", ""}, {"]", ""}});
  text.resize(text.find('%') == std::string::npos ? text.size() : text.find('%'));  // The scope.
  in6_addr address;
  return inet_pton(AF_INET6, text.c_str(), &address) == 1 ? Network(address) : kUnknown;
}

}  // namespace router
