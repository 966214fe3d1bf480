// Dead letters, for people.
#ifndef ROUTER_CLIENTS_CLI_DEAD_LETTER_VIEW_H_
#define ROUTER_CLIENTS_CLI_DEAD_LETTER_VIEW_H_

#include "clients/cli/command.h"
#include "router/v1/admin.pb.h"

namespace router::cli {

// A row for each.
void PrintDeadLetters(const Invocation& invocation,
                      const google::protobuf::RepeatedPtrField<v1::DeadLetter>& dead_letters);
// A line for each property.
void PrintDeadLetter(const Invocation& invocation, const v1::DeadLetter& dead_letter);

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_DEAD_LETTER_VIEW_H_
