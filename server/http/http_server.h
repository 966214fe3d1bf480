#ifndef ROUTER_SERVER_HTTP_HTTP_SERVER_H_
#define ROUTER_SERVER_HTTP_HTTP_SERVER_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"

struct mg_connection;
struct mg_context;

namespace router {

// The port for operators' tools: `/metrics`, `/livez`, `/readyz` and, at `/`, a list of them. GET
// and HEAD; anything else gets 404 or 405. Plain HTTP, without authentication.
//
// At most two requests are served at a time, and a client that does not send its request or does
// not read the answer in time is cut off, so slow ones delay others but cannot lock them out.
class HttpServer {
 public:
  // Called from the server's threads, two at a time. Must be callable until Stop has returned.
  struct Handlers {
    // The text of `/metrics`.
    std::function<std::string()> metrics;
    // Why the router cannot keep its promises just now; empty: it can. One line each.
    std::function<std::vector<std::string>()> readiness_problems;
    // What else an operator has to know, said by `/readyz` as well. One line each.
    std::function<std::vector<std::string>()> warnings = [] { return std::vector<std::string>(); };
  };

  // Listens at `address`, "host:port"; port 0 takes a free one. ALREADY_EXISTS when the address is
  // in use, INVALID_ARGUMENT when it cannot be listened at; both name it.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const std::string& address,
                                                           Handlers handlers);

  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The port it really listens at.
  int port() const { return port_; }

  // Closes the port and waits for handlers that are running; no handler is called afterwards.
  // Answers that are on their way are cut off. Idempotent; one thread at a time.
  void Stop();

 private:
  HttpServer(const std::string& address, Handlers handlers);

  absl::Status Listen();
  void Answer(mg_connection* connection) const;

  static int OnRequest(mg_connection* connection);
  static int OnLibraryError(const mg_connection* connection, const char* message);

  const std::string address_;
  const Handlers handlers_;
  int port_ = 0;
  mg_context* context_ = nullptr;

  absl::Mutex mutex_;
  std::string first_error_ ABSL_GUARDED_BY(mutex_);  // What the library said first.
};

}  // namespace router

#endif  // ROUTER_SERVER_HTTP_HTTP_SERVER_H_
