#include "server/http/http_server.h"

#include <errno.h>
#include <microhttpd.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/memory/memory.h"
#include "absl/strings/str_cat.h"
#include "server/base/client_address.h"

namespace router {
namespace {

// Beyond them, the oldest goes.
constexpr size_t kConnectionsMax = 32;
constexpr size_t kConnectionsPerHostMax = 16;
// Those that go, and are not gone yet.
constexpr size_t kLeavingMax = 16;
// For a request with its headers, and for those of the answer.
constexpr size_t kMemoryPerConnection = 8 * 1024;

absl::Status ListenError(const std::string& address, const absl::Status& status) {
  if (absl::IsAlreadyExists(status)) {
    return absl::AlreadyExistsError(
        absl::StrCat("http_listen: the address ", address, " is already in use"));
  }
  return absl::Status(status.code(), absl::StrCat("http_listen: cannot listen at ", address, ": ",
                                                  status.message()));
}

bool Send(MHD_Connection* connection, const HttpAnswer& answer) {
  MHD_Response* const response = MHD_create_response_from_buffer(
      answer.body.size(), const_cast<char*>(answer.body.data()), MHD_RESPMEM_MUST_COPY);
  if (response == nullptr) return false;
  MHD_add_response_header(response, "Content-Type", answer.content_type);
  if (answer.status == 405) MHD_add_response_header(response, "Allow", "GET, HEAD");
  MHD_add_response_header(response, "Cache-Control", "no-store");
  MHD_add_response_header(response, "X-Content-Type-Options", "nosniff");
  MHD_add_response_header(response, "Connection", "close");
  const MHD_Result queued =
      MHD_queue_response(connection, static_cast<unsigned>(answer.status), response);
  MHD_destroy_response(response);
  return queued == MHD_YES;
}

}  // namespace

struct HttpServer::Callbacks {
  static void OnConnection(void* server, MHD_Connection* handle, void** context,
                           MHD_ConnectionNotificationCode what) {
    auto* const self = static_cast<HttpServer*>(server);
    if (what == MHD_CONNECTION_NOTIFY_STARTED) {
      const auto* const info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_CONNECTION_FD);
      *context = self->OnBegin(handle, info->connect_fd);
    } else {
      self->OnEnd(*static_cast<Connection*>(*context));
    }
  }

  static MHD_Result OnRequest(void* server, MHD_Connection* handle, const char* path,
                              const char* method, const char*, const char*, size_t*, void**) {
    const auto* const info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_SOCKET_CONTEXT);
    auto* const connection = static_cast<Connection*>(info->socket_context);
    return static_cast<HttpServer*>(server)->OnRequest(connection, method, path) ? MHD_YES : MHD_NO;
  }

  // The library wants to be told a certificate, or whom to ask for one. It never asks: each session
  // gets its credentials when it begins.
  static int NoCertificate() { return -1; }
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(const Options& options,
                                                              Handlers handlers) {
  auto server = absl::WrapUnique(new HttpServer(options, std::move(handlers)));
  absl::Status status = server->Listen();
  if (status.ok()) status = server->StartDaemon();
  if (!status.ok()) return status;
  server->page_maker_ = std::thread(&HttpServer::MakePages, server.get());
  Listener::Handlers on;
  on.on_connection = [self = server.get()](int fd, const sockaddr_storage& peer) {
    self->Admit(fd, peer);
    return true;
  };
  server->listener_->Start(std::move(on));
  return server;
}

HttpServer::HttpServer(const Options& options, Handlers handlers)
    : options_(options), handlers_(std::move(handlers)) {}

HttpServer::~HttpServer() { Stop(); }

absl::Status HttpServer::Listen() {
  // Any descriptor will do, as there are never many.
  absl::StatusOr<std::unique_ptr<Listener>> opened =
      Listener::Open({options_.address, std::numeric_limits<int>::max()});
  if (!opened.ok()) return ListenError(options_.address, opened.status());
  listener_ = *std::move(opened);
  return absl::OkStatus();
}

// The library's own limits of connections are left out of play: version 0.9.75 does not unlock its
// table when they are reached. So is its way with epoll, which spins while a handshake stands
// still.
absl::Status HttpServer::StartDaemon() {
  unsigned flags = MHD_USE_POLL_INTERNAL_THREAD | MHD_USE_NO_LISTEN_SOCKET | MHD_USE_ITC |
                   MHD_ALLOW_SUSPEND_RESUME;
  MHD_OptionItem tls[] = {
      {MHD_OPTION_HTTPS_CERT_CALLBACK, 0, reinterpret_cast<void*>(&Callbacks::NoCertificate)},
      {MHD_OPTION_HTTPS_PRIORITIES, 0, const_cast<char*>(HttpTlsCredentials::kPriorities)},
      {MHD_OPTION_END, 0, nullptr}};
  if (options_.tls == nullptr) {
    tls[0] = {MHD_OPTION_END, 0, nullptr};
  } else {
    absl::MutexLock lock(&mutex_);
    if (absl::Status status = RefreshCredentials(); !status.ok()) return status;
    flags |= MHD_USE_TLS;
  }
  daemon_ = MHD_start_daemon(flags, 0, nullptr, nullptr, &Callbacks::OnRequest, this,
                             MHD_OPTION_NOTIFY_CONNECTION, &Callbacks::OnConnection, this,
                             MHD_OPTION_CONNECTION_TIMEOUT,
                             static_cast<unsigned>(absl::ToInt64Seconds(options_.silence_max)),
                             MHD_OPTION_CONNECTION_MEMORY_LIMIT, kMemoryPerConnection,
                             MHD_OPTION_ARRAY, tls, MHD_OPTION_END);
  if (daemon_ == nullptr) return absl::InternalError("the HTTP server does not start");
  return absl::OkStatus();
}

