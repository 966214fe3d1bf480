#include "transports/nats/jetstream_api.h"

#include <nlohmann/json.hpp>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace router {
namespace {

using Json = nlohmann::json;

constexpr absl::Duration kReaderIdleMax = absl::Seconds(30);

// Absent for anything but an object that reports no error.
absl::optional<Json> ParseAnswer(absl::string_view data) {
  Json json = Json::parse(data.begin(), data.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || json.contains("error")) return absl::nullopt;
  return json;
}

std::string StringMember(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

int64_t IntMember(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int64_t>() : 0;
}

const Json& ObjectMember(const Json& object, const char* key) {
  static const Json* const kEmpty = new Json(Json::object());
  const auto found = object.find(key);
  return found != object.end() && found->is_object() ? *found : *kEmpty;
}

absl::Time TimeMember(const Json& object, const char* key, absl::Time otherwise) {
  absl::Time time;
  std::string error;
  return absl::ParseTime(absl::RFC3339_full, StringMember(object, key), &time, &error) ? time
                                                                                       : otherwise;
}

// Subjects may hold bytes that are no UTF-8.
std::string Dump(const Json& json) {
  return json.dump(-1, ' ', false, Json::error_handler_t::replace);
}

}  // namespace

ApiRequest StreamNamesRequest(absl::string_view message_subject) {
  return {"$JS.API.STREAM.NAMES", Dump({{"subject", std::string(message_subject)}})};
}

ApiRequest StreamInfoRequest(absl::string_view stream) {
  return {absl::StrCat("$JS.API.STREAM.INFO.", stream), ""};
}

ApiRequest CreateReaderRequest(absl::string_view stream, absl::string_view message_subject,
                               absl::Time start) {
  const Json config = {
      {"deliver_policy", "by_start_time"},
      {"opt_start_time", absl::FormatTime(absl::RFC3339_full, start, absl::UTCTimeZone())},
      {"filter_subject", std::string(message_subject)},
      {"ack_policy", "none"},
      {"headers_only", true},
      {"mem_storage", true},
      {"num_replicas", 1},
      {"inactive_threshold", absl::ToInt64Nanoseconds(kReaderIdleMax)},
  };
  return {absl::StrCat("$JS.API.CONSUMER.CREATE.", stream),
          Dump({{"stream_name", std::string(stream)}, {"config", config}})};
}

ApiRequest ReadRequest(absl::string_view stream, absl::string_view reader, int batch) {
  return {absl::StrCat("$JS.API.CONSUMER.MSG.NEXT.", stream, ".", reader),
          Dump({{"batch", batch}, {"no_wait", true}})};
}

ApiRequest DeleteReaderRequest(absl::string_view stream, absl::string_view reader) {
  return {absl::StrCat("$JS.API.CONSUMER.DELETE.", stream, ".", reader), ""};
}

bool IsUnavailable(absl::string_view data) {
  const Json json = Json::parse(data.begin(), data.end(), nullptr, /*allow_exceptions=*/false);
  return json.is_object() && IntMember(ObjectMember(json, "error"), "code") == 503;
}

absl::optional<std::string> ParseStreamName(absl::string_view data) {
  const absl::optional<Json> json = ParseAnswer(data);
  if (!json.has_value()) return absl::nullopt;
  const auto streams = json->find("streams");
  if (streams == json->end()) return absl::nullopt;
  if (streams->is_null() || (streams->is_array() && streams->empty())) return "";
  if (!streams->is_array() || !streams->front().is_string()) return absl::nullopt;
  return streams->front().get<std::string>();
}

absl::optional<StreamFacts> ParseStreamInfo(absl::string_view data) {
  const absl::optional<Json> json = ParseAnswer(data);
  if (!json.has_value() || !json->contains("config") || !json->contains("state")) {
    return absl::nullopt;
  }
  const Json& config = ObjectMember(*json, "config");
  const Json& state = ObjectMember(*json, "state");
  StreamFacts facts;
  facts.duplicate_window = absl::Nanoseconds(IntMember(config, "duplicate_window"));
  facts.first_sequence = static_cast<uint64_t>(IntMember(state, "first_seq"));
  facts.keeps_all =
      StringMember(config, "retention") == "limits" && IntMember(state, "num_deleted") == 0;
  facts.first_time = IntMember(state, "messages") == 0
                         ? absl::InfiniteFuture()
                         : TimeMember(state, "first_ts", absl::InfiniteFuture());
  facts.last_time = IntMember(state, "last_seq") == 0
                        ? absl::InfinitePast()
                        : TimeMember(state, "last_ts", absl::InfiniteFuture());
  return facts;
}

absl::optional<ReaderFacts> ParseReaderCreated(absl::string_view data) {
  const absl::optional<Json> json = ParseAnswer(data);
  if (!json.has_value()) return absl::nullopt;
  ReaderFacts facts;
  facts.name = StringMember(*json, "name");
  facts.pending = static_cast<uint64_t>(IntMember(*json, "num_pending"));
  if (facts.name.empty()) return absl::nullopt;
  return facts;
}

// $JS.ACK.<stream>.<reader>.<deliveries>.<sequence>.<reader's sequence>.<time>.<pending>, and in
// newer servers <domain>.<account hash> behind ACK and one more token at the end.
absl::optional<ReaderMessage> ParseReaderMessage(absl::string_view reply_subject) {
  const std::vector<absl::string_view> tokens = absl::StrSplit(reply_subject, '.');
  if (tokens.size() < 9 || tokens[0] != "$JS" || tokens[1] != "ACK") return absl::nullopt;
  const size_t first = tokens.size() > 9 ? 4 : 2;
  if (tokens.size() < first + 7) return absl::nullopt;
  ReaderMessage message;
  message.reader = tokens[first + 1];
  if (!absl::SimpleAtoi(tokens[first + 3], &message.sequence) ||
      !absl::SimpleAtoi(tokens[first + 6], &message.pending)) {
    return absl::nullopt;
  }
  return message;
}

}  // namespace router
