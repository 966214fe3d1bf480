#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/confirm.h"
#include "clients/cli/output.h"
#include "clients/cli/pages.h"
#include "clients/cli/pending_view.h"
#include "clients/cli/rpc.h"
#include "clients/cli/selection.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

// "1 operation", "2 operations".
std::string Operations(int64_t count) {
  return absl::StrCat(HumanCount(count), count == 1 ? " operation" : " operations");
}

constexpr char kFilterDetails[] =
    "Filters: conditions `field op value` joined by AND; fields operation_id, message_id, subject, "
    "ordering_key,\nguarantee, accept_time, size_bytes; operators = != < > and : (contains).";

absl::StatusOr<v1::ListPendingOperationsResponse> List(
    const Invocation& invocation, const v1::ListPendingOperationsRequest& request) {
  return CallAdmin(invocation, "list the pending operations",
                   &v1::AdminService::Stub::ListPendingOperations, request);
}

absl::StatusOr<ExitCode> RunList(const Invocation& invocation) {
  v1::ListPendingOperationsRequest request;
  request.set_filter(invocation.arguments.Get("filter"));
  const auto response = ListPages<v1::ListPendingOperationsResponse>(
      invocation, std::move(request),
      [&invocation](const v1::ListPendingOperationsRequest& page) {
        return List(invocation, page);
      },
      [](v1::ListPendingOperationsResponse& page) { return page.mutable_operations(); });
  if (!response.ok()) return response.status();
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCode::kOk;
  }
  PrintOperations(invocation, response->operations());
  TellOfMore(invocation, response->next_page_token());
  return ExitCode::kOk;
}

absl::StatusOr<v1::GetPendingOperationResponse> GetOperation(const Invocation& invocation,
                                                             v1::PendingOperationView view) {
  v1::GetPendingOperationRequest request;
  request.set_view(view);
  const std::string& text = invocation.arguments.operands()[0];
  uint64_t id = 0;
  if (!absl::SimpleAtoi(text, &id)) {
    return UsageError(absl::StrCat("\"", text, "\" is not an operation id"));
  }
  request.set_operation_id(id);
  return CallAdmin(invocation, absl::StrCat("get the pending operation ", id),
                   &v1::AdminService::Stub::GetPendingOperation, request);
}

