#include "clients/cli/commands.h"
#include "clients/cli/output.h"
#include "clients/cli/pages.h"
#include "clients/cli/rpc.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

absl::StatusOr<ExitCode> RunList(const Invocation& invocation) {
  const auto list = [&invocation](const v1::ListAuditEventsRequest& request) {
    return CallAdmin(invocation, "list the audit log", &v1::AdminService::Stub::ListAuditEvents,
                     request);
  };
  v1::ListAuditEventsRequest request;
  request.set_filter(invocation.arguments.Get("filter"));
  const auto response = ListPages<v1::ListAuditEventsResponse>(
      invocation, std::move(request), list,
      [](v1::ListAuditEventsResponse& page) { return page.mutable_events(); });
  if (!response.ok()) return response.status();
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCode::kOk;
  }
  Table table({"TIME", "ACTOR", "METHOD", "OUTCOME", "REASON", "DETAIL", "ID"});
  for (const v1::AuditEvent& event : response->events()) {
    table.AddRow({HumanTime(FromProto(event.time())), event.actor(), event.method(),
                  event.outcome(), event.reason(), event.detail(), event.id()});
  }
  table.Print(invocation.environment.out);
  TellOfMore(invocation, response->next_page_token());
  return ExitCode::kOk;
}

}  // namespace

std::vector<Command> AuditCommands() {
  Command list;
  list.path = "audit ls";
  list.summary = "Lists who changed what, when and why, the newest first";
  list.details =
      "Filter fields: id, time, actor, method, reason, outcome, request_id; operators: = != < > "
      "and : "
      "(contains), joined by AND.";
  list.flags = ListFlags();
  list.examples = {"routerctl audit ls --limit 20",
                   "routerctl audit ls --filter 'method = SetFailOpenMode'"};
  list.run = RunList;
  return {list};
}

}  // namespace router::cli
