#include "server/config/config_change.h"

#include <cstddef>

#include "server/config/setting_value.h"
#include "server/config/settings_table.h"

namespace router {
namespace {

bool HasOtherSecret(const SettingSpec& setting, const Settings& before, const Settings& after) {
  return setting.secret != nullptr && before.*setting.secret != after.*setting.secret;
}

void CopyValue(const SettingSpec& setting, const Settings& from, Settings* to) {
  absl::visit([&](auto member) { to->*member = from.*member; }, setting.member);
}

}  // namespace

ConfigDifference Compare(const Settings& before, const Settings& after) {
  ConfigDifference difference;
  for (const SettingSpec& setting : SettingsTable()) {
    SettingChange change{setting.name, FormatValue(setting, before), FormatValue(setting, after)};
    if (change.before == change.after && !HasOtherSecret(setting, before, after)) continue;
    auto& list = setting.reloadable ? difference.reloadable : difference.needs_restart;
    list.push_back(std::move(change));
  }
  return difference;
}

void TakeReloadable(const LoadedConfig& loaded, LoadedConfig* config) {
  const auto table = SettingsTable();
  for (size_t i = 0; i < table.size(); ++i) {
    const bool is_same = loaded.effective[i].value == config->effective[i].value;
    if (!table[i].reloadable && !is_same) continue;
    CopyValue(table[i], loaded.settings, &config->settings);
    config->effective[i] = loaded.effective[i];
  }
}

}  // namespace router
