#include "transports/nats/server_probe.h"

#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <utility>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

SteadyTime Now() { return std::chrono::steady_clock::now(); }

int MillisUntil(SteadyTime time) {
  const auto left = std::chrono::ceil<std::chrono::milliseconds>(time - Now()).count();
  return static_cast<int>(std::clamp<int64_t>(left, 0, 60 * 1000));
}

bool WaitReadable(int fd, SteadyTime until) {
  for (;;) {
    pollfd poll_fd = {fd, POLLIN, 0};
    if (poll(&poll_fd, 1, MillisUntil(until)) > 0) return true;
    if (Now() >= until) return false;
  }
}

// One knock at one of a server's addresses.
struct Knocking {
  size_t server;
  int fd;
};

// Begins to connect to every address of the server.
void BeginKnocking(const ServerUrl& server, size_t index, std::vector<Knocking>* knocking) {
  addrinfo hints = {};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* addresses = nullptr;
  const std::string port = absl::StrCat(server.port);
  if (getaddrinfo(server.host.c_str(), port.c_str(), &hints, &addresses) != 0) return;
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    const int fd = socket(address->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    if (connect(fd, address->ai_addr, address->ai_addrlen) == 0 || errno == EINPROGRESS) {
      knocking->push_back({index, fd});
    } else {
      close(fd);
    }
  }
  freeaddrinfo(addresses);
}

// Waits for an answer to any of them, and takes those that were answered out. Returns the servers
// that greeted. `*woken` is set where `wake_fd` is readable.
std::vector<size_t> TakeAnswers(std::vector<Knocking>* knocking, SteadyTime until, int wake_fd,
                                bool* woken) {
  std::vector<pollfd> fds = {{wake_fd, POLLIN, 0}};
  for (const Knocking& knock : *knocking) fds.push_back({knock.fd, POLLIN, 0});
  poll(fds.data(), fds.size(), MillisUntil(until));
  *woken = fds[0].revents != 0;
  std::vector<size_t> greeted;
  std::vector<Knocking> unanswered;
  for (size_t i = 0; i < knocking->size(); ++i) {
    const Knocking& knock = (*knocking)[i];
    if (fds[i + 1].revents == 0) {
      unanswered.push_back(knock);
      continue;
    }
    char first;
    if (recv(knock.fd, &first, 1, 0) == 1) greeted.push_back(knock.server);
    close(knock.fd);
  }
  *knocking = std::move(unanswered);
  return greeted;
}

}  // namespace

ServerProbe::ServerProbe(absl::Duration interval, absl::Duration patience)
    : interval_(interval), patience_(patience) {}

ServerProbe::Outcome ServerProbe::Sleep(absl::Span<const ServerUrl> servers, SteadyTime until,
                                        int wake_fd) {
  while (Now() < until) {
    const Outcome outcome = Knock(servers, until, wake_fd);
    if (outcome != Outcome::kTimePassed) return outcome;
    const absl::Duration pause = interval_ * absl::Uniform(random_, 0.75, 1.25);
    const SteadyTime next = Now() + absl::ToChronoNanoseconds(pause);
    if (WaitReadable(wake_fd, std::min(next, until))) return Outcome::kWoken;
  }
  return Outcome::kTimePassed;
}

ServerProbe::Outcome ServerProbe::Knock(absl::Span<const ServerUrl> servers, SteadyTime until,
                                        int wake_fd) {
  std::vector<Knocking> knocking;
  for (size_t i = 0; i < servers.size(); ++i) BeginKnocking(servers[i], i, &knocking);
  const SteadyTime patient_until = Now() + absl::ToChronoNanoseconds(patience_);
  std::vector<bool> greets(servers.size(), false);
  bool woken = false;
  bool returned = false;
  while (!knocking.empty() && Now() < std::min(until, patient_until) && !woken && !returned) {
    for (const size_t server :
         TakeAnswers(&knocking, std::min(until, patient_until), wake_fd, &woken)) {
      greets[server] = true;
      const auto known = greeted_.find(servers[server].Address());
      returned = returned || (known != greeted_.end() && !known->second);
    }
  }
  const bool all_known = knocking.empty() || Now() >= patient_until;
  for (const Knocking& knock : knocking) close(knock.fd);
  for (size_t i = 0; i < servers.size(); ++i) {
    if (greets[i] || all_known) greeted_[servers[i].Address()] = greets[i];
  }
  if (woken) return Outcome::kWoken;
  return returned ? Outcome::kServerReturned : Outcome::kTimePassed;
}

}  // namespace router
