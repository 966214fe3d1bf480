#include "clients/cli/publish_report.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "clients/cli/errors.h"
#include "clients/cli/output.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

// As many failures are told one by one.
constexpr int64_t kFailuresToldMax = 20;

std::string OutcomeName(v1::PublishOutcome outcome) {
  return ShortName(v1::PublishOutcome_Name(outcome), "PUBLISH_OUTCOME_");
}

void WarnOfDrops(const Invocation& invocation, int64_t count) {
  invocation.environment.err << "Fail-open mode is on: " << HumanCount(count)
                             << (count == 1 ? " message was" : " messages were")
                             << " accepted and thrown away.\n";
}

// Details come in the order of their types: a status hands them out in any.
google::rpc::Status ToRpcStatus(const absl::Status& status) {
  google::rpc::Status proto;
  proto.set_code(static_cast<int>(status.code()));
  proto.set_message(std::string(status.message()));
  std::map<std::string, std::string> details;
  status.ForEachPayload([&details](absl::string_view type_url, const absl::Cord& value) {
    if (type_url.find("type.googleapis.com/") != 0) return;
    details.emplace(std::string(type_url), std::string(value));
  });
  for (const auto& [type_url, value] : details) {
    auto* detail = proto.add_details();
    detail->set_type_url(type_url);
    detail->set_value(value);
  }
  return proto;
}

}  // namespace

void PrintResult(const Invocation& invocation, const v1::PublishResult& result) {
  if (invocation.options.format != OutputFormat::kTable) {
    v1::PublishResponse response;
    *response.mutable_result() = result;
    PrintMessage(invocation, response);
  } else {
    PrintProperties(
        {
            {"Outcome", OutcomeName(result.outcome())},
            {"Message id", Printable(result.message_id())},
            {"Stream", Printable(result.stream())},
            {"Sequence", result.stream().empty() ? "" : absl::StrCat(result.sequence())},
            {"Duplicate", result.duplicate() ? "yes: the broker had it already" : ""},
            {"Operation", result.outcome() == v1::PUBLISH_OUTCOME_QUEUED
                              ? absl::StrCat(result.operation_id())
                              : ""},
        },
        invocation.environment.out);
  }
  if (result.outcome() == v1::PUBLISH_OUTCOME_DROPPED) WarnOfDrops(invocation, 1);
}

void PublishReport::Add(int64_t line, const absl::StatusOr<v1::PublishResult>& result) {
  v1::PublishStreamResult numbered;
  numbered.set_number(line);
  if (result.ok()) {
    ++accepted_;
    ++outcomes_[result->outcome()];
    if (result->duplicate()) ++duplicates_;
    *numbered.mutable_result() = *result;
  } else {
    if (failed_++ == 0) first_error_ = result.status();
    PrintFailure(line, result.status());
    // The outcome of a message whose answer is missing is not known.
    if (result.status().code() != absl::StatusCode::kDeadlineExceeded &&
        result.status().code() != absl::StatusCode::kCancelled) {
      numbered.mutable_result()->set_outcome(v1::PUBLISH_OUTCOME_REJECTED);
    }
    ++outcomes_[numbered.result().outcome()];
    *numbered.mutable_result()->mutable_error() = ToRpcStatus(result.status());
  }
  if (invocation_.options.format != OutputFormat::kTable) {
    PrintMessage(invocation_, numbered, /*more_follow=*/true);
  }
}

void PublishReport::PrintFailure(int64_t line, const absl::Status& status) {
  std::ostream& err = invocation_.environment.err;
  if (failed_ <= kFailuresToldMax) {
    err << "line " << line << ": " << DescribeError(status, invocation_.options) << "\n";
  } else if (failed_ == kFailuresToldMax + 1) {
    err << "More failures are only counted.\n";
  }
}

absl::StatusOr<ExitCode> PublishReport::Finish() {
  if (invocation_.options.format == OutputFormat::kTable) {
    Table table({"OUTCOME", "MESSAGES"});
    for (const auto& [outcome, count] : outcomes_) {
      const bool unknown = outcome == v1::PUBLISH_OUTCOME_UNSPECIFIED;
      table.AddRow({unknown ? "UNKNOWN" : OutcomeName(outcome), HumanCount(count)});
    }
    table.Print(invocation_.environment.out);
  }
  if (duplicates_ > 0) {
    invocation_.environment.err << HumanCount(duplicates_) << " of them the broker had already.\n";
  }
  const int64_t dropped = outcomes_[v1::PUBLISH_OUTCOME_DROPPED];
  if (dropped > 0) WarnOfDrops(invocation_, dropped);
  if (failed_ == 0) return ExitCode::kOk;
  if (accepted_ == 0) return first_error_;
  return ExitCode::kPartial;
}

}  // namespace router::cli
