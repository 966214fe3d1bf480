#include "clients/cli/commands.h"

#include <iterator>
#include <utility>

namespace router::cli {

std::vector<Command> AllCommands() {
  std::vector<Command> all;
  for (const auto& group : {StatusCommands, PublishCommands, PendingCommands, DeadLetterCommands,
                            FailOpenCommands, DeliveryCommands, AuditCommands, ConfigCommands,
                            CheckCommands, SpoolCommands, VersionCommands}) {
    std::vector<Command> commands = group();
    std::move(commands.begin(), commands.end(), std::back_inserter(all));
  }
  return all;
}

}  // namespace router::cli
