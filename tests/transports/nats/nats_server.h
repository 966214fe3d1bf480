#ifndef ROUTER_TESTS_TRANSPORTS_NATS_NATS_SERVER_H_
#define ROUTER_TESTS_TRANSPORTS_NATS_NATS_SERVER_H_

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace router {

// A real nats-server on loopback, found in PATH, with its data in a temporary folder. It runs from
// the constructor on, keeps port and data when it is started again, and is gone with this object,
// or with the process. Whatever does not work ends the test process. Not thread-safe.
class NatsServer {
 public:
  struct Options {
    bool jetstream = true;
    bool start = true;   // False: not before Start.
    std::string config;  // More lines of the server's configuration file.
  };

  NatsServer() : NatsServer(Options()) {}
  explicit NatsServer(const Options& options);
  ~NatsServer();
  NatsServer(const NatsServer&) = delete;
  NatsServer& operator=(const NatsServer&) = delete;

  int port() const { return port_; }
  std::string url() const;  // "nats://127.0.0.1:port".
  const std::string& folder() const { return folder_; }

  void Start();          // Returns when it greets clients.
  void Kill();           // kill -9, as if its machine had gone.
  void Terminate();      // SIGTERM; returns when it has ended.
  void Freeze();         // SIGSTOP: connections stay, nothing answers.
  void Thaw();           // SIGCONT.
  void EnterLameDuck();  // It takes no more clients, and says good-bye to those it has.
  bool running() const { return pid_ > 0; }

 private:
  void SignalAndWait(int signal);

  std::string folder_;
  int port_ = 0;
  pid_t pid_ = 0;
};

// What a test does to a server behind the transport's back, over a connection of its own.
class NatsAdmin {
 public:
  // `url` may carry credentials.
  explicit NatsAdmin(const std::string& url);
  ~NatsAdmin();
  NatsAdmin(const NatsAdmin&) = delete;
  NatsAdmin& operator=(const NatsAdmin&) = delete;

  struct Stream {
    std::string name;
    std::vector<std::string> subjects;
    int64_t messages_max = -1;
    bool discard_new = false;  // Full: refuse, instead of dropping the oldest.
    int32_t message_bytes_max = -1;
    bool in_memory = false;
    absl::Duration duplicate_window = absl::Minutes(2);
  };
  void AddStream(const Stream& stream);
  void DeleteStream(const std::string& name);
  void PurgeStream(const std::string& name);

  struct StoredMessage {
    uint64_t sequence = 0;
    std::string subject;
    std::string message_id;
    std::string payload;
    std::vector<std::pair<std::string, std::string>> headers;  // But Nats-Msg-Id.
  };
  // Everything in the stream, in order.
  std::vector<StoredMessage> ReadStream(const std::string& name);
  uint64_t CountMessages(const std::string& name);

 private:
  struct Handles;
  Handles* const handles_;
};

// A port of loopback that was free a moment ago.
int FreePort();

}  // namespace router

#endif  // ROUTER_TESTS_TRANSPORTS_NATS_NATS_SERVER_H_
