#include "clients/cli/app.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/errors.h"
#include "clients/cli/help.h"
#include "clients/cpp/channel.h"

namespace router::cli {
namespace {

// A command line, taken apart as far as its first words go.
struct Route {
  const Command* command = nullptr;   // Null where the words name none.
  std::string group;                  // `pending`, where only a group is named.
  std::vector<std::string> elements;  // Everything but the command's words.
  bool help = false;
};

// The first words of the command line, which name the command; the rest goes into `rest`. Flags may
// stand before and between them.
absl::StatusOr<std::vector<std::string>> SplitWords(const std::vector<std::string>& elements,
                                                    const std::vector<Command>& commands,
                                                    std::vector<std::string>& rest) {
  const auto is_group = [&commands](const std::string& word) {
    return std::any_of(commands.begin(), commands.end(), [&word](const Command& command) {
      return absl::StartsWith(command.path, word + " ");
    });
  };
  const std::vector<Flag> flags = GlobalFlags();
  std::vector<std::string> words;
  for (size_t i = 0; i < elements.size(); ++i) {
    const bool complete = !words.empty() && !(words.size() == 1 && is_group(words[0]));
    if (complete || elements[i] == "--") {
      rest.insert(rest.end(), elements.begin() + i, elements.end());
      break;
    }
    if (!IsFlag(elements[i])) {
      // `routerctl help pending ls` is `routerctl pending ls --help`.
      if (words.empty() && elements[i] == "help") {
        rest.push_back("--help");
      } else {
        words.push_back(elements[i]);
      }
      continue;
    }
    auto match = FindFlag(elements[i], flags);
    if (!match.ok()) return match.status();
    rest.push_back(elements[i]);
    const bool takes_next = !match->flag->value.empty() && !match->has_value;
    if (takes_next && i + 1 < elements.size()) rest.push_back(elements[++i]);
  }
  return words;
}

bool AsksForHelp(const std::vector<std::string>& elements) {
  const auto end = std::find(elements.begin(), elements.end(), "--");
  return std::find_if(elements.begin(), end, [](const std::string& element) {
           return element == "--help" || element == "-h";
         }) != end;
}

absl::StatusOr<Route> FindRoute(const std::vector<std::string>& elements,
                                const std::vector<Command>& commands) {
  Route route;
  auto words = SplitWords(elements, commands, route.elements);
  if (!words.ok()) return words.status();
  route.help = AsksForHelp(route.elements);
  if (words->empty()) return route;
  const std::string path =
      words->size() == 1 ? (*words)[0] : absl::StrCat((*words)[0], " ", (*words)[1]);
  std::vector<std::string> paths;
  for (const Command& command : commands) {
    if (command.path == path) {
      route.command = &command;
      return route;
    }
    paths.push_back(command.path);
    paths.push_back(command.path.substr(0, command.path.find(' ')));
    if (absl::StartsWith(command.path, path + " ")) route.group = path;
  }
  if (!route.group.empty()) return route;
  return UsageError(absl::StrCat("unknown command \"", path, "\"", DidYouMean(path, paths)));
}

// The flag, or else the environment variable.
std::string FlagOrVariable(const Arguments& arguments, const Environment& environment,
                           const std::string& flag, const std::string& variable) {
  return arguments.Has(flag) ? arguments.Get(flag) : environment.variable(variable);
}

void ReadCredentials(const Arguments& arguments, const Environment& environment,
                     GlobalOptions& options) {
  client::CredentialsOptions& credentials = options.credentials;
  credentials.tls = arguments.Has("tls") || environment.variable("ROUTERCTL_TLS") == "1";
  credentials.ca_file = FlagOrVariable(arguments, environment, "tls-ca", "ROUTERCTL_TLS_CA");
  credentials.cert_file = FlagOrVariable(arguments, environment, "tls-cert", "ROUTERCTL_TLS_CERT");
  credentials.key_file = FlagOrVariable(arguments, environment, "tls-key", "ROUTERCTL_TLS_KEY");
  credentials.token_file =
      FlagOrVariable(arguments, environment, "token-file", "ROUTERCTL_TOKEN_FILE");
  options.tls_server_name =
      FlagOrVariable(arguments, environment, "tls-server-name", "ROUTERCTL_TLS_SERVER_NAME");
}

absl::StatusOr<GlobalOptions> ReadGlobalOptions(const Arguments& arguments,
                                                const Environment& environment) {
  GlobalOptions options;
  options.address = arguments.Get("address");
  const std::string variable = environment.variable("ROUTERCTL_ADDRESS");
  if (!arguments.Has("address") && !variable.empty()) options.address = variable;
  if (!absl::StrContains(options.address, ":")) {
    return UsageError(absl::StrCat("\"", options.address, "\" is not HOST:PORT"));
  }
  auto timeout = arguments.GetDuration("timeout");
  if (!timeout.ok()) return timeout.status();
  options.timeout = *timeout;
  const std::string format = arguments.Get("output");
  if (format == "json") {
    options.format = OutputFormat::kJson;
  } else if (format == "yaml") {
    options.format = OutputFormat::kYaml;
  } else if (format != "table") {
    return UsageError(absl::StrCat("--output: \"", format, "\" is not table, json or yaml"));
  }
  ReadCredentials(arguments, environment, options);
  options.yes = arguments.Has("yes");
  options.color = environment.out_is_terminal && !arguments.Has("no-color") &&
                  environment.variable("NO_COLOR").empty();
  return options;
}

absl::Status CheckOperands(const Command& command, const Arguments& arguments) {
  const size_t count = arguments.operands().size();
  const std::string usage = absl::StrCat("usage: routerctl ", command.path,
                                         command.operands.empty() ? "" : " ", command.operands);
  if (count < command.operands_min) {
    return UsageError(absl::StrCat("something is missing; ", usage));
  }
  if (count > command.operands_max) {
    return UsageError(
        absl::StrCat("\"", arguments.operands()[command.operands_max], "\" is too much; ", usage));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<grpc::Channel>> MakeChannel(const GlobalOptions& options) {
  client::ChannelOptions channel_options;
  auto credentials = client::MakeCredentials(options.credentials);
  if (!credentials.ok()) return UsageError(std::string(credentials.status().message()));
  channel_options.credentials = *std::move(credentials);
  channel_options.tls_server_name = options.tls_server_name;
  channel_options.target = options.address;
  channel_options.connect_timeout = std::min(channel_options.connect_timeout, options.timeout);
  return client::MakeChannel(channel_options);
}

absl::StatusOr<ExitCode> RunCommand(const Route& route, Environment& environment,
                                    GlobalOptions& options) {
  const Command& command = *route.command;
  std::vector<Flag> flags = GlobalFlags();
  flags.insert(flags.end(), command.flags.begin(), command.flags.end());
  const auto arguments = Arguments::Parse(route.elements, flags);
  if (!arguments.ok()) return arguments.status();
  auto global_options = ReadGlobalOptions(*arguments, environment);
  if (!global_options.ok()) return global_options.status();
  options = *std::move(global_options);
  const absl::Status operands = CheckOperands(command, *arguments);
  if (!operands.ok()) return operands;
  auto channel = MakeChannel(options);
  if (!channel.ok()) return channel.status();
  return command.run(Invocation{environment, options, *arguments, *std::move(channel)});
}

// What a command line asks for that could not be understood as a whole.
OutputFormat FormatWanted(const std::vector<std::string>& elements) {
  for (size_t i = 0; i < elements.size(); ++i) {
    const bool flag = elements[i] == "-o" || elements[i] == "--output";
    if (flag && i + 1 < elements.size() && elements[i + 1] == "json") return OutputFormat::kJson;
    if (elements[i] == "-ojson" || elements[i] == "--output=json") return OutputFormat::kJson;
  }
  return OutputFormat::kTable;
}

int Fail(const absl::Status& status, const GlobalOptions& options, Environment& environment) {
  if (options.format == OutputFormat::kJson) {
    environment.err << ErrorAsJson(status, options) << "\n";
  } else {
    environment.err << "routerctl: " << DescribeError(status, options) << "\n";
  }
  return static_cast<int>(ExitCodeOf(status));
}

}  // namespace

int RunApp(const std::vector<std::string>& arguments, Environment& environment) {
  const std::vector<Command> commands = AllCommands();
  GlobalOptions options;
  options.format = FormatWanted(arguments);
  const auto route = FindRoute(arguments, commands);
  if (!route.ok()) return Fail(route.status(), options, environment);
  if (route->command == nullptr && !route->help) {
    environment.err << Overview(commands, route->group);
    return static_cast<int>(ExitCode::kUsage);
  }
  absl::StatusOr<ExitCode> exit_code = ExitCode::kOk;
  if (route->help) {
    environment.out << (route->command != nullptr ? CommandHelp(*route->command)
                                                  : Overview(commands, route->group));
  } else {
    exit_code = RunCommand(*route, environment, options);
  }
  environment.out.flush();
  if (!exit_code.ok()) {
    const int code = Fail(exit_code.status(), options, environment);
    // To a monitoring system 2 is CRITICAL; not being able to look is UNKNOWN.
    return route->command->path == "check" ? 3 : code;
  }
  if (!environment.out.good()) {
    return Fail(absl::UnknownError("cannot write to stdout"), options, environment);
  }
  return static_cast<int>(*exit_code);
}

}  // namespace router::cli
