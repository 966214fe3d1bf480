#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/output.h"
#include "clients/cli/rpc.h"
#include "clients/cli/selection.h"
#include "clients/cli/subprocess.h"

namespace router::cli {
namespace {

// What routerd ends with when its configuration is wrong.
constexpr int kConfigWrong = 78;

// Keeps the settings that are named, in the order of the router. NOT_FOUND where one does not
// exist.
absl::Status KeepNamed(const std::vector<std::string>& names,
                       v1::GetEffectiveConfigResponse& response) {
  std::vector<std::string> known;
  for (const auto& setting : response.settings()) known.push_back(setting.name());
  for (const std::string& name : names) {
    if (std::find(known.begin(), known.end(), name) == known.end()) {
      return absl::NotFoundError(
          absl::StrCat("there is no setting \"", name, "\"", DidYouMean(name, known)));
    }
  }
  if (names.empty()) return absl::OkStatus();
  v1::GetEffectiveConfigResponse kept;
  for (const auto& setting : response.settings()) {
    if (std::find(names.begin(), names.end(), setting.name()) != names.end()) {
      *kept.add_settings() = setting;
    }
  }
  response = std::move(kept);
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> RunShow(const Invocation& invocation) {
  auto response =
      CallAdmin(invocation, "get the configuration", &v1::AdminService::Stub::GetEffectiveConfig,
                v1::GetEffectiveConfigRequest());
  if (!response.ok()) return response.status();
  const absl::Status named = KeepNamed(invocation.arguments.operands(), *response);
  if (!named.ok()) return named;
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCode::kOk;
  }
  const bool wide = invocation.arguments.Has("descriptions");
  Table table(wide ? std::vector<std::string>{"NAME", "VALUE", "SOURCE", "DESCRIPTION"}
                   : std::vector<std::string>{"NAME", "VALUE", "SOURCE"});
  for (const auto& setting : response->settings()) {
    std::vector<std::string> row = {setting.name(), setting.value(), setting.source()};
    if (wide) row.push_back(setting.description());
    table.AddRow(std::move(row));
  }
  table.Print(invocation.environment.out);
  return ExitCode::kOk;
}

// The routerd that checks: the one named, the one installed beside routerctl, the one in PATH.
std::string FindRouterd(const Invocation& invocation) {
  if (invocation.arguments.Has("routerd")) return invocation.arguments.Get("routerd");
  const std::string beside = absl::StrCat(invocation.environment.program_folder, "/routerd");
  if (!invocation.environment.program_folder.empty() && IsExecutable(beside)) return beside;
  return "routerd";
}

absl::StatusOr<ExitCode> RunValidate(const Invocation& invocation) {
  const std::string& file = invocation.arguments.operands()[0];
  const std::string routerd = FindRouterd(invocation);
  const auto result = RunProgram({routerd, "--check-config", "--config", file});
  if (!result.ok()) {
    return absl::Status(result.status().code(),
                        absl::StrCat("cannot run ", routerd,
                                     ", which checks configurations: ", result.status().message(),
                                     "; say where it is with --routerd"));
  }
  invocation.environment.err << result->output;
  if (result->exit_code == 0) {
    invocation.environment.err << file << " is valid.\n";
    return ExitCode::kOk;
  }
  return absl::UnknownError(result->exit_code == kConfigWrong
                                ? absl::StrCat(file, " is not valid")
                                : absl::StrCat(routerd, " ended with ", result->exit_code));
}

void AddRows(const google::protobuf::RepeatedPtrField<v1::ConfigChange>& changes,
             const std::string& in_force, Table* table) {
  for (const v1::ConfigChange& change : changes) {
    table->AddRow({change.name(), change.old_value(), change.new_value(), in_force});
  }
}

absl::StatusOr<ExitCode> RunReload(const Invocation& invocation) {
  v1::ReloadConfigRequest request;
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  const auto response = CallAdmin(invocation, "reload the configuration",
                                  &v1::AdminService::Stub::ReloadConfig, request);
  if (!response.ok()) return response.status();
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCode::kOk;
  }
  if (response->applied().empty() && response->needs_restart().empty()) {
    invocation.environment.out << "No setting has changed.\n";
  } else {
    Table table({"NAME", "OLD", "NEW", "IN FORCE"});
    AddRows(response->applied(), "now", &table);
    AddRows(response->needs_restart(), "after a restart", &table);
    table.Print(invocation.environment.out);
  }
  if (request.validate_only()) {
    invocation.environment.err << "Nothing was changed (--dry-run).\n";
  }
  return ExitCode::kOk;
}

Command ReloadCommand() {
  Command reload;
  reload.path = "config reload";
  reload.summary = "Has the router read its configuration again";
  reload.details =
      "From the command line, environment and files that it was started with; SIGHUP does the "
      "same. "
      "Any error\nleaves everything as it was. Certificates and rules of access are read again "
      "too.";
  reload.flags = ChangeFlags();
  reload.examples = {"routerctl config reload --reason \"debug the outage\"",
                     "routerctl config reload --reason \"...\" --dry-run -o json"};
  reload.run = RunReload;
  return reload;
}

}  // namespace

std::vector<Command> ConfigCommands() {
  Command show;
  show.path = "config show";
  show.operands = "[NAME…]";
  show.summary = "Shows the settings in effect and where they come from";
  show.details = "Secrets are redacted by the router.";
  show.flags = {{"descriptions", "", "what each setting means, too", ""}};
  show.operands_max = 1000;
  show.examples = {"routerctl config show",
                   "routerctl config show nats_reconnect_attempts -o yaml"};
  show.run = RunShow;

  Command validate;
  validate.path = "config validate";
  validate.operands = "FILE";
  validate.summary = "Checks a configuration file as the router would";
  validate.details =
      "Runs `routerd --check-config` on this machine, so that the file is judged by the program "
      "that will "
      "read\nit: the routerd beside routerctl, or the one in PATH. No router needs to be running.";
  validate.flags = {{"routerd", "PROGRAM", "the routerd that checks", ""}};
  validate.operands_min = validate.operands_max = 1;
  validate.examples = {"routerctl config validate /etc/router/router.yaml"};
  validate.run = RunValidate;
  return {show, validate, ReloadCommand()};
}

}  // namespace router::cli
