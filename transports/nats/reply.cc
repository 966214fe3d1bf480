#include "transports/nats/reply.h"

#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace router {
namespace {

using Json = nlohmann::json;

// Numbers from the server's table of errors (errors.json).
constexpr int kAccountResourcesExceeded = 10002;
constexpr int kMessageExceedsMaximum = 10054;
constexpr int kStreamSequenceNotMatch = 10063;
constexpr int kHeaderExceedsMaximum = 10097;
constexpr int kRollupFailed = 10111;
constexpr int kNoLimits = 10120;

void SkipSpace(absl::string_view* text) {
  while (!text->empty() && (text->front() == ' ' || text->front() == '\n')) text->remove_prefix(1);
}

bool Consume(absl::string_view literal, absl::string_view* text) {
  SkipSpace(text);
  return absl::ConsumePrefix(text, literal);
}

// Reads `"…"` without escapes.
bool ConsumeString(absl::string_view* text, absl::string_view* value) {
  if (!Consume("\"", text)) return false;
  const size_t end = text->find_first_of("\"\\");
  if (end == absl::string_view::npos || (*text)[end] != '"') return false;
  *value = text->substr(0, end);
  text->remove_prefix(end + 1);
  return true;
}

bool ConsumePositive(absl::string_view* text, uint64_t* value) {
  SkipSpace(text);
  uint64_t number = 0;
  size_t digits = 0;
  for (; digits < text->size() && (*text)[digits] >= '0' && (*text)[digits] <= '9'; ++digits) {
    const uint64_t digit = static_cast<uint64_t>((*text)[digits] - '0');
    if (number > (std::numeric_limits<uint64_t>::max() - digit) / 10) return false;
    number = number * 10 + digit;
  }
  text->remove_prefix(digits);
  *value = number;
  return number > 0;
}

bool ConsumeMember(absl::string_view key, absl::string_view* text, StoredReply* reply) {
  absl::string_view ignored;
  if (key == "stream") return ConsumeString(text, &reply->stream) && !reply->stream.empty();
  if (key == "seq") return ConsumePositive(text, &reply->sequence);
  if (key == "domain") return ConsumeString(text, &ignored);
  if (key != "duplicate") return false;
  if (Consume("true", text)) {
    reply->duplicate = true;
    return true;
  }
  reply->duplicate = false;
  return Consume("false", text);
}

int IntMember(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_number_integer() ? found->get<int>() : 0;
}

std::string StringMember(const Json& object, const char* key) {
  const auto found = object.find(key);
  return found != object.end() && found->is_string() ? found->get<std::string>() : "";
}

// Whether the server would refuse the same message again. Its errors of the 4xx kind are about the
// message, but for those about the account's present use.
bool IsPermanent(int code, int error_number) {
  switch (error_number) {
    case kAccountResourcesExceeded:
    case kNoLimits:
      return false;
    case kStreamSequenceNotMatch:
    case kRollupFailed:
      return true;
    default:
      return code == 400 || code == 409 || code == 412;
  }
}

PublishReply FromError(const Json& error) {
  PublishReply reply;
  const int code = IntMember(error, "code");
  const int number = IntMember(error, "err_code");
  reply.error = absl::StrCat(StringMember(error, "description"), " (", number, ")");
  if (!IsPermanent(code, number)) {
    reply.kind = PublishReply::Kind::kUnavailable;
    return reply;
  }
  reply.kind = PublishReply::Kind::kRefused;
  const bool too_large = number == kMessageExceedsMaximum || number == kHeaderExceedsMaximum;
  reply.refusal = too_large ? Refusal::kMessageTooLarge : Refusal::kOther;
  return reply;
}

}  // namespace

bool ParseStoredReply(absl::string_view data, StoredReply* reply) {
  *reply = StoredReply();
  if (!Consume("{", &data)) return false;
  do {
    absl::string_view key;
    if (!ConsumeString(&data, &key) || !Consume(":", &data)) return false;
    if (!ConsumeMember(key, &data, reply)) return false;
  } while (Consume(",", &data));
  if (!Consume("}", &data)) return false;
  SkipSpace(&data);
  return data.empty() && !reply->stream.empty() && reply->sequence > 0;
}

PublishReply ParsePublishReply(absl::string_view data) {
  PublishReply reply;
  const Json json = Json::parse(data.begin(), data.end(), nullptr, /*allow_exceptions=*/false);
  if (!json.is_object()) return reply;
  const auto error = json.find("error");
  if (error != json.end() && error->is_object()) return FromError(*error);

  const auto sequence = json.find("seq");
  reply.stream = StringMember(json, "stream");
  if (reply.stream.empty() || sequence == json.end() || !sequence->is_number_unsigned()) {
    return reply;
  }
  reply.sequence = sequence->get<uint64_t>();
  if (reply.sequence == 0) return reply;
  const auto duplicate = json.find("duplicate");
  reply.duplicate = duplicate != json.end() && duplicate->is_boolean() && duplicate->get<bool>();
  reply.kind = PublishReply::Kind::kStored;
  return reply;
}

}  // namespace router
