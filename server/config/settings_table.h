#ifndef ROUTER_SERVER_CONFIG_SETTINGS_TABLE_H_
#define ROUTER_SERVER_CONFIG_SETTINGS_TABLE_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "absl/types/variant.h"
#include "server/config/settings.h"

namespace router {

// One setting: what flags, environment variables, the YAML file, --help, --print-config and the
// documentation know about it.
struct SettingSpec {
  // Where the value goes. The type says what values there are: whole numbers (also with KiB, MiB,
  // GiB where the name ends in _bytes), milliseconds for durations, lists separated by commas.
  using Member = absl::variant<bool Settings::*, int64_t Settings::*, absl::Duration Settings::*,
                               std::string Settings::*, std::vector<std::string> Settings::*>;

  absl::string_view name;     // The flag; in capitals behind ROUTER_, the environment variable.
  absl::string_view section;  // Section of the YAML file; empty: none.
  Member member;
  absl::string_view default_text;  // In the notation of flags.
  absl::string_view description;   // One line.

  int64_t min = 0;  // Numbers and durations, in the unit of the name.
  int64_t max = 0;
  std::vector<absl::string_view> choices = {};  // Text: the values allowed; empty: any.
  bool in_file = true;                          // Whether the YAML file may set it.

  bool reloadable = false;  // Whether a reload changes it while the router runs.

  // The content of the file that this setting names goes here; it is a secret.
  std::string Settings::*secret = nullptr;

  // The name without the section.
  absl::string_view key() const { return section.empty() ? name : name.substr(section.size() + 1); }
};

// All settings, in the order of the documentation: those of a section stand together.
absl::Span<const SettingSpec> SettingsTable();

// Null when there is none of that name.
const SettingSpec* FindSetting(absl::string_view name);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_SETTINGS_TABLE_H_
