#include "server/http/http_server.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/notification.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// A TCP connection to a port of this machine.
class Connection {
 public:
  explicit Connection(int port) : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  ~Connection() { close(socket_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  bool connected() const { return connected_; }

  void Send(const std::string& text) { send(socket_, text.data(), text.size(), MSG_NOSIGNAL); }

  // Whether the server has ended it.
  bool IsEnded() const {
    char byte;
    return recv(socket_, &byte, 1, MSG_PEEK | MSG_DONTWAIT) >= 0 || errno != EAGAIN;
  }

  std::string ReadToEnd() {
    std::string text;
    char buffer[4096];
    ssize_t count;
    while ((count = recv(socket_, buffer, sizeof(buffer), 0)) > 0) text.append(buffer, count);
    return text;
  }

 private:
  const int socket_;
  bool connected_ = false;
};

HttpServer::Options At(const std::string& address) {
  HttpServer::Options options;
  options.address = address;
  options.silence_max = absl::Seconds(1);
  return options;
}

class HttpServerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server =
        HttpServer::Start(At("127.0.0.1:0"), {.metrics = [] { return "router_x 1\n"; },
                                              .readiness_problems = [this] { return problems_; },
                                              .warnings = [this] { return warnings_; }});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::string Ask(const std::string& method, const std::string& path) {
    Connection connection(server_->port());
    connection.Send(absl::StrCat(method, " ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    return connection.ReadToEnd();
  }

  std::vector<std::string> problems_;
  std::vector<std::string> warnings_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, ServesMetricsInTheTextFormat) {
  EXPECT_THAT(Ask("GET", "/metrics"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    HasSubstr("\r\nContent-Type: text/plain; version=0.0.4; charset=utf-8\r\n"),
                    HasSubstr("\r\nContent-Length: 11\r\n"), EndsWith("\r\n\r\nrouter_x 1\n")));
}

TEST_F(HttpServerTest, IgnoresTheQuery) {
  EXPECT_THAT(Ask("GET", "/metrics?name=x"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, IsAlive) {
  EXPECT_THAT(Ask("GET", "/livez"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nok\n")));
}

TEST_F(HttpServerTest, IsReadyOnlyWithoutProblemsAndNamesThem) {
  EXPECT_THAT(Ask("GET", "/readyz"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), EndsWith("\r\n\r\nok\n")));
  problems_ = {"the spool cannot be written", "shutting down"};
  EXPECT_THAT(Ask("GET", "/readyz"),
              AllOf(StartsWith("HTTP/1.1 503 Service Unavailable\r\n"),
                    EndsWith("\r\n\r\nthe spool cannot be written\nshutting down\n")));
  EXPECT_THAT(Ask("GET", "/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, IsReadyWithWarningsAndSaysThem) {
  warnings_ = {"the disk has lost something", "and more"};
  EXPECT_THAT(Ask("GET", "/readyz"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"),
                    EndsWith("\r\n\r\nok\nwarning: the disk has lost something\n"
                             "warning: and more\n")));
}

TEST_F(HttpServerTest, ListsItsPagesAtTheRoot) {
  EXPECT_THAT(Ask("GET", "/"), AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("/metrics"),
                                     HasSubstr("/livez"), HasSubstr("/readyz")));
}

TEST_F(HttpServerTest, HeadIsGetWithoutTheBody) {
  EXPECT_THAT(Ask("HEAD", "/metrics"),
              AllOf(StartsWith("HTTP/1.1 200 OK\r\n"), HasSubstr("\r\nContent-Length: 11\r\n"),
                    EndsWith("\r\n\r\n")));
}

TEST_F(HttpServerTest, KnowsNoOtherPages) {
  for (const char* path : {"/metric", "/metrics/", "/etc/passwd", "/../../etc/passwd",
                           "/%2e%2e/%2e%2e/etc/passwd", "//etc/passwd"}) {
    EXPECT_THAT(Ask("GET", path), AllOf(StartsWith("HTTP/1.1 40"), Not(HasSubstr("root:"))))
        << path;
  }
  EXPECT_THAT(Ask("GET", "/metric"), StartsWith("HTTP/1.1 404 Not Found\r\n"));
}

TEST_F(HttpServerTest, RefusesOtherMethods) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS"}) {
    EXPECT_THAT(Ask(method, "/metrics"),
                AllOf(StartsWith("HTTP/1.1 405 "), HasSubstr("\r\nAllow: GET, HEAD\r\n")))
        << method;
  }
}

TEST_F(HttpServerTest, SurvivesWhatIsNotHttp) {
  for (const std::string& garbage :
       {std::string("\r\n\r\n"), std::string("GET\r\n\r\n"), std::string("\0\xFF\x01\r\n\r\n", 7),
        std::string("GET /metrics HTTP/9.9\r\n\r\n"), "GET /" + std::string(100000, 'a'),
        std::string("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")}) {
    Connection connection(server_->port());
    connection.Send(garbage);
    connection.ReadToEnd();
  }
  EXPECT_THAT(Ask("GET", "/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, SlowClientsHoldNobodyUpAndAreCutOff) {
  Connection first(server_->port());
  Connection second(server_->port());
  Connection third(server_->port());
  for (Connection* slow : {&first, &second, &third}) slow->Send("GET /metrics HT");
  EXPECT_THAT(Ask("GET", "/metrics"), StartsWith("HTTP/1.1 200 OK\r\n"));
  for (Connection* slow : {&first, &second, &third}) {
    EXPECT_FALSE(slow->IsEnded()) << "the others had to wait until the silent ones were cut off";
  }
  for (Connection* slow : {&first, &second, &third}) {
    EXPECT_THAT(slow->ReadToEnd(), Not(HasSubstr("200 OK")));
  }
}

TEST_F(HttpServerTest, ClientsThatDripBytesHoldNobodyUp) {
  Connection first(server_->port());
  Connection second(server_->port());
  for (Connection* slow : {&first, &second}) slow->Send("GET /metrics HTTP/1.1\r\nX: ");
  absl::Notification stop;
  std::thread dripper([&] {
    do {
      for (Connection* slow : {&first, &second}) slow->Send("x");
    } while (!stop.WaitForNotificationWithTimeout(absl::Milliseconds(50)));
  });
  EXPECT_THAT(Ask("GET", "/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
  for (Connection* slow : {&first, &second}) EXPECT_FALSE(slow->IsEnded());
  stop.Notify();
  dripper.join();
}

TEST_F(HttpServerTest, ALongAnswerHoldsNobodyUp) {
  const std::string body(4 << 20, 'x');
  auto server = HttpServer::Start(
      At("127.0.0.1:0"), {.metrics = [&] { return body; },
                          .readiness_problems = [] { return std::vector<std::string>(); }});
  ASSERT_TRUE(server.ok()) << server.status();
  Connection connection((*server)->port());
  connection.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  Connection other((*server)->port());
  other.Send("GET /livez HTTP/1.1\r\nHost: x\r\n\r\n");
  EXPECT_THAT(other.ReadToEnd(), StartsWith("HTTP/1.1 200 OK\r\n"));
  EXPECT_THAT(connection.ReadToEnd(), EndsWith("\r\n\r\n" + body));
}

TEST_F(HttpServerTest, NamesAnAddressThatIsInUse) {
  const std::string address = absl::StrCat("127.0.0.1:", server_->port());
  const auto second = HttpServer::Start(
      At(address), {.metrics = [] { return ""; },
                    .readiness_problems = [] { return std::vector<std::string>(); }});
  EXPECT_EQ(second.status().code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(std::string(second.status().message()),
              AllOf(HasSubstr(address), HasSubstr("already in use")));
  EXPECT_THAT(Ask("GET", "/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST_F(HttpServerTest, NamesAnAddressThatCannotBeListenedAt) {
  for (const std::string address : {"192.0.2.1:0", "nonsense", "127.0.0.1:99999"}) {
    const auto server = HttpServer::Start(
        At(address), {.metrics = [] { return ""; },
                      .readiness_problems = [] { return std::vector<std::string>(); }});
    EXPECT_EQ(server.status().code(), absl::StatusCode::kInvalidArgument) << address;
    EXPECT_THAT(std::string(server.status().message()), HasSubstr(address));
  }
}

TEST_F(HttpServerTest, StopClosesThePort) {
  const int port = server_->port();
  EXPECT_THAT(Ask("GET", "/livez"), StartsWith("HTTP/1.1 200 OK\r\n"));
  const absl::Time start = absl::Now();
  server_->Stop();
  EXPECT_LT(absl::Now() - start, absl::Milliseconds(1500)) << "was not woken";
  EXPECT_FALSE(Connection(port).connected());
  server_->Stop();
}

TEST(HttpServerCrowdTest, OfTooManyConnectionsTheOldestGo) {
  HttpServer::Options options = At("127.0.0.1:0");
  options.silence_max = absl::Hours(1);
  auto server =
      HttpServer::Start(options, {.metrics = [] { return ""; },
                                  .readiness_problems = [] { return std::vector<std::string>(); }});
  ASSERT_TRUE(server.ok()) << server.status();
  std::vector<std::unique_ptr<Connection>> crowd;
  for (int i = 0; i < 200; ++i) {
    crowd.push_back(std::make_unique<Connection>((*server)->port()));
    ASSERT_TRUE(crowd.back()->connected());
    crowd.back()->Send("GET /livez HTTP/1.1\r\nHost: x\r\n");
  }
  for (int i = 0; i < 100; ++i) EXPECT_EQ(crowd[i]->ReadToEnd(), "") << i;
  crowd.back()->Send("\r\n");
  EXPECT_THAT(crowd.back()->ReadToEnd(), StartsWith("HTTP/1.1 200 OK\r\n"));
}

TEST(HttpServerStopTest, WaitsForARunningHandler) {
  absl::Notification entered;
  absl::Notification release;
  std::atomic<bool> handler_done{false};
  auto server = HttpServer::Start(
      At("127.0.0.1:0"), {.metrics =
                              [&] {
                                entered.Notify();
                                release.WaitForNotification();
                                handler_done = true;
                                return std::string("late\n");
                              },
                          .readiness_problems = [] { return std::vector<std::string>(); }});
  ASSERT_TRUE(server.ok()) << server.status();
  Connection connection((*server)->port());
  connection.Send("GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n");
  entered.WaitForNotification();
  bool done_when_stopped = false;
  absl::Notification stopped;
  std::thread stopper([&] {
    (*server)->Stop();
    done_when_stopped = handler_done;
    stopped.Notify();
  });
  EXPECT_FALSE(stopped.WaitForNotificationWithTimeout(absl::Milliseconds(100)));
  release.Notify();
  stopper.join();
  EXPECT_TRUE(done_when_stopped);
}

class HttpServerHandlerTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto server = HttpServer::Start(
        At("127.0.0.1:0"), {.metrics =
                                [this] {
                                  ++entered_;
                                  release_.WaitForNotification();
                                  return std::string("late\n");
                                },
                            .readiness_problems = [] { return std::vector<std::string>(); }});
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
  }

  std::unique_ptr<Connection> Begin(const std::string& path) {
    auto connection = std::make_unique<Connection>(server_->port());
    connection->Send(absl::StrCat("GET ", path, " HTTP/1.1\r\nHost: x\r\n\r\n"));
    return connection;
  }

  std::atomic<int> entered_{0};
  absl::Notification release_;
  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerHandlerTest, AHandlerThatWaitsHoldsUpNothingButHandlers) {
  const auto first = Begin("/metrics");
  const auto second = Begin("/metrics");
  const auto third = Begin("/readyz");
  for (const char* path : {"/livez", "/", "/metric"}) {
    EXPECT_THAT(Begin(path)->ReadToEnd(), StartsWith("HTTP/1.1 ")) << path;
  }
  EXPECT_LE(entered_, 1);
  release_.Notify();
  EXPECT_THAT(first->ReadToEnd(), EndsWith("\r\n\r\nlate\n"));
  EXPECT_THAT(second->ReadToEnd(), EndsWith("\r\n\r\nlate\n"));
  EXPECT_THAT(third->ReadToEnd(), EndsWith("\r\n\r\nok\n"));
  EXPECT_EQ(entered_, 2);
}

TEST_F(HttpServerHandlerTest, ManyThatWaitForAHandlerMakeRoomForOthers) {
  std::vector<std::unique_ptr<Connection>> crowd;
  for (int i = 0; i < 100; ++i) {
    crowd.push_back(Begin("/metrics"));
    if (i % 10 == 0) {
      EXPECT_THAT(Begin("/livez")->ReadToEnd(), StartsWith("HTTP/1.1 200 OK\r\n"));
    }
  }
  EXPECT_THAT(Begin("/livez")->ReadToEnd(), StartsWith("HTTP/1.1 200 OK\r\n"));
  release_.Notify();
  EXPECT_THAT(crowd.back()->ReadToEnd(), EndsWith("\r\n\r\nlate\n"));
  for (const auto& connection : crowd) connection->ReadToEnd();
  EXPECT_LT(entered_, 100);
}

TEST_F(HttpServerHandlerTest, StopsWhileMoreIsWaitedFor) {
  std::vector<std::unique_ptr<Connection>> crowd;
  for (int i = 0; i < 10; ++i) crowd.push_back(Begin("/metrics"));
  // Answered after the requests before it have been read.
  EXPECT_THAT(Begin("/livez")->ReadToEnd(), StartsWith("HTTP/1.1 200 OK\r\n"));
  const int port = server_->port();
  std::thread stopper([this] { server_->Stop(); });
  while (Connection(port).connected()) {
  }
  release_.Notify();
  stopper.join();
  const int entered = entered_;
  for (const auto& connection : crowd) connection->ReadToEnd();
  EXPECT_EQ(entered_, entered) << "a handler was called afterwards";
}

}  // namespace
}  // namespace router
