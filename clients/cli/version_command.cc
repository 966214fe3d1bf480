#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/rpc.h"
#include "clients/cli/units.h"
#include "clients/cli/yaml.h"
#include "nlohmann/json.hpp"

namespace router::cli {
namespace {

constexpr char kVersion[] = "0.1.0";

absl::StatusOr<ExitCode> RunVersion(const Invocation& invocation) {
  nlohmann::ordered_json versions;
  versions["routerctl"] = kVersion;
  if (invocation.arguments.Has("router")) {
    const auto response = CallAdmin(invocation, "get the router's version",
                                    &v1::AdminService::Stub::GetStatus, v1::GetStatusRequest());
    if (!response.ok()) return response.status();
    versions["router"] = Printable(response->status().version());
  }
  std::ostream& out = invocation.environment.out;
  switch (invocation.options.format) {
    case OutputFormat::kJson:
      out << versions.dump(2) << "\n";
      break;
    case OutputFormat::kYaml:
      out << JsonToYaml(versions.dump());
      break;
    case OutputFormat::kTable:
      for (const auto& [name, version] : versions.items()) {
        out << name << " " << version.get<std::string>() << "\n";
      }
      break;
  }
  return ExitCode::kOk;
}

}  // namespace

std::vector<Command> VersionCommands() {
  Command version;
  version.path = "version";
  version.summary = "Prints the version of routerctl";
  version.flags = {{"router", "", "ask the router for its version, too", ""}};
  version.examples = {"routerctl version", "routerctl version --router"};
  version.run = RunVersion;
  return {version};
}

}  // namespace router::cli
