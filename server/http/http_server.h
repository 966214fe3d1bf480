#ifndef ROUTER_SERVER_HTTP_HTTP_SERVER_H_
#define ROUTER_SERVER_HTTP_HTTP_SERVER_H_

#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <thread>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "server/http/pages.h"
#include "server/listener/listener.h"
#include "server/tls/http_tls_credentials.h"
#include "server/tls/tls_material.h"

struct MHD_Connection;
struct MHD_Daemon;

namespace router {

// The port for operators' tools: `/metrics`, `/livez`, `/readyz` and, at `/`, a list of them. GET
// and HEAD; anything else gets 404 or 405. HTTP, or, with `tls`, TLS 1.2 or later and nothing else.
// Each connection is for one request.
//
// One thread reads and writes all connections, so that slow clients hold nobody up. A client that
// is silent for too long is cut off; of more than 32 connections, or 16 of one address, the oldest
// is: whoever comes gets in. Another thread calls the handlers, one at a time: one that
// waits for something keeps nobody from `/livez`.
class HttpServer {
 public:
  // Called from one of the server's threads. Must be callable until Stop has returned.
  using Handlers = HttpHandlers;

  struct Options {
    std::string address;    // "host:port"; port 0 takes a free one.
    TlsMaterialSource tls;  // Null: without TLS.
    // Whether the handshake fails without a certificate of the material's `client_authorities`.
    bool requires_client_certificate = false;
    // After so long without a byte a client is cut off; a handshake may take as long in all. Whole
    // seconds.
    absl::Duration silence_max = absl::Seconds(5);
  };

  // ALREADY_EXISTS when the address is in use, INVALID_ARGUMENT when it cannot be listened at, both
  // name it; INVALID_ARGUMENT also for material that cannot be used.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(const Options& options,
                                                           Handlers handlers);

  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // The port it really listens at.
  int port() const { return listener_->port(); }

  // Closes the port and waits for handlers that are running; no handler is called afterwards.
  // Answers that are on their way are cut off. Idempotent; one thread at a time.
  void Stop();

 private:
  enum class Phase {
    kTalking,  // The library reads the request or writes the answer.
    kWaiting,  // For a handler: the library leaves it alone until it is resumed.
    kMade,     // The answer is there, and the library has been told.
  };

  // From being accepted to being closed.
  struct Connection {
    uint64_t number = 0;
    int fd = -1;
    std::string host;                  // The client's address, without the port.
    MHD_Connection* handle = nullptr;  // The library's.
    Phase phase = Phase::kTalking;
    bool is_cut = false;                                    // It is about to leave.
    std::string path;                                       // What it waits for.
    bool is_being_made = false;                             // A handler runs for it.
    HttpAnswer answer;                                      // When made.
    std::shared_ptr<const HttpTlsCredentials> credentials;  // What its session uses.
  };

  HttpServer(const Options& options, Handlers handlers);

  absl::Status Listen();
  absl::Status StartDaemon();
  absl::Status RefreshCredentials() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // On the listener's thread.
  void Admit(int fd, const sockaddr_storage& peer);
  void MakeRoom(const std::string& host) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Cut(Connection* connection) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Forget(uint64_t number) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  // On the library's thread.
  Connection* OnBegin(MHD_Connection* handle, int fd);
  void OnEnd(const Connection& connection);
  bool OnRequest(Connection* connection, absl::string_view method, absl::string_view path);

  // On the handlers' thread.
  void MakePages();
  Connection* NextWaiting() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void Resume(Connection* connection, HttpAnswer answer) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  struct Callbacks;  // What the library calls.

  const Options options_;
  const Handlers handlers_;
  std::unique_ptr<Listener> listener_;
  MHD_Daemon* daemon_ = nullptr;
  std::thread page_maker_;

  absl::Mutex mutex_;
  std::list<Connection> connections_ ABSL_GUARDED_BY(mutex_);  // The oldest first.
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<const TlsMaterial> material_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<const HttpTlsCredentials> credentials_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace router

#endif  // ROUTER_SERVER_HTTP_HTTP_SERVER_H_
