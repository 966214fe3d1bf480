#include "transports/nats/nats_connection.h"

#include <nats/nats.h>
#include <sys/socket.h>

#include <chrono>
#include <cstdlib>
#include <cstring>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "absl/time/time.h"
#include "transports/nats/connect_options.h"
#include "transports/nats/library_guard.h"

namespace router {
namespace {

constexpr char kMessageIdHeader[] = "Nats-Msg-Id";
constexpr char kPossibleDuplicateHeader[] = "Router-Possible-Duplicate";

void OnLameDuck(natsConnection* /*connection*/, void* closure) { LameDuckFlag::Raise(closure); }

// The value of "server_name" in an INFO line. Empty where there is none.
std::string ServerNameFromInfo(absl::string_view info) {
  constexpr absl::string_view kKey = "\"server_name\":\"";
  const size_t begin = info.find(kKey);
  if (begin == absl::string_view::npos) return "";
  info.remove_prefix(begin + kKey.size());
  const size_t end = info.find('"');
  return end == absl::string_view::npos ? "" : std::string(info.substr(0, end));
}

// The library puts the place in its source in front: "(conn.c:733): …".
absl::string_view WithoutSourceLine(absl::string_view text) {
  const size_t end = text.find("): ");
  return absl::StartsWith(text, "(") && end != absl::string_view::npos ? text.substr(end + 3)
                                                                       : text;
}

std::string WhyConnectFailed(const BoundedConnectScope& scope, natsStatus status) {
  if (scope.timed_out()) {
    return scope.first_bytes().empty() ? "timed out waiting for the server"
                                       : "timed out: the server greeted and then fell silent";
  }
  const char* const detail = nats_GetLastError(nullptr);
  if (detail == nullptr || *detail == '\0') return natsStatus_GetText(status);
  return std::string(WithoutSourceLine(detail));
}

NatsConnection::SendResult ToSendResult(natsStatus status) {
  switch (status) {
    case NATS_OK:
      return NatsConnection::SendResult::kBuffered;
    case NATS_MAX_PAYLOAD:
      return NatsConnection::SendResult::kTooLarge;
    case NATS_NO_SERVER_SUPPORT:
      return NatsConnection::SendResult::kUnsupported;
    default:
      return NatsConnection::SendResult::kFailed;
  }
}

}  // namespace

// What the library calls instead of running threads of its own; always on our thread, from inside a
// call that we make.
struct NatsConnection::EventLoopCallbacks {
  static natsStatus Attach(void** user_data, void* loop, natsConnection* /*connection*/,
                           natsSock socket) {
    auto* const self = static_cast<NatsConnection*>(loop);
    self->socket_ = socket;
    self->closed_ = false;
    *user_data = self;
    return NATS_OK;
  }
  static natsStatus Read(void* /*user_data*/, bool /*add*/) { return NATS_OK; }
  static natsStatus Write(void* user_data, bool add) {
    static_cast<NatsConnection*>(user_data)->wants_write_ = add;
    return NATS_OK;
  }
  static natsStatus Detach(void* user_data) {
    static_cast<NatsConnection*>(user_data)->closed_ = true;
    return NATS_OK;
  }
};

absl::Status NatsConnection::Validate(const NatsOptions& options, const ServerUrl& server) {
  return MakeLibraryOptions(options, server).status();
}

absl::StatusOr<std::unique_ptr<NatsConnection>> NatsConnection::Connect(const NatsOptions& options,
                                                                        const ServerUrl& server,
                                                                        int cancel_fd) {
  std::unique_ptr<NatsConnection> connection(new NatsConnection());
  const absl::Status opened = connection->Open(options, server, cancel_fd);
  if (!opened.ok()) return opened;
  return connection;
}

absl::Status NatsConnection::Open(const NatsOptions& options, const ServerUrl& server,
                                  int cancel_fd) {
  absl::StatusOr<NatsLibraryOptions> made = MakeLibraryOptions(options, server);
  if (!made.ok()) return made.status();
  natsOptions* const library_options = made->get();
  natsStatus status = natsOptions_SetEventLoop(library_options, this, EventLoopCallbacks::Attach,
                                               EventLoopCallbacks::Read, EventLoopCallbacks::Write,
                                               EventLoopCallbacks::Detach);
  if (status == NATS_OK) {
    status = natsOptions_SetLameDuckModeCB(library_options, OnLameDuck, lame_duck_.closure());
  }
  if (status != NATS_OK) return absl::InternalError(natsStatus_GetText(status));

  BoundedConnectScope scope(
      std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(options.connect_timeout),
      cancel_fd);
  status = natsConnection_Connect(&connection_, library_options);
  if (scope.cancelled()) return absl::CancelledError("cancelled");
  if (status != NATS_OK) {
    return absl::UnavailableError(WithoutSecrets(WhyConnectFailed(scope, status), options, server));
  }
  server_name_ = ServerNameFromInfo(scope.first_bytes());
  max_payload_bytes_ = natsConnection_GetMaxPayload(connection_);
  return SubscribeInbox();
}

absl::Status NatsConnection::SubscribeInbox() {
  natsInbox* inbox = nullptr;
  natsStatus status = natsInbox_Create(&inbox);
  if (status == NATS_OK) {
    inbox_prefix_ = absl::StrCat(inbox, ".");
    natsInbox_Destroy(inbox);
    const std::string wildcard = absl::StrCat(inbox_prefix_, "*");
    status = natsConnection_SubscribeSync(&inbox_, connection_, wildcard.c_str());
  }
  if (status == NATS_OK) status = natsSubscription_SetPendingLimits(inbox_, -1, -1);
  if (status != NATS_OK) {
    return absl::UnavailableError(
        absl::StrCat("subscribing to the inbox: ", natsStatus_GetText(status)));
  }
  return absl::OkStatus();
}

NatsConnection::~NatsConnection() {
  ReleaseReply();
  if (connection_ == nullptr) return;
  // Destroying an open connection with something in its buffer waits for a flush that nobody does.
  Shutdown();
  constexpr int kMaxReads = 1000;
  for (int i = 0; i < kMaxReads && !closed_; ++i) Read();
  natsSubscription_Destroy(inbox_);
  natsConnection_Destroy(connection_);
}

NatsConnection::SendResult NatsConnection::SendCore(const Message& message) {
  const bool with_id = message.caller_chose_id;
  if (with_id || !message.headers.empty()) {
    return SendWithHeaders(message, nullptr, {with_id, /*possible_duplicate=*/false});
  }
  subject_.assign(message.subject.data(), message.subject.size());
  return ToSendResult(natsConnection_Publish(connection_, subject_.c_str(), message.payload.data(),
                                             static_cast<int>(message.payload.size())));
}

NatsConnection::SendResult NatsConnection::SendStored(const Message& message, uint64_t number) {
  reply_subject_.assign(inbox_prefix_);
  AppendReplyToken(ReplyKind::kAck, number, &reply_subject_);
  return SendWithHeaders(message, reply_subject_.c_str(), {true, /*possible_duplicate=*/false});
}

NatsConnection::SendResult NatsConnection::SendCoreAgain(const Message& message) {
  return SendWithHeaders(message, nullptr, {message.caller_chose_id, true});
}

NatsConnection::SendResult NatsConnection::SendStoredAgain(const Message& message,
                                                           uint64_t number) {
  reply_subject_.assign(inbox_prefix_);
  AppendReplyToken(ReplyKind::kAck, number, &reply_subject_);
  return SendWithHeaders(message, reply_subject_.c_str(), {true, true});
}

NatsConnection::SendResult NatsConnection::SendWithHeaders(const Message& message,
                                                           const char* reply, OwnHeaders own) {
  const EventLoopScope scope;
  subject_.assign(message.subject.data(), message.subject.size());
  natsMsg* to_send = nullptr;
  natsStatus status = natsMsg_Create(&to_send, subject_.c_str(), reply, message.payload.data(),
                                     static_cast<int>(message.payload.size()));
  if (status == NATS_OK && own.id) {
    header_value_.assign(message.message_id.data(), message.message_id.size());
    status = natsMsgHeader_Set(to_send, kMessageIdHeader, header_value_.c_str());
  }
  if (status == NATS_OK && own.possible_duplicate) {
    status = natsMsgHeader_Set(to_send, kPossibleDuplicateHeader, "true");
  }
  for (const Header& header : message.headers) {
    if (status != NATS_OK) break;
    header_key_.assign(header.key.data(), header.key.size());
    header_value_.assign(header.value.data(), header.value.size());
    status = natsMsgHeader_Add(to_send, header_key_.c_str(), header_value_.c_str());
  }
  if (status == NATS_OK) status = natsConnection_PublishMsg(connection_, to_send);
  natsMsg_Destroy(to_send);
  return ToSendResult(status);
}

NatsConnection::SendResult NatsConnection::SendFence(uint64_t number) {
  subject_.assign(inbox_prefix_);
  AppendReplyToken(ReplyKind::kFence, number, &subject_);
  return ToSendResult(natsConnection_Publish(connection_, subject_.c_str(), nullptr, 0));
}

NatsConnection::SendResult NatsConnection::SendRequest(const ApiRequest& request, ReplyKind kind,
                                                       uint64_t number) {
  const int size = static_cast<int>(request.data.size());
  if (number == 0) {
    return ToSendResult(
        natsConnection_Publish(connection_, request.subject.c_str(), request.data.data(), size));
  }
  reply_subject_.assign(inbox_prefix_);
  AppendReplyToken(kind, number, &reply_subject_);
  return ToSendResult(natsConnection_PublishRequest(
      connection_, request.subject.c_str(), reply_subject_.c_str(), request.data.data(), size));
}

bool NatsConnection::Write() {
  // With an empty buffer the library would take the socket's "0 bytes" for its end.
  if (!wants_write()) return false;
  const int64_t before = buffered_bytes();
  if (before == 0) return false;
  natsConnection_ProcessWriteEvent(connection_);
  return closed_ || buffered_bytes() < before;
}

void NatsConnection::Read() {
  if (closed_) return;
  const EventLoopScope scope;
  natsConnection_ProcessReadEvent(connection_);
}

bool NatsConnection::NextReply(Reply* reply) {
  const EventLoopScope scope;
  for (;;) {
    ReleaseReply();
    if (closed_ || natsSubscription_NextMsg(&reply_, inbox_, 0) != NATS_OK) return false;
    *reply = Reply();
    if (IsFromReader(reply)) return true;
    absl::string_view token = natsMsg_GetSubject(reply_);
    if (!absl::ConsumePrefix(&token, inbox_prefix_)) continue;
    if (!ParseReplyToken(token, &reply->kind, &reply->number)) continue;
    reply->data = absl::string_view(natsMsg_GetData(reply_),
                                    static_cast<size_t>(natsMsg_GetDataLength(reply_)));
    const char* status = nullptr;
    reply->no_responders = reply->data.empty() && reply->kind != ReplyKind::kFence &&
                           natsMsgHeader_Get(reply_, "Status", &status) == NATS_OK &&
                           std::strncmp(status, "503", 3) == 0;
    return true;
  }
}

// What a reader delivers comes with its own subject, and a reply subject that tells of the reader.
bool NatsConnection::IsFromReader(Reply* reply) const {
  const char* reply_subject = natsMsg_GetReply(reply_);
  if (reply_subject == nullptr) return false;
  const char* id = nullptr;
  reply->kind = ReplyKind::kSearch;
  reply->reader_reply = reply_subject;
  if (natsMsgHeader_Get(reply_, kMessageIdHeader, &id) == NATS_OK) reply->message_id = id;
  return true;
}

void NatsConnection::ReleaseReply() {
  natsMsg_Destroy(reply_);
  reply_ = nullptr;
}

void NatsConnection::Shutdown() {
  if (!closed_ && socket_ >= 0) shutdown(socket_, SHUT_RDWR);
}

int64_t NatsConnection::buffered_bytes() const {
  return closed_ ? 0 : std::max(0, natsConnection_Buffered(connection_));
}

std::string NatsConnection::LastError() const {
  const char* text = nullptr;
  const natsStatus status = natsConnection_GetLastError(connection_, &text);
  if (status == NATS_OK || status == NATS_CONNECTION_CLOSED)
    return "the server closed the connection";
  return text == nullptr || *text == '\0' ? natsStatus_GetText(status) : text;
}

absl::optional<std::string> NatsConnection::DeniedSubject() const {
  const char* text = nullptr;
  if (natsConnection_GetLastError(connection_, &text) != NATS_NOT_PERMITTED) return absl::nullopt;
  constexpr absl::string_view kBegin = "Publish to \"";
  absl::string_view rest(text);
  const size_t begin = rest.find(kBegin);
  if (begin == absl::string_view::npos) return absl::nullopt;  // About a subscription.
  rest.remove_prefix(begin + kBegin.size());
  // Cut off, or escaped.
  if (!absl::ConsumeSuffix(&rest, "\"") || absl::StrContains(rest, '\\')) return "";
  return std::string(rest);
}

std::vector<std::string> NatsConnection::DiscoveredServers() const {
  char** urls = nullptr;
  int count = 0;
  std::vector<std::string> servers;
  if (natsConnection_GetDiscoveredServers(connection_, &urls, &count) != NATS_OK) return servers;
  for (int i = 0; i < count; ++i) {
    servers.emplace_back(urls[i]);
    std::free(urls[i]);
  }
  std::free(urls);
  return servers;
}

}  // namespace router
