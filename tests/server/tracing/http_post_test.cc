#include "server/tracing/http_post.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>
#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

// A listening socket of this machine.
class Listening {
 public:
  Listening() : socket_(socket(AF_INET, SOCK_STREAM, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    bind(socket_, reinterpret_cast<sockaddr*>(&address), sizeof(address));
    listen(socket_, 1);
    socklen_t size = sizeof(address);
    getsockname(socket_, reinterpret_cast<sockaddr*>(&address), &size);
    port_ = ntohs(address.sin_port);
  }
  ~Listening() { close(socket_); }

  std::string url() const { return absl::StrCat("http://127.0.0.1:", port_, "/v1/traces"); }

  // Takes one request with a body that ends in `end`, answers it, and returns it.
  std::string Answer(const std::string& end, const std::string& answer) {
    const int connection = accept(socket_, nullptr, nullptr);
    std::string request;
    char buffer[4096];
    while (!absl::EndsWith(request, end)) {
      const ssize_t count = recv(connection, buffer, sizeof(buffer), 0);
      if (count <= 0) break;
      request.append(buffer, static_cast<size_t>(count));
    }
    send(connection, answer.data(), answer.size(), MSG_NOSIGNAL);
    close(connection);
    return request;
  }

 private:
  const int socket_;
  int port_ = 0;
};

HttpPost::Options OptionsFor(const std::string& url, absl::Duration timeout = absl::Seconds(30)) {
  return {url, {"X-Tenant: one"}, timeout};
}

bool Never() { return false; }

TEST(HttpPostTest, SendsJsonAndReadsTheAnswer) {
  Listening server;
  std::string request;
  std::thread thread([&] {
    request = server.Answer("{}",
                            "HTTP/1.1 503 Busy\r\nRetry-After: 7\r\nContent-Length: 4\r\n"
                            "\r\nbusy");
  });
  HttpPost post(OptionsFor(server.url()), Never);
  const HttpResult result = post.Send("{}");
  thread.join();
  EXPECT_EQ(result.status, 503);
  EXPECT_EQ(result.error, "busy");
  EXPECT_EQ(result.retry_after, absl::Seconds(7));
  EXPECT_THAT(request, StartsWith("POST /v1/traces HTTP/1.1\r\n"));
  EXPECT_THAT(request, HasSubstr("Content-Type: application/json\r\n"));
  EXPECT_THAT(request, HasSubstr("X-Tenant: one\r\n"));
}

TEST(HttpPostTest, ARedirectIsAnAnswer) {
  Listening server;
  std::thread thread([&] {
    server.Answer("{}",
                  "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\n"
                  "Content-Length: 0\r\n\r\n");
  });
  HttpPost post(OptionsFor(server.url()), Never);
  EXPECT_EQ(post.Send("{}").status, 302);
  thread.join();
}

TEST(HttpPostTest, NobodyThereIsAnError) {
  std::string url;
  { url = Listening().url(); }
  HttpPost post(OptionsFor(url), Never);
  const HttpResult result = post.Send("{}");
  EXPECT_EQ(result.status, 0);
  EXPECT_NE(result.error, "");
}

TEST(HttpPostTest, ASilentServerIsLeftAfterTheTimeout) {
  Listening server;
  HttpPost post(OptionsFor(server.url(), absl::Milliseconds(50)), Never);
  EXPECT_EQ(post.Send("{}").status, 0);
}

TEST(HttpPostTest, ASilentServerIsLeftWhenAsked) {
  Listening server;
  std::atomic<int> asked{0};
  HttpPost post(OptionsFor(server.url(), absl::Hours(1)), [&] { return ++asked > 1; });
  EXPECT_EQ(post.Send("{}").status, 0);
  EXPECT_GT(asked, 1);
}

}  // namespace
}  // namespace router
