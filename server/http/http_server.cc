#include "server/http/http_server.h"

#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "civetweb.h"

namespace router {
namespace {

constexpr char kThreadCount[] = "2";
// For reading a request, and for each piece of an answer to be taken.
constexpr char kRequestTimeoutMs[] = "2000";

constexpr char kPlainText[] = "text/plain; charset=utf-8";
constexpr char kMetricsText[] = "text/plain; version=0.0.4; charset=utf-8";
constexpr char kIndex[] =
    "router\n"
    "\n"
    "/metrics  metrics in the Prometheus text format\n"
    "/livez    200 while the process serves\n"
    "/readyz   200 while the router can keep its promises, else 503 with the reasons\n";

struct Response {
  int status = 200;
  absl::string_view reason = "OK";
  absl::string_view content_type = kPlainText;
  std::string body;
};

void Send(mg_connection* connection, const Response& response, bool with_body) {
  std::string text = absl::StrCat("HTTP/1.1 ", response.status, " ", response.reason,
                                  "\r\nContent-Type: ", response.content_type,
                                  "\r\nContent-Length: ", response.body.size(),
                                  response.status == 405 ? "\r\nAllow: GET, HEAD" : "",
                                  "\r\nCache-Control: no-store\r\nX-Content-Type-Options: "
                                  "nosniff\r\nConnection: close\r\n\r\n");
  if (with_body) text += response.body;
  mg_write(connection, text.data(), text.size());
}

Response Readiness(const std::vector<std::string>& problems,
                   const std::vector<std::string>& warnings) {
  if (problems.empty()) {
    std::string body = "ok\n";
    for (const std::string& warning : warnings) absl::StrAppend(&body, "warning: ", warning, "\n");
    return {.body = std::move(body)};
  }
  return {.status = 503,
          .reason = "Service Unavailable",
          .body = absl::StrCat(absl::StrJoin(problems, "\n"), "\n")};
}

Response ResponseFor(absl::string_view method, absl::string_view path,
                     const HttpServer::Handlers& handlers) {
  if (method != "GET" && method != "HEAD") {
    return {.status = 405, .reason = "Method Not Allowed", .body = "GET and HEAD only\n"};
  }
  if (path == "/metrics") return {.content_type = kMetricsText, .body = handlers.metrics()};
  if (path == "/livez") return {.body = "ok\n"};
  if (path == "/readyz") return Readiness(handlers.readiness_problems(), handlers.warnings());
  if (path == "/") return {.body = kIndex};
  return {.status = 404, .reason = "Not Found", .body = "not found; see /\n"};
}

// "host:port" without the port and the brackets of IPv6.
std::string HostOf(absl::string_view address) {
  absl::string_view host = address.substr(0, address.rfind(':'));
  if (absl::ConsumePrefix(&host, "[")) absl::ConsumeSuffix(&host, "]");
  return std::string(host);
}

// The library's accept loop looks whether it shall stop every two seconds only, or when somebody
// connects: so connects.
void WakeUntil(const absl::Notification& stopped, const std::string& host, int port) {
  do {
    char error[100];
    mg_connection* const connection =
        mg_connect_client(host.c_str(), port, 0, error, sizeof(error));
    if (connection != nullptr) mg_close_connection(connection);
  } while (!stopped.WaitForNotificationWithTimeout(absl::Milliseconds(20)));
}

}  // namespace

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const std::string& address,
                                                              Handlers handlers) {
  std::unique_ptr<HttpServer> server(new HttpServer(address, std::move(handlers)));
  if (absl::Status status = server->Listen(); !status.ok()) return status;
  return server;
}

HttpServer::HttpServer(const std::string& address, Handlers handlers)
    : address_(address), handlers_(std::move(handlers)) {}

HttpServer::~HttpServer() { Stop(); }

absl::Status HttpServer::Listen() {
  const char* options[] = {"listening_ports",    address_.c_str(),  "num_threads", kThreadCount,
                           "request_timeout_ms", kRequestTimeoutMs, nullptr};
  mg_callbacks callbacks = {};
  callbacks.begin_request = OnRequest;
  callbacks.log_message = OnLibraryError;
  context_ = mg_start(&callbacks, this, options);
  if (context_ == nullptr) {
    absl::MutexLock lock(&mutex_);
    if (absl::StrContains(first_error_, strerror(EADDRINUSE))) {
      return absl::AlreadyExistsError(
          absl::StrCat("http_listen: the address ", address_, " is already in use"));
    }
    return absl::InvalidArgumentError(
        absl::StrCat("http_listen: cannot listen at ", address_, ": ", first_error_));
  }
  mg_server_port port = {};
  if (mg_get_server_ports(context_, 1, &port) < 1) {
    return absl::InternalError("http_listen: the port that was opened is not known");
  }
  port_ = port.port;
  return absl::OkStatus();
}

void HttpServer::Stop() {
  if (context_ == nullptr) return;
  absl::Notification stopped;
  std::thread waker([this, &stopped] { WakeUntil(stopped, HostOf(address_), port_); });
  mg_stop(std::exchange(context_, nullptr));
  stopped.Notify();
  waker.join();
}

void HttpServer::Answer(mg_connection* connection) const {
  const mg_request_info* const request = mg_get_request_info(connection);
  const absl::string_view method = request->request_method;
  // The path with its dots resolved; null for anything that is not a path.
  const char* const path = request->local_uri;
  Send(connection, ResponseFor(method, path == nullptr ? "" : path, handlers_), method != "HEAD");
}

int HttpServer::OnRequest(mg_connection* connection) {
  static_cast<const HttpServer*>(mg_get_user_data(mg_get_context(connection)))->Answer(connection);
  return 1;  // Answered, whatever came of it.
}

int HttpServer::OnLibraryError(const mg_connection* connection, const char* message) {
  auto* const server = static_cast<HttpServer*>(mg_get_user_data(mg_get_context(connection)));
  absl::MutexLock lock(&server->mutex_);
  if (server->first_error_.empty()) server->first_error_ = message;
  return 1;  // Nothing goes to standard error: the log has a format of its own.
}

}  // namespace router
