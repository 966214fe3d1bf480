#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/output.h"
#include "clients/cli/rpc.h"

namespace router::cli {
namespace {

// Prints the answer to a change: `text` where a table is wanted.
void PrintChange(const Invocation& invocation, const google::protobuf::Message& response,
                 const std::string& text) {
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, response);
  } else {
    invocation.environment.out << text << (invocation.arguments.Has("dry-run") ? " (dry run)" : "")
                               << "\n";
  }
}

absl::StatusOr<ExitCode> RunPause(const Invocation& invocation) {
  v1::PauseDeliveryRequest request;
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  const auto response =
      CallAdmin(invocation, "pause delivery", &v1::AdminService::Stub::PauseDelivery, request);
  if (!response.ok()) return response.status();
  PrintChange(invocation, *response,
              response->changed() ? "Delivery is paused." : "Delivery was paused already.");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunResume(const Invocation& invocation) {
  v1::ResumeDeliveryRequest request;
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  const auto response =
      CallAdmin(invocation, "resume delivery", &v1::AdminService::Stub::ResumeDelivery, request);
  if (!response.ok()) return response.status();
  PrintChange(invocation, *response,
              response->changed() ? "Delivery goes on." : "Delivery was not paused.");
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunReconnect(const Invocation& invocation) {
  v1::ReconnectRequest request;
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  const auto response =
      CallAdmin(invocation, "reconnect", &v1::AdminService::Stub::Reconnect, request);
  if (!response.ok()) return response.status();
  PrintChange(invocation, *response,
              response->dropped_epoch() == 0
                  ? "There was no connection; the router connects now."
                  : absl::StrCat("Connection ", response->dropped_epoch(),
                                 " is dropped; the router connects again."));
  return ExitCode::kOk;
}

}  // namespace

std::vector<Command> DeliveryCommands() {
  Command pause;
  pause.path = "delivery pause";
  pause.summary = "Sends nothing more to the broker; everything is queued";
  pause.flags = ChangeFlags();
  pause.examples = {"routerctl delivery pause --reason \"stream is being moved\""};
  pause.run = RunPause;

  Command resume;
  resume.path = "delivery resume";
  resume.summary = "Ends a pause; what was queued is delivered first";
  resume.flags = ChangeFlags();
  resume.examples = {"routerctl delivery resume --reason \"stream is in place\""};
  resume.run = RunResume;

  Command reconnect;
  reconnect.path = "reconnect";
  reconnect.summary = "Drops the connection to the broker and connects again at once";
  reconnect.details =
      "Also ends the wait between two attempts. Watch it with: routerctl status --watch";
  reconnect.flags = ChangeFlags();
  reconnect.examples = {"routerctl reconnect --reason \"credentials were renewed\""};
  reconnect.run = RunReconnect;
  return {pause, resume, reconnect};
}

}  // namespace router::cli
