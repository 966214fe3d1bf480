// The commands of routerctl, one function and one file per group.
#ifndef ROUTER_CLIENTS_CLI_COMMANDS_H_
#define ROUTER_CLIENTS_CLI_COMMANDS_H_

#include <vector>

#include "clients/cli/command.h"

namespace router::cli {

std::vector<Command> StatusCommands();
std::vector<Command> PublishCommands();
std::vector<Command> PendingCommands();
std::vector<Command> DeadLetterCommands();
std::vector<Command> FailOpenCommands();
std::vector<Command> DeliveryCommands();
std::vector<Command> AuditCommands();
std::vector<Command> ConfigCommands();
std::vector<Command> CheckCommands();
std::vector<Command> SpoolCommands();
std::vector<Command> VersionCommands();

// All of them, in the order of the help.
std::vector<Command> AllCommands();

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_COMMANDS_H_
