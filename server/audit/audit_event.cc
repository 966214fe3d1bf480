#include "server/audit/audit_event.h"

#include <algorithm>

#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_format.h"

namespace router {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kTimeFormat[] = "%Y-%m-%dT%H:%M:%E*SZ";

// The member of an object, if it is a string; "" otherwise.
std::string Text(const Json& object, const char* name) {
  const auto member = object.find(name);
  return member != object.end() && member->is_string() ? member->get<std::string>() : "";
}

}  // namespace

std::string ToJsonLine(const AuditEvent& event) {
  Json object;
  object["id"] = event.id;
  object["time"] = absl::FormatTime(kTimeFormat, event.time, absl::UTCTimeZone());
  object["actor"] = event.actor;
  object["method"] = event.method;
  object["reason"] = event.reason;
  object["detail"] = event.detail;
  object["outcome"] = event.outcome;
  object["request_id"] = event.request_id;
  return object.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::optional<AuditEvent> FromJsonLine(absl::string_view line) {
  const Json object = Json::parse(line.begin(), line.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::nullopt;
  AuditEvent event;
  event.id = Text(object, "id");
  std::string why;
  if (!ParseAuditId(event.id).has_value() ||
      !absl::ParseTime(absl::RFC3339_full, Text(object, "time"), &event.time, &why)) {
    return absl::nullopt;
  }
  event.actor = Text(object, "actor");
  event.method = Text(object, "method");
  event.reason = Text(object, "reason");
  event.detail = Text(object, "detail");
  event.outcome = Text(object, "outcome");
  event.request_id = Text(object, "request_id");
  return event;
}

std::string MakeAuditId(uint64_t number) { return absl::StrFormat("%020d", number); }

absl::optional<uint64_t> ParseAuditId(absl::string_view id) {
  uint64_t number = 0;
  // SimpleAtoi alone would take spaces and a sign, too.
  if (id.size() != kAuditIdDigits || !std::all_of(id.begin(), id.end(), absl::ascii_isdigit) ||
      !absl::SimpleAtoi(id, &number)) {
    return absl::nullopt;
  }
  return number;
}

int64_t SizeBytes(const AuditEvent& event) {
  return static_cast<int64_t>(sizeof(event) + event.id.size() + event.actor.size() +
                              event.method.size() + event.reason.size() + event.detail.size() +
                              event.outcome.size() + event.request_id.size());
}

}  // namespace router
