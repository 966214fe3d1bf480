#include "server/mode/mode_json.h"

#include <cstdint>
#include <nlohmann/json.hpp>

#include "absl/time/time.h"

namespace router {
namespace {

using Json = nlohmann::ordered_json;

bool GetText(const Json& object, const char* name, std::string* text) {
  const auto member = object.find(name);
  if (member == object.end() || !member->is_string()) return false;
  *text = member->get<std::string>();
  return true;
}

bool GetTime(const Json& object, const char* name, absl::Time* time) {
  std::string text;
  std::string why;
  return GetText(object, name, &text) && absl::ParseTime(absl::RFC3339_full, text, time, &why);
}

}  // namespace

std::string ModeToJson(const FailOpenState& state) {
  Json object;
  object["enabled"] = state.enabled;
  object["actor"] = state.actor;
  object["reason"] = state.reason;
  object["since"] = absl::FormatTime(absl::RFC3339_full, state.since, absl::UTCTimeZone());
  if (state.expire_time != absl::InfiniteFuture()) {
    object["expire_time"] =
        absl::FormatTime(absl::RFC3339_full, state.expire_time, absl::UTCTimeZone());
  }
  object["version"] = state.version;
  return object.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

absl::optional<FailOpenState> ModeFromJson(absl::string_view text) {
  const Json object = Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
  if (!object.is_object()) return absl::nullopt;
  FailOpenState state;
  const auto enabled = object.find("enabled");
  const auto version = object.find("version");
  if (enabled == object.end() || !enabled->is_boolean()) return absl::nullopt;
  if (version == object.end() || !version->is_number_unsigned()) return absl::nullopt;
  if (!GetText(object, "actor", &state.actor) || !GetText(object, "reason", &state.reason) ||
      !GetTime(object, "since", &state.since)) {
    return absl::nullopt;
  }
  if (object.contains("expire_time") && !GetTime(object, "expire_time", &state.expire_time)) {
    return absl::nullopt;
  }
  state.enabled = enabled->get<bool>();
  state.version = version->get<uint64_t>();
  return state;
}

}  // namespace router
