#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "absl/types/optional.h"
#include "server/config/config_sources.h"
#include "server/config/setting_value.h"
#include "server/config/suggestion.h"

namespace router {
namespace {

constexpr absl::string_view kCommandFlags[] = {"check-config", "help", "print-config", "version"};
constexpr absl::string_view kEnvironmentPrefix = "ROUTER_";

std::vector<absl::string_view> FlagNames() {
  std::vector<absl::string_view> names(std::begin(kCommandFlags), std::end(kCommandFlags));
  for (const SettingSpec& setting : SettingsTable()) names.push_back(setting.name);
  return names;
}

// The boolean setting that `--no…` switches off; null when it is not such a flag.
const SettingSpec* FindNegated(absl::string_view name) {
  if (!absl::ConsumePrefix(&name, "no")) return nullptr;
  const SettingSpec* const setting = FindSetting(name);
  return setting != nullptr && IsBool(*setting) ? setting : nullptr;
}

class FlagReader {
 public:
  explicit FlagReader(absl::Span<const std::string> args) : args_(args) {}

  SourceContent Read() && {
    while (next_ < args_.size()) ReadOne(args_[next_++]);
    return std::move(content_);
  }

 private:
  void ReadOne(absl::string_view arg) {
    if (!absl::ConsumePrefix(&arg, "--") || arg.empty()) {
      content_.errors.push_back(
          absl::StrCat("unexpected argument \"", arg, "\"; settings are given as --name=value"));
      return;
    }
    const size_t equals = arg.find('=');
    const std::string name = absl::StrReplaceAll(arg.substr(0, equals), {{"-", "_"}});
    absl::optional<absl::string_view> value;
    if (equals != absl::string_view::npos) value = arg.substr(equals + 1);

    if (const SettingSpec* setting = FindSetting(name)) {
      ReadValue(*setting, value);
    } else if (const SettingSpec* negated = FindNegated(name)) {
      if (value.has_value()) {
        content_.errors.push_back(absl::StrCat("--", name, ": takes no value"));
      } else {
        content_.assignments.push_back({negated, "false", absl::StrCat("--", name)});
      }
    } else {
      content_.errors.push_back(
          absl::StrCat("--", name, ": unknown flag", DidYouMean(ClosestTo(name, FlagNames()))));
      SkipValueOfUnknown(value.has_value());
    }
  }

  void ReadValue(const SettingSpec& setting, absl::optional<absl::string_view> value) {
    const std::string place = absl::StrCat("--", setting.name);
    if (value.has_value()) {
      content_.assignments.push_back({&setting, std::string(*value), place});
    } else if (IsBool(setting)) {
      content_.assignments.push_back({&setting, "true", place});
    } else if (NextIsValue()) {
      content_.assignments.push_back({&setting, args_[next_++], place});
    } else {
      content_.errors.push_back(
          absl::StrCat(place, ": has no value; it must be ", AllowedValues(setting)));
    }
  }

  // So that one wrong name makes one error; the value might be a secret, too.
  void SkipValueOfUnknown(bool has_value) {
    if (!has_value && NextIsValue()) ++next_;
  }

  bool NextIsValue() const { return next_ < args_.size() && !absl::StartsWith(args_[next_], "--"); }

  const absl::Span<const std::string> args_;
  size_t next_ = 0;
  SourceContent content_;
};

bool AreDigits(absl::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit);
}

// ROUTER_SERVICE_HOST, ROUTER_SERVICE_PORT[_NAME], ROUTER_PORT=tcp://…,
// ROUTER_PORT_9001_TCP[_ADDR], also with more of the service's name in front. Kubernetes sets them
// in every container beside a service whose name begins with "router".
bool IsKubernetesServiceVariable(absl::string_view name, absl::string_view value) {
  if (absl::EndsWith(name, "_SERVICE_HOST") || absl::StrContains(name, "_SERVICE_PORT"))
    return true;
  if (absl::EndsWith(name, "_PORT")) return absl::StrContains(value, "://");
  const size_t port = name.find("_PORT_");
  if (port == absl::string_view::npos) return false;
  const absl::string_view number = name.substr(port + 6, name.find('_', port + 6) - (port + 6));
  const absl::string_view protocol = name.substr(port + 6 + number.size());
  return AreDigits(number) &&
         (absl::StartsWith(protocol, "_TCP") || absl::StartsWith(protocol, "_UDP") ||
          absl::StartsWith(protocol, "_SCTP"));
}

}  // namespace

absl::Span<const absl::string_view> CommandFlags() { return kCommandFlags; }

SourceContent ReadFlags(absl::Span<const std::string> args) { return FlagReader(args).Read(); }

SourceContent ReadEnvironment(absl::Span<const std::string> environment) {
  std::vector<std::string> known;
  for (const SettingSpec& setting : SettingsTable()) {
    known.push_back(absl::StrCat(kEnvironmentPrefix, absl::AsciiStrToUpper(setting.name)));
  }
  const std::vector<absl::string_view> candidates(known.begin(), known.end());
  SourceContent content;
  for (absl::string_view entry : environment) {
    if (!absl::StartsWith(entry, kEnvironmentPrefix)) continue;
    const absl::string_view name = entry.substr(0, entry.find('='));
    const auto found = std::find(known.begin(), known.end(), name);
    const absl::string_view value = absl::StripPrefix(entry.substr(name.size()), "=");
    if (found != known.end()) {
      content.assignments.push_back(
          {&SettingsTable()[found - known.begin()], std::string(value), std::string(name)});
    } else if (!IsKubernetesServiceVariable(name, value)) {
      content.errors.push_back(absl::StrCat(name, ": unknown environment variable",
                                            DidYouMean(ClosestTo(name, candidates))));
    }
  }
  return content;
}

}  // namespace router
