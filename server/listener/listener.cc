#include "server/listener/listener.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "server/listener/socket_number.h"

namespace router {
namespace {

using SteadyClock = std::chrono::steady_clock;

constexpr int kBacklog = 4096;
// For the database, the broker and the HTTP server, with all that it may have in hand.
constexpr int kOwnDescriptors = 64;
// Before it is looked whether to stop.
constexpr int kAcceptsAtOnce = 256;
// Until the next attempt, when there is not one descriptor: those who connect wait meanwhile.
constexpr int kPauseMillis = 50;
constexpr int kTickMillis = Listener::kTick.count();

struct HostAndPort {
  std::string host;
  std::string port;
};

absl::StatusOr<HostAndPort> Split(absl::string_view address) {
  const size_t colon = address.rfind(':');
  if (colon == absl::string_view::npos) return absl::InvalidArgumentError("it is not host:port");
  absl::string_view host = address.substr(0, colon);
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  const absl::string_view port = address.substr(colon + 1);
  int number = 0;
  if (!absl::SimpleAtoi(port, &number) || number < 0 || number > 65535) {
    return absl::InvalidArgumentError("the port is no number up to 65535");
  }
  return HostAndPort{std::string(host), std::string(port)};
}

int PortOf(int socket) {
  sockaddr_storage address;
  socklen_t size = sizeof(address);
  if (getsockname(socket, reinterpret_cast<sockaddr*>(&address), &size) != 0) return 0;
  return ntohs(address.ss_family == AF_INET6 ? reinterpret_cast<sockaddr_in6*>(&address)->sin6_port
                                             : reinterpret_cast<sockaddr_in*>(&address)->sin_port);
}

void SetPort(sockaddr_storage* address, int port) {
  if (address->ss_family == AF_INET6) {
    reinterpret_cast<sockaddr_in6*>(address)->sin6_port = htons(port);
  } else {
    reinterpret_cast<sockaddr_in*>(address)->sin_port = htons(port);
  }
}

bool IsListening(int fd) {
  int listens = 0;
  socklen_t size = sizeof(listens);
  return getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0;
}

absl::Status SocketError() {
  const std::string text = strerror(errno);
  return errno == EADDRINUSE ? absl::AlreadyExistsError(text) : absl::InvalidArgumentError(text);
}

absl::StatusOr<int> ListenAt(const sockaddr_storage& address, socklen_t size, bool v6_only) {
  const int type = SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC;
  const int listening = socket(address.ss_family, type, 0);
  if (listening < 0) return SocketError();
  const int yes = 1;
  setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes));
  if (v6_only && address.ss_family == AF_INET6) {
    setsockopt(listening, IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof(yes));
  }
  if (bind(listening, reinterpret_cast<const sockaddr*>(&address), size) == 0 &&
      listen(listening, kBacklog) == 0) {
    return listening;
  }
  const absl::Status error = SocketError();
  close(listening);
  return error;
}

}  // namespace

int DescriptorsForConnections() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return kOwnDescriptors;
  const rlim_t descriptors = std::min<rlim_t>(limit.rlim_cur, 1 << 30);
  return static_cast<int>(descriptors - std::min<rlim_t>(kOwnDescriptors, descriptors / 2));
}

absl::StatusOr<std::unique_ptr<Listener>> Listener::Open(const Options& options) {
  std::unique_ptr<Listener> listener(new Listener(options.descriptors_max));
  if (absl::Status status = listener->Listen(options.address); !status.ok()) return status;
  return listener;
}

Listener::Listener(int descriptors_max)
    : descriptors_max_(descriptors_max), stop_fd_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}

Listener::~Listener() {
  Stop();
  if (stop_fd_ >= 0) close(stop_fd_);
}

absl::Status Listener::Listen(const std::string& address) {
  if (stop_fd_ < 0) return absl::ResourceExhaustedError(strerror(errno));
  const absl::StatusOr<HostAndPort> at = Split(address);
  if (!at.ok()) return at.status();
  addrinfo hints = {};
  hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const char* const host = at->host.empty() ? nullptr : at->host.c_str();
  if (const int error = getaddrinfo(host, at->port.c_str(), &hints, &found); error != 0) {
    return absl::InvalidArgumentError(gai_strerror(error));
  }
  absl::Cleanup free_found = [found] { freeaddrinfo(found); };
  absl::Status status;
  for (addrinfo* one = found; one != nullptr; one = one->ai_next) {
    Socket socket;
    memcpy(&socket.address, one->ai_addr, one->ai_addrlen);
    socket.address_size = one->ai_addrlen;
    socket.v6_only = found->ai_next != nullptr;
    if (port_ != 0) SetPort(&socket.address, port_);  // All have the port that the first one got.
    const absl::StatusOr<int> listening =
        ListenAt(socket.address, socket.address_size, socket.v6_only);
    if (!listening.ok()) {
      // "localhost" may name an address of a protocol that the machine does not have.
      if (status.ok() || absl::IsAlreadyExists(listening.status())) status = listening.status();
      continue;
    }
    socket.fd = *listening;
    socket.number = SocketNumber(socket.fd);
    port_ = PortOf(*listening);
    SetPort(&socket.address, port_);
    sockets_.push_back(socket);
  }
  return sockets_.empty() || absl::IsAlreadyExists(status) ? status : absl::OkStatus();
}

