#include "server/config/command_line.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/str_replace.h"
#include "server/base/version.h"
#include "server/config/config_sources.h"
#include "server/config/settings_text.h"

namespace router {
namespace {

// Takes the flags that are commands out of `args`.
std::set<std::string> TakeCommands(std::vector<std::string>& args) {
  std::set<std::string> commands;
  const auto take = [&commands](const std::string& arg) {
    const std::string name = absl::StrReplaceAll(arg, {{"_", "-"}});
    for (absl::string_view command : CommandFlags()) {
      if (name == "--" + std::string(command)) return commands.emplace(command), true;
    }
    return false;
  };
  args.erase(std::remove_if(args.begin(), args.end(), take), args.end());
  return commands;
}

}  // namespace

absl::variant<int, LoadedConfig> ReadCommandLine(absl::Span<const std::string> args,
                                                 absl::Span<const std::string> environment,
                                                 absl::string_view commit, std::ostream& out,
                                                 std::ostream& err) {
  std::vector<std::string> settings_args(args.begin(), args.end());
  const std::set<std::string> commands = TakeCommands(settings_args);
  if (commands.count("help") > 0) {
    out << HelpText();
    return 0;
  }
  if (commands.count("version") > 0) {
    out << "routerd " << kRouterVersion << " (commit " << commit << ")\n";
    return 0;
  }
  absl::StatusOr<LoadedConfig> config = LoadConfig(settings_args, environment);
  if (!config.ok()) {
    err << "The configuration is wrong:\n" << config.status().message() << "\n";
    return kExitCodeConfig;
  }
  if (commands.count("print-config") > 0) {
    out << PrintConfig(config->effective);
    return 0;
  }
  if (commands.count("check-config") > 0) {
    out << "ok\n";
    return 0;
  }
  return *std::move(config);
}

std::vector<std::string> ArgumentsOf(int argc, const char* const* argv) {
  return argc > 0 ? std::vector<std::string>(argv + 1, argv + argc) : std::vector<std::string>();
}

std::vector<std::string> EnvironmentOf(const char* const* environment) {
  std::vector<std::string> entries;
  for (; *environment != nullptr; ++environment) entries.emplace_back(*environment);
  return entries;
}

}  // namespace router
