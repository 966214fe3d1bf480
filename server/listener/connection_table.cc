#include "server/listener/connection_table.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/sockios.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/base/client_address.h"
#include "server/listener/socket_number.h"

namespace router {
namespace {

// A table that is full is looked through again no sooner than this.
constexpr absl::Duration kSweepInterval = absl::Milliseconds(50);
constexpr size_t kDiscardBytes = 1 << 20;
// Who means well does not do it so often.
constexpr int kMishapsMax = 3;

bool IsOpen(const Connection& connection) {
  return SocketNumber(connection.fd) == connection.socket_number;
}

std::string PeerName(const sockaddr_storage& peer) {
  if (peer.ss_family == AF_INET) {
    const auto& v4 = reinterpret_cast<const sockaddr_in&>(peer);
    return absl::StrCat("ipv4:", ClientAddress(peer), ":", ntohs(v4.sin_port));
  }
  if (peer.ss_family != AF_INET6) return "";
  const auto& v6 = reinterpret_cast<const sockaddr_in6&>(peer);
  if (IN6_IS_ADDR_V4MAPPED(&v6.sin6_addr)) {
    return absl::StrCat("ipv4:", ClientAddress(peer), ":", ntohs(v6.sin6_port));
  }
  char text[INET6_ADDRSTRLEN];
  if (inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof(text)) == nullptr) return "";
  const std::string scope = v6.sin6_scope_id == 0 ? "" : absl::StrCat("%25", v6.sin6_scope_id);
  return absl::StrCat("ipv6:%5B", text, scope, "%5D:", ntohs(v6.sin6_port));
}

}  // namespace

ConnectionTable::ConnectionTable(const Limits& limits)
    : limits_(limits), epoll_fd_(epoll_create1(EPOLL_CLOEXEC)) {}

ConnectionTable::~ConnectionTable() {
  if (epoll_fd_ >= 0) close(epoll_fd_);
}

ConnectionTable::Admission ConnectionTable::Add(int fd, const sockaddr_storage& peer,
                                                SteadyTime now) {
  Forget(fd);  // Whatever had this descriptor has been closed.
  Connection connection;
  connection.fd = fd;
  connection.socket_number = SocketNumber(fd);
  connection.address = ClientAddress(peer);
  connection.peer = PeerName(peer);
  Admission admission = Check(connection.address, now);
  const bool may_be_stale =
      admission == Admission::kTooMany || admission == Admission::kTooManyOfAddress;
  if (may_be_stale && now >= swept_at_ + absl::ToChronoNanoseconds(kSweepInterval)) {
    Sweep(now);
    admission = Check(connection.address, now);
  }
  if (admission != Admission::kOk) return admission;
  if (!Watch(fd, EPOLL_CTL_ADD)) return Admission::kTooMany;  // Nobody is let in unwatched.
  ++by_address_[connection.address];
  connections_.emplace(fd, std::move(connection));
  return admission;
}

bool ConnectionTable::IsOnceTooOften(const std::string& address, SteadyTime until) {
  if (mishaps_.size() >= kBansMax && !mishaps_.contains(address)) return false;
  Mishaps& mishaps = mishaps_[address];
  if (++mishaps.count == 1) mishaps.until = until;
  return mishaps.count >= kMishapsMax;
}

ConnectionTable::Admission ConnectionTable::Check(const std::string& address,
                                                  SteadyTime now) const {
  const auto ban = bans_.find(address);
  if (ban != bans_.end() && now < ban->second) return Admission::kBanned;
  const auto count = static_cast<int64_t>(connections_.size());
  if (limits_.connections_max > 0 && count >= limits_.connections_max) return Admission::kTooMany;
  const auto of_address = by_address_.find(address);
  if (limits_.address_connections_max > 0 && of_address != by_address_.end() &&
      of_address->second >= limits_.address_connections_max) {
    return Admission::kTooManyOfAddress;
  }
  return Admission::kOk;
}

void ConnectionTable::Forget(int fd) {
  const auto found = connections_.find(fd);
  if (found == connections_.end()) return;
  const auto of_address = by_address_.find(found->second.address);
  if (--of_address->second == 0) by_address_.erase(of_address);
  connections_.erase(found);
}

void ConnectionTable::Sweep(SteadyTime now) {
  swept_at_ = now;
  std::vector<int> closed;
  for (const auto& [fd, connection] : connections_) {
    if (!IsOpen(connection)) closed.push_back(fd);
  }
  for (int fd : closed) Forget(fd);
  absl::erase_if(bans_, [now](const auto& ban) { return now >= ban.second; });
  absl::erase_if(mishaps_, [now](const auto& mishaps) { return now >= mishaps.second.until; });
}

std::vector<Connection*> ConnectionTable::TakeActive() {
  std::vector<Connection*> active;
  std::vector<epoll_event> events(std::max<size_t>(1, connections_.size()));
  const int count = epoll_wait(epoll_fd_, events.data(), static_cast<int>(events.size()), 0);
  for (int i = 0; i < count; ++i) {
    const auto found = connections_.find(events[i].data.fd);
    if (found != connections_.end()) active.push_back(&found->second);
  }
  return active;
}

void ConnectionTable::KeepActive(const Connection& connection) {
  Watch(connection.fd, EPOLL_CTL_MOD);
}

bool ConnectionTable::Watch(int fd, int operation) const {
  epoll_event event = {};
  event.events = EPOLLIN | EPOLLET;
  event.data.fd = fd;
  return epoll_ctl(epoll_fd_, operation, fd, &event) == 0;
}

void ConnectionTable::Shutdown(const Connection& connection) {
  // A descriptor of our own: the other one may be closed, and be something else's, at any moment.
  const int fd = fcntl(connection.fd, F_DUPFD_CLOEXEC, 0);
  if (fd < 0) return;
  if (SocketNumber(fd) == connection.socket_number && shutdown(fd, SHUT_RDWR) == 0) {
    // What has come already, and would still be read, is thrown away.
    while (recv(fd, nullptr, kDiscardBytes, MSG_TRUNC | MSG_DONTWAIT) > 0) {
    }
  }
  close(fd);
}

void ConnectionTable::Ban(const std::string& address, SteadyTime until) {
  if (bans_.size() < kBansMax || bans_.contains(address)) bans_[address] = until;
}

ConnectionBytes BytesOf(const Connection& connection) {
  tcp_info info = {};
  socklen_t size = sizeof(info);
  int unread = 0;
  if (!IsOpen(connection) || getsockopt(connection.fd, IPPROTO_TCP, TCP_INFO, &info, &size) != 0 ||
      ioctl(connection.fd, SIOCINQ, &unread) != 0) {
    return {};
  }
  return {static_cast<int64_t>(info.tcpi_bytes_received) - unread, unread};
}

}  // namespace router
