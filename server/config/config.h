// Where settings come from: flags win over environment variables, those over the YAML file, that
// over the defaults.
//
// Reading is strict: an unknown or repeated name, a value of the wrong type or out of range, and
// settings that contradict each other are errors, and all of them are reported together.
#ifndef ROUTER_SERVER_CONFIG_CONFIG_H_
#define ROUTER_SERVER_CONFIG_CONFIG_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/config/settings.h"

namespace router {

// One setting as it is in force, for people.
struct EffectiveSetting {
  absl::string_view name;         // As the flag has it.
  std::string value;              // In the notation of flags. Never a secret: those are in files.
  absl::string_view source;       // "default", "file", "environment" or "flag".
  absl::string_view description;  // One line.
};

struct LoadedConfig {
  Settings settings;
  std::vector<EffectiveSetting> effective;  // All of them, in the order of the documentation.
};

// Reads the settings. `args` is the command line without the program's name and without the
// commands of command_line.h; `environment` holds NAME=VALUE, of which the names that begin with
// ROUTER_ are looked at. Reads the configuration file and the files of secrets. INVALID_ARGUMENT:
// the message has one line per error, each with the place it was found at, and never the content of
// a secret.
absl::StatusOr<LoadedConfig> LoadConfig(absl::Span<const std::string> args,
                                        absl::Span<const std::string> environment);

// The settings as a YAML file that gives the same configuration, each with its source in a comment.
std::string PrintConfig(absl::Span<const EffectiveSetting> effective);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_CONFIG_H_
