// What a command of routerctl is: a row of the table that parsing, help and dispatch work from.
#ifndef ROUTER_CLIENTS_CLI_COMMAND_H_
#define ROUTER_CLIENTS_CLI_COMMAND_H_

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "clients/cli/arguments.h"
#include "clients/cli/environment.h"
#include "clients/cli/exit_code.h"
#include "clients/cpp/credentials.h"
#include "grpcpp/channel.h"

namespace router::cli {

enum class OutputFormat { kTable, kJson, kYaml };

// The flags that every command has.
struct GlobalOptions {
  std::string address = "127.0.0.1:50051";
  absl::Duration timeout = absl::Seconds(10);
  OutputFormat format = OutputFormat::kTable;
  bool yes = false;
  bool color = false;
  client::CredentialsOptions credentials;
  std::string tls_server_name;
};

// One run of one command.
struct Invocation {
  Environment& environment;
  const GlobalOptions& options;
  const Arguments& arguments;
  std::shared_ptr<grpc::Channel> channel;  // Connects when it is first used.
};

struct Command {
  std::string path;      // `pending ls`
  std::string operands;  // For the help: `SUBJECT [PAYLOAD]`.
  std::string summary;   // One line.
  std::string details;   // More for the command's own help; may be empty.
  std::vector<std::string> examples;
  std::vector<Flag> flags;
  size_t operands_min = 0;
  size_t operands_max = 0;
  // Errors are printed by the caller.
  std::function<absl::StatusOr<ExitCode>(const Invocation&)> run;
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_COMMAND_H_
