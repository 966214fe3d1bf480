#include <atomic>

#include "clients/cli/commands.h"
#include "clients/cli/interrupt.h"
#include "clients/cli/output.h"
#include "clients/cli/rpc.h"
#include "clients/cli/status_view.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

constexpr char kTask[] = "get the status";
// Moves to the top left and clears the screen.
constexpr char kClearScreen[] = "\x1b[H\x1b[2J";

void PrintReport(const Invocation& invocation, const v1::WatchStatusResponse& report) {
  std::ostream& out = invocation.environment.out;
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, report, /*more_follow=*/true);
  } else if (invocation.environment.out_is_terminal) {
    out << kClearScreen;
    PrintStatus(invocation, report.status());
  } else {
    out << StatusLine(invocation, report.status()) << "\n";
  }
  out.flush();
}

absl::StatusOr<ExitCode> Watch(const Invocation& invocation) {
  const auto interval = invocation.arguments.GetDuration("interval");
  if (!interval.ok()) return interval.status();
  v1::WatchStatusRequest request;
  *request.mutable_interval() = ToProto(*interval);

  const auto stub = v1::AdminService::NewStub(invocation.channel);
  grpc::ClientContext context;
  std::atomic<bool> interrupted{false};
  Interrupt interrupt([&] {
    interrupted = true;
    context.TryCancel();
  });
  const auto reports = stub->WatchStatus(&context, request);
  v1::WatchStatusResponse report;
  while (invocation.environment.out.good() && reports->Read(&report)) {
    PrintReport(invocation, report);
  }
  if (!invocation.environment.out.good()) context.TryCancel();
  const grpc::Status status = reports->Finish();
  if (interrupted || status.ok() || !invocation.environment.out.good()) return ExitCode::kOk;
  return Annotate(client::FromGrpcStatus(status), "watch the status");
}

absl::StatusOr<ExitCode> RunStatus(const Invocation& invocation) {
  if (invocation.arguments.Has("watch")) return Watch(invocation);
  const auto response =
      CallAdmin(invocation, kTask, &v1::AdminService::Stub::GetStatus, v1::GetStatusRequest());
  if (!response.ok()) return response.status();
  if (invocation.options.format == OutputFormat::kTable) {
    PrintStatus(invocation, response->status());
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

}  // namespace

std::vector<Command> StatusCommands() {
  Command status;
  status.path = "status";
  status.summary = "Shows the connection, the queue, the mode and the totals";
  status.details =
      "With --watch it goes on until Ctrl-C: a screen that renews itself on a terminal, one line "
      "for "
      "each\nreport elsewhere; with -o json one JSON object for each line.";
  status.flags = {{"watch", "", "go on until Ctrl-C", "", 'w'},
                  {"interval", "DURATION", "time between two reports of --watch", "1s"}};
  status.examples = {"routerctl status", "routerctl status --watch --interval 500ms",
                     "routerctl status -o json | jq -r .status.queue.count"};
  status.run = RunStatus;
  return {status};
}

}  // namespace router::cli
