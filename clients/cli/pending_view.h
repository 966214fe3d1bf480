// Queued operations, for people.
#ifndef ROUTER_CLIENTS_CLI_PENDING_VIEW_H_
#define ROUTER_CLIENTS_CLI_PENDING_VIEW_H_

#include <string>

#include "clients/cli/command.h"
#include "router/v1/admin.pb.h"

namespace router::cli {

// A row for each.
void PrintOperations(const Invocation& invocation,
                     const google::protobuf::RepeatedPtrField<v1::PendingOperation>& operations);
// A line for each property.
void PrintOperation(const Invocation& invocation, const v1::PendingOperation& operation);
// Headers and payload: as text where it is text, else as a hex dump.
void PrintContent(const Invocation& invocation,
                  const google::protobuf::Map<std::string, std::string>& headers,
                  const std::string& payload);

// Sixteen bytes for each line, with their offset and as text.
std::string HexDump(const std::string& bytes);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_PENDING_VIEW_H_
