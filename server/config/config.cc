#include "server/config/config.h"

#include <map>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "server/config/config_sources.h"
#include "server/config/setting_value.h"
#include "server/config/settings_check.h"
#include "server/config/settings_table.h"
#include "server/config/text_file.h"

namespace router {
namespace {

// Puts the sources together, the weakest first.
class ConfigBuilder {
 public:
  ConfigBuilder() : settings_(DefaultSettings()) {}

  void Apply(absl::string_view source, const SourceContent& content) {
    AddErrors(content.errors);
    for (const Assignment& assignment : content.assignments) {
      if (SetValue(*assignment.setting, assignment.text, settings_)) {
        sources_[assignment.setting] = source;
      } else {
        errors_.push_back(Refusal(assignment));
      }
    }
  }

  absl::StatusOr<LoadedConfig> Build() && {
    AddErrors(CheckSettings(settings_));
    AddErrors(LoadSecrets(settings_));
    if (!errors_.empty()) return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
    LoadedConfig config;
    for (const SettingSpec& setting : SettingsTable()) {
      const auto source = sources_.find(&setting);
      config.effective.push_back({setting.name, FormatValue(setting, settings_),
                                  source == sources_.end() ? "default" : source->second,
                                  setting.description});
    }
    config.settings = std::move(settings_);
    return config;
  }

 private:
  // Lists are not repeated: a URL may hold credentials, wrongly.
  static std::string Refusal(const Assignment& assignment) {
    const SettingSpec& setting = *assignment.setting;
    const std::string value =
        IsList(setting) ? "the value" : absl::StrCat("\"", assignment.text, "\"");
    return absl::StrCat(assignment.place, ": ", value, " is not allowed for ", setting.name,
                        "; it must be ", AllowedValues(setting));
  }

  void AddErrors(const std::vector<std::string>& errors) {
    errors_.insert(errors_.end(), errors.begin(), errors.end());
  }

  Settings settings_;
  std::map<const SettingSpec*, absl::string_view> sources_;
  std::vector<std::string> errors_;
};

// The assignment of `config` that counts; null when there is none.
const Assignment* FindConfigPath(const SourceContent& flags, const SourceContent& environment) {
  for (const SourceContent* source : {&flags, &environment}) {
    for (auto it = source->assignments.rbegin(); it != source->assignments.rend(); ++it) {
      if (it->setting->name == "config") return &*it;
    }
  }
  return nullptr;
}

SourceContent ReadFile(const Assignment& path) {
  const absl::StatusOr<std::string> text = ReadTextFile(path.text);
  if (text.ok()) return ReadYaml(path.text, *text);
  return {{}, {absl::StrCat(path.place, ": ", text.status().message())}};
}

}  // namespace

absl::StatusOr<LoadedConfig> LoadConfig(absl::Span<const std::string> args,
                                        absl::Span<const std::string> environment) {
  const SourceContent flags = ReadFlags(args);
  const SourceContent variables = ReadEnvironment(environment);
  ConfigBuilder builder;
  const Assignment* const path = FindConfigPath(flags, variables);
  if (path != nullptr && !path->text.empty()) builder.Apply("file", ReadFile(*path));
  builder.Apply("environment", variables);
  builder.Apply("flag", flags);
  return std::move(builder).Build();
}

}  // namespace router
