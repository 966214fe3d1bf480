#include "clients/cli/errors.h"

#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "clients/cli/units.h"
#include "clients/cpp/errors.h"
#include "nlohmann/json.hpp"

namespace router::cli {
namespace {

constexpr char kTaskPayload[] = "routerctl/task";

std::string TaskOf(const absl::Status& status) {
  const auto task = status.GetPayload(kTaskPayload);
  return task.has_value() ? std::string(*task) : "";
}

std::string ReasonOf(const absl::Status& status) {
  const auto info = client::ErrorInfoOf(status);
  return info.has_value() ? info->reason() : "";
}

// What helps against a reason that routers give.
std::string AdviceForReason(const std::string& reason) {
  static constexpr std::pair<const char*, const char*> kAdvice[] = {
      {"DEAD_LETTER_NOT_FOUND", "see `routerctl dlq ls`"},
      {"DRAINING", "the router is shutting down: try another one, or this one once it is back"},
      {"ETAG_MISMATCH", "see `routerctl failopen get`"},
      {"FILTER_INVALID", "see `routerctl pending ls --help` for filters"},
      {"NATS_UNAVAILABLE", "the broker is away: see `routerctl status`"},
      {"NO_STREAM_FOR_SUBJECT",
       "create a JetStream stream for the subject, or publish with "
       "--guarantee received"},
      {"OPERATION_NOT_FOUND", "see `routerctl pending ls`"},
      {"PENDING_QUEUE_FULL", "wait until the queue has drained: see `routerctl status`"},
      {"REASON_REQUIRED", "say why with --reason"},
      {"SPOOL_IO_ERROR", "look at the router's disk and log"},
  };
  for (const auto& [known, advice] : kAdvice) {
    if (reason == known) return advice;
  }
  return "";
}

std::string AdviceFor(const absl::Status& status, const GlobalOptions& options) {
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) return AdviceForReason(reason);
  if (TaskOf(status).empty()) return "";
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
      return "is routerd running there? (--address, and --tls-ca where it has TLS)";
    case absl::StatusCode::kDeadlineExceeded:
      return absl::StrCat("no answer within ", HumanDuration(options.timeout),
                          ": raise --timeout, or look at the router");
    case absl::StatusCode::kUnimplemented:
      return "the router does not know this call: is it older than this routerctl?";
    default:
      return "";
  }
}

// gRPC puts several layers of words around the cause.
std::string CauseOf(const absl::Status& status) {
  const std::string message(status.message());
  constexpr char kMark[] = "last error: ";
  const size_t mark = message.rfind(kMark);
  return mark == std::string::npos ? message : message.substr(mark + sizeof(kMark) - 1);
}

std::string MessageOf(const absl::Status& status, const GlobalOptions& options) {
  if (absl::IsUnavailable(status) && ReasonOf(status).empty() && !TaskOf(status).empty()) {
    return absl::StrCat("no router answers at ", options.address, " (", CauseOf(status), ")");
  }
  if (status.message().empty()) return absl::StatusCodeToString(status.code());
  return std::string(status.message());
}

}  // namespace

absl::Status Annotate(absl::Status status, const std::string& task) {
  if (!status.ok()) status.SetPayload(kTaskPayload, absl::Cord(task));
  return status;
}

ExitCode ExitCodeOf(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return ExitCode::kOk;
    case absl::StatusCode::kInvalidArgument:
      return ExitCode::kUsage;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded:
      return ExitCode::kUnavailable;
    case absl::StatusCode::kNotFound:
      return ExitCode::kNotFound;
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kAlreadyExists:
      return ExitCode::kPrecondition;
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return ExitCode::kDenied;
    default:
      return ExitCode::kError;
  }
}

std::string DescribeError(const absl::Status& status, const GlobalOptions& options) {
  std::string line;
  const std::string task = TaskOf(status);
  if (!task.empty()) absl::StrAppend(&line, "cannot ", task, ": ");
  absl::StrAppend(&line, MessageOf(status, options));
  const google::rpc::BadRequest bad_request = client::BadRequestOf(status);
  for (const auto& violation : bad_request.field_violations()) {
    if (absl::StrContains(line, violation.description())) continue;
    absl::StrAppend(&line, "; ", violation.field(), ": ", violation.description());
  }
  const std::string reason = ReasonOf(status);
  if (!reason.empty()) absl::StrAppend(&line, " [", reason, "]");
  const std::string advice = AdviceFor(status, options);
  if (!advice.empty()) absl::StrAppend(&line, "; ", advice);
  const auto delay = client::RetryDelayOf(status);
  if (delay.has_value()) absl::StrAppend(&line, "; try again in ", HumanDuration(*delay));
  return Printable(line);
}

std::string ErrorAsJson(const absl::Status& status, const GlobalOptions& options) {
  nlohmann::ordered_json error;
  error["code"] = absl::StatusCodeToString(status.code());
  error["exitCode"] = static_cast<int>(ExitCodeOf(status));
  const std::string task = TaskOf(status);
  if (!task.empty()) error["task"] = task;
  error["message"] = MessageOf(status, options);
  const auto info = client::ErrorInfoOf(status);
  if (info.has_value()) {
    error["reason"] = info->reason();
    error["domain"] = info->domain();
    for (const auto& [key, value] : info->metadata()) error["metadata"][key] = value;
  }
  const google::rpc::BadRequest bad_request = client::BadRequestOf(status);
  for (const auto& violation : bad_request.field_violations()) {
    error["fieldViolations"].push_back(
        {{"field", violation.field()}, {"description", violation.description()}});
  }
  const auto delay = client::RetryDelayOf(status);
  if (delay.has_value()) error["retryDelay"] = absl::StrCat(absl::ToDoubleSeconds(*delay), "s");
  const std::string advice = AdviceFor(status, options);
  if (!advice.empty()) error["advice"] = advice;
  return nlohmann::ordered_json{{"error", error}}.dump(
      -1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace router::cli
