// The input as a configuration file. What it sets is printed as a file that sets the same. No other
// file is read.
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "server/config/config.h"
#include "server/config/config_sources.h"
#include "server/config/setting_value.h"
#include "server/config/settings_check.h"
#include "server/config/settings_table.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

// False where a value is not allowed.
bool Apply(const SourceContent& content, Settings* settings) {
  bool all = true;
  for (const Assignment& assignment : content.assignments) {
    all = SetValue(*assignment.setting, assignment.text, *settings) && all;
  }
  return all;
}

std::vector<EffectiveSetting> Effective(const Settings& settings) {
  std::vector<EffectiveSetting> effective;
  for (const SettingSpec& setting : SettingsTable()) {
    effective.push_back({setting.name, FormatValue(setting, settings), "file", ""});
  }
  return effective;
}

void Fuzz(const std::string& text) {
  Settings settings = DefaultSettings();
  const SourceContent content = ReadYaml("fuzz.yaml", text);
  const bool allowed = Apply(content, &settings);
  CheckSettings(settings);
  if (!allowed || !content.errors.empty()) return;

  const std::vector<EffectiveSetting> effective = Effective(settings);
  const SourceContent printed = ReadYaml("printed.yaml", PrintConfig(effective));
  Require(printed.errors.empty(), "what is printed can be read");
  Settings again = DefaultSettings();
  Require(Apply(printed, &again), "what is printed is allowed");
  for (const EffectiveSetting& setting : effective) {
    Require(FormatValue(*FindSetting(setting.name), again) == setting.value,
            "what is printed sets the same");
  }
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz(std::string(reinterpret_cast<const char*>(data), size));
  return 0;
}
