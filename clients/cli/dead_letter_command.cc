#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/commands.h"
#include "clients/cli/confirm.h"
#include "clients/cli/dead_letter_view.h"
#include "clients/cli/output.h"
#include "clients/cli/pages.h"
#include "clients/cli/pending_view.h"
#include "clients/cli/redrive.h"
#include "clients/cli/rpc.h"
#include "clients/cli/selection.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

constexpr char kFilterDetails[] =
    "Filters: conditions `field op value` joined by AND; fields operation_id, message_id, subject, "
    "ordering_key,\nguarantee, accept_time, size_bytes, reason, attempts, first_error, last_error, "
    "dead_time; operators = != < >\nand : (contains). Reasons: refused, no_stream, too_large, "
    "expired, attempts, dropped_oldest.";

absl::StatusOr<ExitCode> RunList(const Invocation& invocation) {
  v1::ListDeadLettersRequest request;
  request.set_filter(invocation.arguments.Get("filter"));
  const auto response = ListPages<v1::ListDeadLettersResponse>(
      invocation, std::move(request),
      [&invocation](const v1::ListDeadLettersRequest& page) {
        return CallAdmin(invocation, "list the dead letters",
                         &v1::AdminService::Stub::ListDeadLetters, page);
      },
      [](v1::ListDeadLettersResponse& page) { return page.mutable_dead_letters(); });
  if (!response.ok()) return response.status();
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCode::kOk;
  }
  PrintDeadLetters(invocation, response->dead_letters());
  TellOfMore(invocation, response->next_page_token());
  return ExitCode::kOk;
}

absl::StatusOr<ExitCode> RunGet(const Invocation& invocation) {
  v1::GetDeadLetterRequest request;
  const bool raw = invocation.arguments.Has("raw");
  const bool with_content = raw || invocation.arguments.Has("content");
  request.set_view(with_content ? v1::DEAD_LETTER_VIEW_FULL : v1::DEAD_LETTER_VIEW_BASIC);
  const std::string& text = invocation.arguments.operands()[0];
  uint64_t id = 0;
  if (!absl::SimpleAtoi(text, &id)) {
    return UsageError(absl::StrCat("\"", text, "\" is not an operation id"));
  }
  request.set_operation_id(id);
  const auto response = CallAdmin(invocation, absl::StrCat("get the dead letter ", id),
                                  &v1::AdminService::Stub::GetDeadLetter, request);
  if (!response.ok()) return response.status();
  const v1::DeadLetter& dead_letter = response->dead_letter();
  if (raw) {
    invocation.environment.out << dead_letter.payload();
  } else if (invocation.options.format == OutputFormat::kTable) {
    PrintDeadLetter(invocation, dead_letter);
    if (with_content) PrintContent(invocation, dead_letter.headers(), dead_letter.payload());
  } else {
    PrintMessage(invocation, *response);
  }
  return ExitCode::kOk;
}

absl::StatusOr<v1::PurgeDeadLettersResponse> CallPurge(const Invocation& invocation,
                                                       const v1::PurgeDeadLettersRequest& request) {
  return CallAdmin(invocation, "purge dead letters", &v1::AdminService::Stub::PurgeDeadLetters,
                   request);
}

// Asks, with the number of what would be purged.
absl::Status ConfirmPurge(const Invocation& invocation, v1::PurgeDeadLettersRequest request) {
  if (invocation.options.yes) return absl::OkStatus();
  const absl::Status can_confirm = CheckCanConfirm(invocation);
  if (!can_confirm.ok()) return can_confirm;
  request.set_force(false);
  const auto preview = CallPurge(invocation, request);
  if (!preview.ok()) return preview.status();
  return Confirm(invocation,
                 absl::StrCat(DeadLetterCount(preview->purge_count()), " that match \"",
                              Printable(request.filter()), "\" will be thrown away for good."));
}

absl::StatusOr<ExitCode> RunPurge(const Invocation& invocation) {
  v1::PurgeDeadLettersRequest request;
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
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCode::kOk;
  }
  invocation.environment.out << DeadLetterCount(response->purge_count())
                             << (removes ? " purged.\n" : " would be purged.\n");
  if (removes) return ExitCode::kOk;
  if (!response->sample().empty()) PrintDeadLetters(invocation, response->sample());
  invocation.environment.err << "Nothing was removed; --force removes.\n";
  return ExitCode::kOk;
}

Command ListCommand() {
  Command list;
  list.path = "dlq ls";
  list.summary = "Lists the dead letters: what left the queue undelivered and is kept";
  list.details = kFilterDetails;
  list.flags = ListFlags();
  list.examples = {"routerctl dlq ls",
                   "routerctl dlq ls --filter 'reason = no_stream AND subject:orders.' --limit 0",
                   "routerctl dlq ls -o json | jq -r '.deadLetters[].messageId'"};
  list.run = RunList;
  return list;
}

Command GetCommand() {
  Command get;
  get.path = "dlq get";
  get.operands = "OPERATION_ID";
  get.summary = "Shows a dead letter with its reason and errors";
  get.flags = {{"content", "", "headers and payload too", ""},
               {"raw", "", "only the payload, byte for byte", ""}};
  get.operands_min = get.operands_max = 1;
  get.examples = {"routerctl dlq get 17", "routerctl dlq get 17 --raw > payload.bin"};
  get.run = RunGet;
  return get;
}

Command PurgeCommand() {
  Command purge;
  purge.path = "dlq purge";
  purge.summary = "Throws away dead letters for good";
  purge.details = absl::StrCat(
      "Without --force nothing is removed: the number and a sample of what would be are shown. "
      "With --force it\nasks first; where there is no terminal to ask at, --yes is needed.\n",
      kFilterDetails);
  purge.flags = SelectingFlags();
  purge.flags.push_back({"force", "", "remove them", ""});
  purge.examples = {"routerctl dlq purge --filter 'reason = expired' --reason \"stale by now\"",
                    "routerctl dlq purge --all --reason \"...\" --force --yes"};
  purge.run = RunPurge;
  return purge;
}

Command RedriveCommand() {
  Command redrive;
  redrive.path = "dlq redrive";
  redrive.summary = "Puts dead letters back into the queue, to be delivered again";
  redrive.details = absl::StrCat(
      "Goes on until all that match now are back, at the rate that the router allows; a terminal "
      "shows how far\nit is. What becomes a dead letter again meanwhile is left alone. What "
      "publishing would refuse "
      "now is not put\nback, and said (exit code 7).\n",
      kFilterDetails);
  redrive.flags = SelectingFlags();
  redrive.flags.push_back({"limit", "N", "most to put back; 0: all that match", "0"});
  redrive.examples = {
      "routerctl dlq redrive --filter 'reason = no_stream' --reason \"stream was created\"",
      "routerctl dlq redrive --all --limit 10 --reason \"a first try\""};
  redrive.run = RunRedrive;
  return redrive;
}

}  // namespace

std::vector<Command> DeadLetterCommands() {
  return {ListCommand(), GetCommand(), RedriveCommand(), PurgeCommand()};
}

}  // namespace router::cli