absl::StatusOr<ExitCode> RunGet(const Invocation& invocation) {
  const auto response = GetOperation(invocation, v1::PENDING_OPERATION_VIEW_BASIC);
  if (!response.ok()) return response.status();
  if (invocation.options.format == OutputFormat::kTable) {
    PrintOperation(invocation, response->operation());
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

// The operation with its payload: the one named, or the head of the queue.
absl::StatusOr<v1::GetPendingOperationResponse> Peek(const Invocation& invocation) {
  if (!invocation.arguments.operands().empty()) {
    return GetOperation(invocation, v1::PENDING_OPERATION_VIEW_FULL);
  }
  v1::ListPendingOperationsRequest request;
  request.set_page_size(1);
  request.set_view(v1::PENDING_OPERATION_VIEW_FULL);
  auto response = List(invocation, request);
  if (!response.ok()) return response.status();
  if (response->operations().empty()) return absl::NotFoundError("the pending queue is empty");
  v1::GetPendingOperationResponse head;
  *head.mutable_operation() = std::move(*response->mutable_operations(0));
  return head;
}

absl::StatusOr<ExitCode> RunPeek(const Invocation& invocation) {
  const auto response = Peek(invocation);
  if (!response.ok()) return response.status();
  if (invocation.arguments.Has("raw")) {
    invocation.environment.out << response->operation().payload();
  } else if (invocation.options.format == OutputFormat::kTable) {
    PrintOperation(invocation, response->operation());
    PrintContent(invocation, response->operation().headers(), response->operation().payload());
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunRetry(const Invocation& invocation) {
  v1::RetryPendingOperationsRequest request;
  const auto filter = RequiredFilter(invocation.arguments);
  if (!filter.ok()) return filter.status();
  request.set_filter(*filter);
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  const auto response = CallAdmin(invocation, "retry pending operations",
                                  &v1::AdminService::Stub::RetryPendingOperations, request);
  if (!response.ok()) return response.status();
  if (invocation.options.format == OutputFormat::kTable) {
    invocation.environment.out << Operations(response->matched_count())
                               << (request.validate_only() ? " would be retried.\n"
                                                           : " retried now.\n");
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

absl::StatusOr<v1::PurgePendingOperationsResponse> CallPurge(
    const Invocation& invocation, const v1::PurgePendingOperationsRequest& request) {
  return CallAdmin(invocation, "purge pending operations",
                   &v1::AdminService::Stub::PurgePendingOperations, request);
}

// Asks, with the number of what would be purged.
absl::Status ConfirmPurge(const Invocation& invocation, v1::PurgePendingOperationsRequest request) {
  if (invocation.options.yes) return absl::OkStatus();
  const absl::Status can_confirm = CheckCanConfirm(invocation);
  if (!can_confirm.ok()) return can_confirm;
  request.set_force(false);
  const auto preview = CallPurge(invocation, request);
  if (!preview.ok()) return preview.status();
  return Confirm(invocation,
                 absl::StrCat(Operations(preview->purge_count()), " that match \"",
                              Printable(request.filter()), "\" will be thrown away for good."));
}

void PrintPurge(const Invocation& invocation, const v1::PurgePendingOperationsResponse& response,
                bool removed) {
  std::ostream& out = invocation.environment.out;
  out << Operations(response.purge_count()) << (removed ? " purged.\n" : " would be purged.\n");
  if (response.in_flight_count() > 0) {
    out << HumanCount(response.in_flight_count()) << " more are being delivered and left alone.\n";
  }
  if (removed) return;
  if (!response.sample().empty()) PrintOperations(invocation, response.sample());
  invocation.environment.err << "Nothing was removed; --force removes.\n";
}

absl::StatusOr<ExitCode> RunPurge(const Invocation& invocation) {
  v1::PurgePendingOperationsRequest request;
  const auto filter = RequiredFilter(invocation.arguments);
  if (!filter.ok()) return filter.status();
  request.set_filter(*filter);
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  request.set_force(invocation.arguments.Has("force"));
  const bool removes = request.force() && !request.validate_only();
  if (removes) {
    const absl::Status confirmed = ConfirmPurge(invocation, request);
    if (!confirmed.ok()) return confirmed;
  }
  const auto response = CallPurge(invocation, request);
  if (!response.ok()) return response.status();
  if (invocation.options.format == OutputFormat::kTable) {
    PrintPurge(invocation, *response, removes);
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

Command ListCommand() {
  Command list;
  list.path = "pending ls";
  list.summary = "Lists the pending queue, the oldest first";
  list.details = kFilterDetails;
  list.flags = ListFlags();
  list.examples = {
      "routerctl pending ls",
      "routerctl pending ls --filter 'subject:orders. AND size_bytes > 1024' --limit 0",
      "routerctl pending ls -o json | jq -r '.operations[].messageId'"};
  list.run = RunList;
  return list;
}

Command PeekCommand() {
  Command peek;
  peek.path = "pending peek";
  peek.operands = "[OPERATION_ID]";
  peek.summary = "Shows an operation with headers and payload; without an id, the queue's head";
  peek.details = "Looking never claims a message and never holds up delivery.";
  peek.flags = {{"raw", "", "only the payload, byte for byte", ""}};
  peek.operands_max = 1;
  peek.examples = {"routerctl pending peek", "routerctl pending peek 17 --raw > payload.bin"};
  peek.run = RunPeek;
  return peek;
}

Command PurgeCommand() {
  Command purge;
  purge.path = "pending purge";
  purge.summary = "Throws away queued operations for good";
  purge.details = absl::StrCat(
      "Without --force nothing is removed: the number and a sample of what would be are shown. "
      "With "
      "--force it\nasks first; where there is no terminal to ask at, --yes is needed.\n",
      kFilterDetails);
  purge.flags = SelectingFlags();
  purge.flags.push_back({"force", "", "remove them", ""});
  purge.examples = {
      "routerctl pending purge --filter 'subject:test.' --reason \"left by a load test\"",
      "routerctl pending purge --all --reason \"...\" --force --yes"};
  purge.run = RunPurge;
  return purge;
}

}  // namespace

std::vector<Command> PendingCommands() {
  Command get;
  get.path = "pending get";
  get.operands = "OPERATION_ID";
  get.summary = "Shows a queued operation without its payload";
  get.operands_min = get.operands_max = 1;
  get.examples = {"routerctl pending get 17", "routerctl pending get 17 -o yaml"};
  get.run = RunGet;

  Command retry;
  retry.path = "pending retry";
  retry.summary = "Delivers queued operations now instead of after their backoff";
  retry.details = kFilterDetails;
  retry.flags = SelectingFlags();
  retry.examples = {"routerctl pending retry --all --reason \"stream was created\""};
  retry.run = RunRetry;
  return {ListCommand(), get, PeekCommand(), retry, PurgeCommand()};
}

}  // namespace router::cli