void Listener::Start(Handlers handlers) {
  handlers_ = std::move(handlers);
  thread_ = std::thread(&Listener::Run, this);
}

void Listener::Stop() {
  if (thread_.joinable()) {
    eventfd_write(stop_fd_, 1);
    thread_.join();
  }
  for (const Socket& socket : sockets_) {
    if (socket.fd >= 0) close(socket.fd);
  }
  sockets_.clear();
}

void Listener::Run() {
  std::vector<pollfd> polled;
  auto next_tick = SteadyClock::now() + kTick;
  int pause_millis = 0;
  while (true) {
    // Those that are dead are passed over: poll ignores negative descriptors.
    polled.assign({{stop_fd_, POLLIN, 0}});
    for (const Socket& socket : sockets_) polled.push_back({socket.fd, POLLIN, 0});
    const bool has_tick = handlers_.on_tick != nullptr || !is_listening_;
    // Without descriptors, and with those who are refused, the sockets stay readable: only time
    // helps.
    poll(polled.data(), pause_millis > 0 ? 1 : polled.size(),
         pause_millis > 0 ? pause_millis : (has_tick ? kTickMillis : -1));
    if (polled[0].revents != 0) return;
    pause_millis = 0;
    bool has_dead = !is_listening_;
    for (const Socket& socket : sockets_) {
      if (socket.fd < 0) continue;
      has_dead = has_dead || !IsListening(socket.fd);
      switch (AcceptAll(socket.fd)) {
        case Accepted::kAll:
          break;
        case Accepted::kUnwanted:
          pause_millis = std::max(pause_millis, kTickMillis);
          break;
        case Accepted::kStarved:
          pause_millis = kPauseMillis;
          break;
      }
    }
    if (has_dead) ReplaceDeadSockets();
    if (handlers_.on_tick == nullptr || SteadyClock::now() < next_tick) continue;
    handlers_.on_tick();
    next_tick = SteadyClock::now() + kTick;
  }
}

void Listener::ReplaceDeadSockets() {
  bool all_listen = true;
  for (Socket& socket : sockets_) {
    if (socket.fd >= 0 && IsListening(socket.fd)) continue;
    const bool is_news = socket.fd >= 0;
    // The descriptor may be something else's by now.
    if (is_news && SocketNumber(socket.fd) == socket.number) close(socket.fd);
    socket.fd = -1;
    const absl::StatusOr<int> listening =
        ListenAt(socket.address, socket.address_size, socket.v6_only);
    if (listening.ok()) {
      socket.fd = *listening;
      socket.number = SocketNumber(socket.fd);
    }
    all_listen = all_listen && listening.ok();
    is_listening_ = all_listen;
    if (is_news || listening.ok()) handlers_.on_dead_socket(listening.status());
  }
  is_listening_ = all_listen;
}

Listener::Accepted Listener::AcceptAll(int listening) {
  Accepted accepted = Accepted::kAll;
  for (int i = 0; i < kAcceptsAtOnce; ++i) {
    sockaddr_storage peer = {};
    socklen_t peer_size = sizeof(peer);
    const int fd = accept4(listening, reinterpret_cast<sockaddr*>(&peer), &peer_size,
                           SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= descriptors_max_) {
      handlers_.on_refused();
      close(fd);
      accepted = Accepted::kUnwanted;
      continue;
    }
    if (fd >= 0) {
      const int yes = 1;
      setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof(yes));
      if (!handlers_.on_connection(fd, peer)) accepted = Accepted::kUnwanted;
      continue;
    }
    switch (errno) {
      case EAGAIN:
      case EBADF:  // The socket is dead: see ReplaceDeadSockets.
      case EINVAL:
      case ENOTSOCK:
        return accepted;
      case EINTR:
      case ECONNABORTED:
      case EPROTO:
        continue;  // The connection that was to be accepted has failed; the next one need not.
      default:
        return Accepted::kStarved;
    }
  }
  return accepted;
}

}  // namespace router
