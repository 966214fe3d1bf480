// The three places that settings are read from. Each reader reports everything it finds wrong.
#ifndef ROUTER_SERVER_CONFIG_CONFIG_SOURCES_H_
#define ROUTER_SERVER_CONFIG_CONFIG_SOURCES_H_

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/config/settings_table.h"

namespace router {

struct Assignment {
  const SettingSpec* setting;
  std::string text;   // In the notation of flags.
  std::string place;  // For error messages: "--nats_urls", "ROUTER_NATS_URLS", "router.yaml:3:5".
};

struct SourceContent {
  std::vector<Assignment> assignments;
  std::vector<std::string> errors;
};

// --name=value, --name value; for booleans --name, --noname. Later ones win. Hyphens in names count
// as underscores.
SourceContent ReadFlags(absl::Span<const std::string> args);

// NAME=VALUE of all that begins with ROUTER_, but for the variables that Kubernetes makes up for a
// service of that name.
SourceContent ReadEnvironment(absl::Span<const std::string> environment);

// `path` is for messages only.
SourceContent ReadYaml(const std::string& path, const std::string& text);

// Names of the flags that are commands, not settings; command_line.h handles them.
absl::Span<const absl::string_view> CommandFlags();

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_CONFIG_SOURCES_H_