// Leaves those that there are where the new ones cannot be used.
absl::Status HttpServer::RefreshCredentials() {
  std::shared_ptr<const TlsMaterial> material = options_.tls();
  if (material == material_) return absl::OkStatus();
  absl::StatusOr<std::shared_ptr<const HttpTlsCredentials>> made =
      HttpTlsCredentials::Make(*material);
  material_ = std::move(material);
  if (made.ok()) credentials_ = *std::move(made);
  return made.status();
}

void HttpServer::Stop() {
  {
    absl::MutexLock lock(&mutex_);
    stopping_ = true;
  }
  if (listener_ != nullptr) listener_->Stop();
  if (page_maker_.joinable()) page_maker_.join();
  if (daemon_ == nullptr) return;
  {
    // The library does not stop while it has to leave any alone.
    absl::MutexLock lock(&mutex_);
    for (Connection& connection : connections_) {
      if (connection.phase == Phase::kWaiting) Resume(&connection, HttpAnswer());
    }
  }
  MHD_stop_daemon(std::exchange(daemon_, nullptr));
}

void HttpServer::Admit(int fd, const sockaddr_storage& peer) {
  Connection connection;
  connection.fd = fd;
  connection.host = ClientAddress(peer);
  {
    const auto has_room = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return stopping_ || connections_.size() < kConnectionsMax + kLeavingMax;
    };
    absl::MutexLock lock(&mutex_);
    MakeRoom(connection.host);
    mutex_.Await(absl::Condition(&has_room));
    if (stopping_) {
      close(fd);
      return;
    }
    connection.number = ++last_number_;
    connections_.push_back(connection);
  }
  if (MHD_add_connection(daemon_, fd, reinterpret_cast<const sockaddr*>(&peer), sizeof(peer)) !=
      MHD_YES) {
    absl::MutexLock lock(&mutex_);
    Forget(connection.number);
  }
}

// For one more of this host.
void HttpServer::MakeRoom(const std::string& host) {
  std::vector<Connection*> all;
  std::vector<Connection*> of_host;
  for (Connection& connection : connections_) {
    if (connection.is_cut) continue;
    all.push_back(&connection);
    if (connection.host == host) of_host.push_back(&connection);
  }
  if (of_host.size() >= kConnectionsPerHostMax) {
    Cut(of_host.front());
  } else if (all.size() >= kConnectionsMax) {
    Cut(all.front());
  }
}

void HttpServer::Cut(Connection* connection) {
  connection->is_cut = true;
  if (connection->phase == Phase::kWaiting) {
    Resume(connection, {.status = 503, .body = "too many connections\n"});
  } else {
    shutdown(connection->fd, SHUT_RDWR);
  }
}

void HttpServer::Forget(uint64_t number) {
  connections_.remove_if([number](const Connection& one) { return one.number == number; });
}

HttpServer::Connection* HttpServer::OnBegin(MHD_Connection* handle, int fd) {
  absl::MutexLock lock(&mutex_);
  const auto found = std::find_if(connections_.begin(), connections_.end(),
                                  [fd](const Connection& one) { return one.fd == fd; });
  found->handle = handle;
  if (options_.tls != nullptr) {
    RefreshCredentials().IgnoreError();  // Whoever has read the files has said what is wrong.
    found->credentials = credentials_;
    const auto* const info = MHD_get_connection_info(handle, MHD_CONNECTION_INFO_GNUTLS_SESSION);
    credentials_->ApplyTo(static_cast<gnutls_session_int*>(info->tls_session),
                          options_.requires_client_certificate);
  }
  return &*found;
}

void HttpServer::OnEnd(const Connection& connection) {
  absl::MutexLock lock(&mutex_);
  Forget(connection.number);
}

// Comes again, for the same request, when a connection that waited has been resumed. Returns false
// to have it closed.
bool HttpServer::OnRequest(Connection* connection, absl::string_view method,
                           absl::string_view path) {
  absl::MutexLock lock(&mutex_);
  if (stopping_) return false;
  if (connection->phase == Phase::kMade) {
    connection->phase = Phase::kTalking;
    return Send(connection->handle, std::exchange(connection->answer, {}));
  }
  if (const absl::optional<HttpAnswer> answer = AnswerAtOnce(method, path); answer.has_value()) {
    return Send(connection->handle, *answer);
  }
  connection->phase = Phase::kWaiting;
  connection->path = std::string(path);
  MHD_suspend_connection(connection->handle);
  return true;
}

void HttpServer::MakePages() {
  const auto is_wanted = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    return stopping_ || NextWaiting() != nullptr;
  };
  absl::MutexLock lock(&mutex_);
  while (true) {
    mutex_.Await(absl::Condition(&is_wanted));
    if (stopping_) return;
    Connection* const next = NextWaiting();
    next->is_being_made = true;
    const uint64_t number = next->number;
    const std::string path = next->path;
    mutex_.Unlock();
    HttpAnswer answer = MakePage(path, handlers_);
    mutex_.Lock();
    for (Connection& connection : connections_) {
      if (connection.number != number || connection.phase != Phase::kWaiting) continue;
      Resume(&connection, std::move(answer));
      break;
    }
  }
}

HttpServer::Connection* HttpServer::NextWaiting() {
  for (Connection& connection : connections_) {
    if (connection.phase == Phase::kWaiting && !connection.is_being_made) return &connection;
  }
  return nullptr;
}

void HttpServer::Resume(Connection* connection, HttpAnswer answer) {
  connection->phase = Phase::kMade;
  connection->answer = std::move(answer);
  MHD_resume_connection(connection->handle);
}

}  // namespace router
