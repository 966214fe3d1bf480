// The status of a router, for people.
#ifndef ROUTER_CLIENTS_CLI_STATUS_VIEW_H_
#define ROUTER_CLIENTS_CLI_STATUS_VIEW_H_

#include <string>

#include "clients/cli/command.h"
#include "router/v1/admin.pb.h"

namespace router::cli {

// "CONNECTED", …
std::string StateName(v1::ConnectionState state);

// The properties of a mode: on or off, by whom, why, until when.
void PrintMode(const Invocation& invocation, const v1::FailOpenMode& mode);

// Everything, a line for each part.
void PrintStatus(const Invocation& invocation, const v1::RouterStatus& status);

// What changes most, in one line.
std::string StatusLine(const Invocation& invocation, const v1::RouterStatus& status);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_STATUS_VIEW_H_
