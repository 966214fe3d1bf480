#ifndef ROUTER_SERVER_CONFIG_CONFIG_CHANGE_H_
#define ROUTER_SERVER_CONFIG_CONFIG_CHANGE_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "server/config/config.h"

namespace router {

// A setting whose value is another one now. Both values are in the notation of flags, and the same
// where it is the content of a secret file that has changed: that is never shown.
struct SettingChange {
  absl::string_view name;
  std::string before;
  std::string after;
};

// What is different in another reading of the configuration, in the order of the documentation.
struct ConfigDifference {
  std::vector<SettingChange> reloadable;     // Takes effect while the router runs.
  std::vector<SettingChange> needs_restart;  // Does not.
};

ConfigDifference Compare(const Settings& before, const Settings& after);

// Gives `config` the reloadable settings of `loaded`, and the sources of those that have not
// changed.
void TakeReloadable(const LoadedConfig& loaded, LoadedConfig* config);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_CONFIG_CHANGE_H_
