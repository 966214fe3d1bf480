#include <nats/nats.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/transports/nats/nats_server.h"

namespace router {
namespace {

void Check(natsStatus status, const char* what) {
  if (status == NATS_OK) return;
  std::fprintf(stderr, "NatsAdmin: %s: %s\n", what, natsStatus_GetText(status));
  std::abort();
}

std::vector<std::pair<std::string, std::string>> ReadHeaders(natsMsg* message) {
  std::vector<std::pair<std::string, std::string>> headers;
  const char** keys = nullptr;
  int count = 0;
  if (natsMsgHeader_Keys(message, &keys, &count) != NATS_OK) return headers;
  for (int i = 0; i < count; ++i) {
    const char* value = nullptr;
    if (absl::string_view(keys[i]) == "Nats-Msg-Id") continue;
    if (natsMsgHeader_Get(message, keys[i], &value) == NATS_OK)
      headers.emplace_back(keys[i], value);
  }
  std::free(keys);  // The library allocates the list, and keeps what is in it.
  return headers;
}

}  // namespace

struct NatsAdmin::Handles {
  natsConnection* connection = nullptr;
  jsCtx* jetstream = nullptr;
};

NatsAdmin::NatsAdmin(const std::string& url) : handles_(new Handles) {
  Check(natsConnection_ConnectTo(&handles_->connection, url.c_str()), "connect");
  Check(natsConnection_JetStream(&handles_->jetstream, handles_->connection, nullptr), "JetStream");
}

NatsAdmin::~NatsAdmin() {
  jsCtx_Destroy(handles_->jetstream);
  natsConnection_Destroy(handles_->connection);
  delete handles_;
}

void NatsAdmin::AddStream(const Stream& stream) {
  jsStreamConfig config;
  Check(jsStreamConfig_Init(&config), "stream config");
  std::vector<const char*> subjects;
  for (const std::string& subject : stream.subjects) subjects.push_back(subject.c_str());
  config.Name = stream.name.c_str();
  config.Subjects = subjects.data();
  config.SubjectsLen = static_cast<int>(subjects.size());
  config.MaxMsgs = stream.messages_max;
  config.MaxMsgSize = stream.message_bytes_max;
  config.Discard = stream.discard_new ? js_DiscardNew : js_DiscardOld;
  config.Storage = stream.in_memory ? js_MemoryStorage : js_FileStorage;
  config.Duplicates = absl::ToInt64Nanoseconds(stream.duplicate_window);
  Check(js_AddStream(nullptr, handles_->jetstream, &config, nullptr, nullptr), "add stream");
}

void NatsAdmin::DeleteStream(const std::string& name) {
  Check(js_DeleteStream(handles_->jetstream, name.c_str(), nullptr, nullptr), "delete stream");
}

void NatsAdmin::PurgeStream(const std::string& name) {
  Check(js_PurgeStream(handles_->jetstream, name.c_str(), nullptr, nullptr), "purge stream");
}

std::vector<NatsAdmin::StoredMessage> NatsAdmin::ReadStream(const std::string& name) {
  jsStreamInfo* info = nullptr;
  Check(js_GetStreamInfo(&info, handles_->jetstream, name.c_str(), nullptr, nullptr), "info");
  const uint64_t first = std::max<uint64_t>(1, info->State.FirstSeq);
  const uint64_t last = info->State.LastSeq;
  jsStreamInfo_Destroy(info);
  std::vector<StoredMessage> messages;
  for (uint64_t sequence = first; sequence <= last; ++sequence) {
    natsMsg* message = nullptr;
    const natsStatus status =
        js_GetMsg(&message, handles_->jetstream, name.c_str(), sequence, nullptr, nullptr);
    if (status == NATS_NOT_FOUND) continue;
    Check(status, "get message");
    StoredMessage stored;
    stored.sequence = sequence;
    stored.subject = natsMsg_GetSubject(message);
    stored.payload.assign(natsMsg_GetData(message),
                          static_cast<size_t>(natsMsg_GetDataLength(message)));
    const char* id = nullptr;
    if (natsMsgHeader_Get(message, "Nats-Msg-Id", &id) == NATS_OK) stored.message_id = id;
    stored.headers = ReadHeaders(message);
    messages.push_back(std::move(stored));
    natsMsg_Destroy(message);
  }
  return messages;
}

uint64_t NatsAdmin::CountMessages(const std::string& name) {
  jsStreamInfo* info = nullptr;
  Check(js_GetStreamInfo(&info, handles_->jetstream, name.c_str(), nullptr, nullptr), "info");
  const uint64_t count = info->State.Msgs;
  jsStreamInfo_Destroy(info);
  return count;
}

}  // namespace router
