#ifndef ROUTER_TRANSPORTS_NATS_NATS_CONNECTION_H_
#define ROUTER_TRANSPORTS_NATS_NATS_CONNECTION_H_

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "transports/message.h"
#include "transports/nats/jetstream_api.h"
#include "transports/nats/lame_duck.h"
#include "transports/nats/nats_options.h"
#include "transports/nats/reply_subject.h"
#include "transports/nats/server_url.h"

struct __natsConnection;
struct __natsMsg;
struct __natsSubscription;

namespace router {

// One connection to one server, driven by the thread that made it: no thread of the library reads,
// writes, pings or reconnects. Nothing but Connect ever waits. Not thread-safe.
//
// What is sent stands in the library's buffer until Write; what arrives is read by Read and taken
// with NextReply. Once the socket has closed, `closed` is true and everything else fails.
class NatsConnection {
 public:
  // What came in on the inbox of this connection. The views are valid until the next call.
  struct Reply {
    ReplyKind kind = ReplyKind::kAck;
    uint64_t number = 0;
    bool no_responders = false;
    absl::string_view data;
    // Of a stored message that a reader has delivered (kSearch, no number); else empty.
    absl::string_view reader_reply;
    absl::string_view message_id;
  };

  enum class SendResult {
    kBuffered,
    kTooLarge,     // Over the server's max_payload. Nothing was buffered.
    kUnsupported,  // The server knows no headers. Nothing was buffered.
    kFailed,       // Closed, or out of memory. Nothing was buffered.
  };

  // Connects within `options.connect_timeout` (host name look-up aside), or fails with UNAVAILABLE
  // and what happened, without secrets. CANCELLED as soon as `cancel_fd` is readable.
  static absl::StatusOr<std::unique_ptr<NatsConnection>> Connect(const NatsOptions& options,
                                                                 const ServerUrl& server,
                                                                 int cancel_fd);

  // Whether nats.c takes these settings at all: certificate files that can be read, and the like.
  static absl::Status Validate(const NatsOptions& options, const ServerUrl& server);

  // Closes without flushing.
  ~NatsConnection();
  NatsConnection(const NatsConnection&) = delete;
  NatsConnection& operator=(const NatsConnection&) = delete;

  // Sends a message whose confirmation will be the fence: as it is, with no reply subject.
  SendResult SendCore(const Message& message);
  // Sends a message that JetStream will answer with ReplyKind::kAck and `number`.
  SendResult SendStored(const Message& message, uint64_t number);
  // The same two, with the header "Router-Possible-Duplicate: true" (see Delivery).
  SendResult SendCoreAgain(const Message& message);
  SendResult SendStoredAgain(const Message& message, uint64_t number);
  // Sends an empty message to ourselves: it comes back as ReplyKind::kFence and `number`.
  SendResult SendFence(uint64_t number);
  // Asks JetStream's API: answered by `kind` and `number`. With number 0 no answer is asked for.
  SendResult SendRequest(const ApiRequest& request, ReplyKind kind, uint64_t number);

  // Gives the socket as much of the buffer as it takes. Returns whether it took any.
  bool Write();
  // Reads what is there, up to one buffer.
  void Read();
  // The next of what was read. False when there is none.
  bool NextReply(Reply* reply);

  // Makes the socket close: Read goes on to return what had arrived, then `closed` is true.
  void Shutdown();

  bool closed() const { return closed_; }
  int socket() const { return socket_; }
  bool wants_write() const { return wants_write_ && !closed_; }
  int64_t buffered_bytes() const;

  // The server is about to go away.
  bool lame_duck() const { return lame_duck_.raised(); }
  // Why it closed, as far as the library knows. Without secrets.
  std::string LastError() const;
  // The last subject that the server did not let this client publish to; empty where the server's
  // words cannot be read. The library remembers no more than the last one.
  absl::optional<std::string> DeniedSubject() const;
  std::vector<std::string> DiscoveredServers() const;

  const std::string& server_name() const { return server_name_; }
  int64_t max_payload_bytes() const { return max_payload_bytes_; }

 private:
  struct EventLoopCallbacks;

  NatsConnection() = default;
  absl::Status Open(const NatsOptions& options, const ServerUrl& server, int cancel_fd);
  absl::Status SubscribeInbox();
  struct OwnHeaders {
    bool id;
    bool possible_duplicate;
  };
  SendResult SendWithHeaders(const Message& message, const char* reply, OwnHeaders own);
  bool IsFromReader(Reply* reply) const;
  void ReleaseReply();

  LameDuckFlag lame_duck_;
  __natsConnection* connection_ = nullptr;
  __natsSubscription* inbox_ = nullptr;
  __natsMsg* reply_ = nullptr;  // What the last NextReply returned points into it.

  std::string inbox_prefix_;  // "_INBOX.….".
  std::string server_name_;
  int64_t max_payload_bytes_ = 0;
  int socket_ = -1;
  bool wants_write_ = false;
  bool closed_ = false;

  // Scratch, so that sending allocates nothing here: the library wants C strings.
  std::string subject_;
  std::string reply_subject_;
  std::string header_key_;
  std::string header_value_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_NATS_CONNECTION_H_
