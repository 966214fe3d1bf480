#ifndef ROUTER_TESTS_TRANSPORTS_NATS_FAKE_SERVER_H_
#define ROUTER_TESTS_TRANSPORTS_NATS_FAKE_SERVER_H_

#include <atomic>
#include <string>
#include <thread>
#include <vector>

namespace router {

// A TCP server on loopback that says one thing to each client and then nothing more: what broken
// and hostile servers do. Keeps connections open until it is destroyed, or they are closed.
class FakeServer {
 public:
  // `greeting` is sent on accept; `answer`, if not empty, at the first bytes that the client sends.
  explicit FakeServer(std::string greeting, std::string answer = "");
  ~FakeServer();
  FakeServer(const FakeServer&) = delete;
  FakeServer& operator=(const FakeServer&) = delete;

  static std::string Info();  // An INFO line that any client is content with.

  int port() const { return port_; }
  std::string url() const;
  int accepted_count() const { return accepted_count_; }

 private:
  void Serve();

  const std::string greeting_;
  const std::string answer_;
  int listener_ = -1;
  int port_ = 0;
  std::atomic<bool> stopping_{false};
  std::atomic<int> accepted_count_{0};
  std::thread thread_;
};

}  // namespace router

#endif  // ROUTER_TESTS_TRANSPORTS_NATS_FAKE_SERVER_H_
