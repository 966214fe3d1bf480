#ifndef ROUTER_SERVER_CONFIG_SETTING_VALUE_H_
#define ROUTER_SERVER_CONFIG_SETTING_VALUE_H_

#include <string>

#include "absl/strings/string_view.h"
#include "server/config/settings.h"
#include "server/config/settings_table.h"

namespace router {

// Puts the value that `text` stands for into `settings`; false when it is not allowed.
bool SetValue(const SettingSpec& setting, absl::string_view text, Settings& settings);

// The value in the notation of flags.
std::string FormatValue(const SettingSpec& setting, const Settings& settings);

// Whether `text` has to be quoted in YAML to stay what it is: text and the items of lists.
bool IsText(const SettingSpec& setting);
bool IsList(const SettingSpec& setting);
bool IsBool(const SettingSpec& setting);

// "an integer from 1 to 64", "true or false", "one of reject, drop_oldest, block", …
std::string AllowedValues(const SettingSpec& setting);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_SETTING_VALUE_H_
