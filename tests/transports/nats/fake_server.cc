#include "tests/transports/nats/fake_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <utility>

#include "absl/strings/str_cat.h"

namespace router {

std::string FakeServer::Info() {
  return "INFO {\"server_id\":\"FAKE\",\"server_name\":\"fake\",\"version\":\"2.9.10\",\"proto\":1,"
         "\"host\":\"127.0.0.1\",\"port\":4222,\"headers\":true,\"max_payload\":1048576}\r\n";
}

FakeServer::FakeServer(std::string greeting, std::string answer)
    : greeting_(std::move(greeting)), answer_(std::move(answer)) {
  listener_ = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof(address);
  bind(listener_, reinterpret_cast<sockaddr*>(&address), size);
  listen(listener_, 16);
  getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size);
  port_ = ntohs(address.sin_port);
  thread_ = std::thread([this] { Serve(); });
}

FakeServer::~FakeServer() {
  stopping_ = true;
  thread_.join();
  close(listener_);
}

std::string FakeServer::url() const { return absl::StrCat("nats://127.0.0.1:", port_); }

void FakeServer::Serve() {
  std::vector<pollfd> fds = {{listener_, POLLIN, 0}};
  while (!stopping_) {
    poll(fds.data(), fds.size(), 10);
    for (size_t i = 1; i < fds.size(); ++i) {
      char buffer[4096];
      if (fds[i].revents == 0) continue;
      if (recv(fds[i].fd, buffer, sizeof(buffer), 0) <= 0) {
        close(fds[i].fd);
        fds[i].fd = -1;
      } else {
        send(fds[i].fd, answer_.data(), answer_.size(), MSG_NOSIGNAL);
      }
    }
    if (fds[0].revents == 0) continue;
    const int client = accept(listener_, nullptr, nullptr);
    send(client, greeting_.data(), greeting_.size(), MSG_NOSIGNAL);
    fds.push_back({client, POLLIN, 0});
    ++accepted_count_;
  }
  for (size_t i = 1; i < fds.size(); ++i) {
    if (fds[i].fd >= 0) close(fds[i].fd);
  }
}

}  // namespace router
