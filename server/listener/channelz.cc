#include "server/listener/channelz.h"

#include <grpc/grpc.h>
#include <grpc/support/alloc.h>

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/string_view.h"

namespace router {
namespace {

using Json = nlohmann::json;

constexpr intptr_t kAll = 1 << 20;

// Takes the text over. An empty object where there is none.
Json Parse(char* text) {
  Json parsed = Json::object();
  if (text != nullptr) parsed = Json::parse(text, nullptr, false);
  gpr_free(text);
  return parsed.is_object() ? parsed : Json::object();
}

// 64-bit numbers are strings in JSON made of protobuf, and zeros are left out.
int64_t Number(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  int64_t number = 0;
  if (found == object.end() || !found->is_string()) return 0;
  return absl::SimpleAtoi(found->get_ref<const std::string&>(), &number) ? number : 0;
}

Json Member(const Json& object, const char* name) {
  const auto found = object.is_object() ? object.find(name) : object.end();
  return found == object.end() ? Json::object() : *found;
}

}  // namespace

int64_t NewestChannelzServer() {
  int64_t newest = 0;
  for (const Json& server : Member(Parse(grpc_channelz_get_servers(0)), "server")) {
    newest = std::max(newest, Number(Member(server, "ref"), "serverId"));
  }
  return newest;
}

std::vector<ChannelzSocket> ListChannelzSockets(int64_t server_id, int64_t first_id) {
  std::vector<ChannelzSocket> sockets;
  const Json listed = Parse(grpc_channelz_get_server_sockets(server_id, first_id, kAll));
  for (const Json& ref : Member(listed, "socketRef")) {
    // "chttp2 ipv4:127.0.0.1:5000"
    const Json name = Member(ref, "name");
    if (!name.is_string()) continue;
    const auto& text = name.get_ref<const std::string&>();
    sockets.push_back({text.substr(text.rfind(' ') + 1), Number(ref, "socketId")});
  }
  return sockets;
}

absl::optional<ConnectionCounts> ReadChannelzSocket(int64_t id) {
  const Json socket = Member(Parse(grpc_channelz_get_socket(id)), "socket");
  if (socket.empty()) return absl::nullopt;
  const Json data = Member(socket, "data");
  ConnectionCounts counts;
  counts.streams_started = Number(data, "streamsStarted");
  counts.streams_succeeded = Number(data, "streamsSucceeded");
  counts.streams_failed = Number(data, "streamsFailed");
  counts.messages_received = Number(data, "messagesReceived");
  return counts;
}

}  // namespace router
