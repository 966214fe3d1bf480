// What --help prints.
#ifndef ROUTER_CLIENTS_CLI_HELP_H_
#define ROUTER_CLIENTS_CLI_HELP_H_

#include <string>
#include <vector>

#include "clients/cli/command.h"

namespace router::cli {

// The flags that stand before or behind every command.
std::vector<Flag> GlobalFlags();

// All commands; with a `group` ("pending") only those of it.
std::string Overview(const std::vector<Command>& commands, const std::string& group);

// One command: usage, flags, examples.
std::string CommandHelp(const Command& command);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_HELP_H_
