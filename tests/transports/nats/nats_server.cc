#include "tests/transports/nats/nats_server.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

constexpr std::chrono::seconds kStartTimeout(20);

[[noreturn]] void Die(absl::string_view what) {
  std::fprintf(stderr, "NatsServer: %s\n", std::string(what).c_str());
  std::abort();
}

sockaddr_in Loopback(int port) {
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

// Whether a client that connects is greeted.
bool Greets(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const sockaddr_in address = Loopback(port);
  bool greeted = false;
  if (connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof(address)) == 0) {
    pollfd readable = {fd, POLLIN, 0};
    char first;
    greeted = poll(&readable, 1, 1000) == 1 && recv(fd, &first, 1, 0) == 1;
  }
  close(fd);
  return greeted;
}

std::string MakeFolder() {
  const char* const base = std::getenv("TEST_TMPDIR");
  std::string folder = absl::StrCat(base == nullptr ? "/tmp" : base, "/nats-server-XXXXXX");
  if (mkdtemp(folder.data()) == nullptr) Die("cannot make a temporary folder");
  return folder;
}

// In the child: becomes the server.
[[noreturn]] void BecomeServer(const std::string& config, const std::string& log) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  const int fd = open(log.c_str(), O_WRONLY | O_CREAT | O_APPEND, 0600);
  dup2(fd, STDOUT_FILENO);
  dup2(fd, STDERR_FILENO);
  execlp("nats-server", "nats-server", "-c", config.c_str(), nullptr);
  _exit(127);
}

}  // namespace

int FreePort() {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = Loopback(0);
  socklen_t size = sizeof(address);
  if (bind(fd, reinterpret_cast<sockaddr*>(&address), size) != 0 ||
      getsockname(fd, reinterpret_cast<sockaddr*>(&address), &size) != 0) {
    Die("no free port");
  }
  close(fd);
  return ntohs(address.sin_port);
}

NatsServer::NatsServer(const Options& options) : folder_(MakeFolder()), port_(FreePort()) {
  std::ofstream config(folder_ + "/server.conf");
  config << "listen: \"127.0.0.1:" << port_ << "\"\n";
  if (options.jetstream) config << "jetstream { store_dir: \"" << folder_ << "/data\" }\n";
  config << options.config << "\n";
  config.close();
  if (options.start) Start();
}

NatsServer::~NatsServer() {
  if (running()) Kill();
  std::error_code ignored;
  std::filesystem::remove_all(folder_, ignored);
}

std::string NatsServer::url() const { return absl::StrCat("nats://127.0.0.1:", port_); }

void NatsServer::Start() {
  if (running()) Die("it is running already");
  pid_ = fork();
  if (pid_ < 0) Die("cannot fork");
  if (pid_ == 0) BecomeServer(folder_ + "/server.conf", folder_ + "/server.log");
  const auto give_up = std::chrono::steady_clock::now() + kStartTimeout;
  while (!Greets(port_)) {
    if (waitpid(pid_, nullptr, WNOHANG) == pid_) Die("nats-server has ended: is it in PATH?");
    if (std::chrono::steady_clock::now() > give_up) Die("nats-server does not greet");
    poll(nullptr, 0, 5);
  }
}

void NatsServer::Kill() { SignalAndWait(SIGKILL); }

void NatsServer::Terminate() { SignalAndWait(SIGTERM); }

void NatsServer::SignalAndWait(int signal) {
  if (!running()) Die("it is not running");
  kill(pid_, signal);
  waitpid(pid_, nullptr, 0);
  pid_ = 0;
}

void NatsServer::Freeze() {
  kill(pid_, SIGSTOP);
  waitpid(pid_, nullptr, WUNTRACED);
}

void NatsServer::Thaw() { kill(pid_, SIGCONT); }

void NatsServer::EnterLameDuck() { kill(pid_, SIGUSR2); }

}  // namespace router
