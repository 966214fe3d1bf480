#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/output.h"
#include "clients/cli/rpc.h"
#include "clients/cli/status_view.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

absl::StatusOr<ExitCode> RunGet(const Invocation& invocation) {
  const auto response =
      CallAdmin(invocation, "get the fail-open mode", &v1::AdminService::Stub::GetFailOpenMode,
                v1::GetFailOpenModeRequest());
  if (!response.ok()) return response.status();
  if (invocation.options.format == OutputFormat::kTable) {
    PrintMode(invocation, response->mode());
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> SetMode(const Invocation& invocation, v1::SetFailOpenModeRequest request,
                                 const std::string& task) {
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  request.set_etag(invocation.arguments.Get("etag"));
  const auto response =
      CallAdmin(invocation, task, &v1::AdminService::Stub::SetFailOpenMode, request);
  if (!response.ok()) return response.status();
  if (invocation.options.format == OutputFormat::kTable) {
    PrintMode(invocation, response->mode());
  } else {
    PrintMessage(invocation, *response);
  }
  if (request.validate_only()) {
    invocation.environment.err << "Nothing was changed (--dry-run).\n";
  }
  return ExitCode::kOk;
}

absl::Status SetEnd(const Arguments& arguments, v1::SetFailOpenModeRequest& request) {
  if (arguments.Has("ttl") && arguments.Has("until")) {
    return UsageError("--ttl and --until exclude each other");
  }
  if (arguments.Has("ttl")) {
    const auto ttl = arguments.GetDuration("ttl");
    if (!ttl.ok()) return ttl.status();
    *request.mutable_ttl() = ToProto(*ttl);
  }
  if (arguments.Has("until")) {
    absl::Time time;
    std::string error;
    if (!absl::ParseTime(absl::RFC3339_full, arguments.Get("until"), &time, &error)) {
      return UsageError(absl::StrCat("--until: \"", arguments.Get("until"),
                                     "\" is not a time such as 2026-01-31T12:00:00Z"));
    }
    *request.mutable_expire_time() = ToProto(time);
  }
  return absl::OkStatus();
}

absl::StatusOr<ExitCode> RunEnable(const Invocation& invocation) {
  v1::SetFailOpenModeRequest request;
  request.set_enabled(true);
  const absl::Status end = SetEnd(invocation.arguments, request);
  if (!end.ok()) return end;
  auto result = SetMode(invocation, request, "enable fail-open mode");
  if (result.ok() && request.end_case() == v1::SetFailOpenModeRequest::END_NOT_SET) {
    invocation.environment.err
        << "Without --ttl fail-open mode stays on until somebody disables it.\n";
  }
  return result;
}

absl::StatusOr<ExitCode> RunDisable(const Invocation& invocation) {
  return SetMode(invocation, v1::SetFailOpenModeRequest(), "disable fail-open mode");
}

std::vector<Flag> SetFlags() {
  std::vector<Flag> flags = ChangeFlags();
  flags.push_back({"etag", "ETAG", "change only the mode that has this etag", ""});
  return flags;
}

}  // namespace

std::vector<Command> FailOpenCommands() {
  Command get;
  get.path = "failopen get";
  get.summary = "Shows whether undeliverable messages are queued or dropped";
  get.examples = {"routerctl failopen get", "routerctl failopen get -o json | jq .mode.enabled"};
  get.run = RunGet;

  Command enable;
  enable.path = "failopen enable";
  enable.summary = "Drops messages, and says so, while the broker is away";
  enable.details =
      "The mode survives a restart of the router. With --ttl or --until it ends by itself, on the "
      "router's clock.";
  enable.flags = SetFlags();
  enable.flags.push_back({"ttl", "DURATION", "end by itself after this: 1s to 720h", ""});
  enable.flags.push_back({"until", "TIME", "end by itself then (RFC 3339)", ""});
  enable.examples = {
      "routerctl failopen enable --ttl 15m --reason \"broker maintenance\"",
      "routerctl failopen enable --until 2026-01-31T12:00:00Z --reason \"change 4711\""};
  enable.run = RunEnable;

  Command disable;
  disable.path = "failopen disable";
  disable.summary = "Queues messages while the broker is away";
  disable.flags = SetFlags();
  disable.examples = {"routerctl failopen disable --reason \"broker is back\""};
  disable.run = RunDisable;
  return {get, enable, disable};
}

}  // namespace router::cli
