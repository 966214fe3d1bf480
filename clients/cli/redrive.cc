#include "clients/cli/redrive.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "clients/cli/dead_letter_view.h"
#include "clients/cli/output.h"
#include "clients/cli/rpc.h"
#include "clients/cli/selection.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

// Longest wait for the router's rate limit before it is asked again.
constexpr absl::Duration kWaitMax = absl::Seconds(5);

// Whether `status` only says that it is too soon for more.
bool IsTooSoon(const absl::Status& status) {
  const auto info = client::ErrorInfoOf(status);
  return info.has_value() && info->reason() == "REDRIVE_RATE_LIMITED";
}

void WaitForRate(const absl::Status& status) {
  const absl::Duration delay = client::RetryDelayOf(status).value_or(absl::Milliseconds(100));
  absl::SleepFor(std::min(std::max(delay, absl::Milliseconds(1)), kWaitMax));
}

class Redrive {
 public:
  Redrive(const Invocation& invocation, v1::RedriveDeadLettersRequest request, int64_t limit)
      : invocation_(invocation), request_(std::move(request)), limit_(limit) {}

  // Calls until all that matched the first call are back, or the limit is reached.
  absl::Status Run() {
    while (true) {
      request_.set_limit(limit_ == 0 ? 0 : limit_ - moved_);
      auto response = CallAdmin(invocation_, "redrive dead letters",
                                &v1::AdminService::Stub::RedriveDeadLetters, request_);
      if (!response.ok()) {
        if (!IsTooSoon(response.status())) return EndProgress(response.status());
        WaitForRate(response.status());
        continue;
      }
      Count(*response);
      if (response->redriven_count() == 0 || (limit_ != 0 && moved_ >= limit_)) {
        return EndProgress(absl::OkStatus());
      }
    }
  }

  int64_t moved() const { return moved_; }

  // All calls as one answer.
  v1::RedriveDeadLettersResponse total() const {
    v1::RedriveDeadLettersResponse total;
    total.set_redriven_count(moved_);
    total.set_remaining_count(remaining_);
    total.set_audit_event_id(audit_event_id_);
    total.set_refused_count(refused_.refused_count());
    *total.mutable_refused_sample() = refused_.refused_sample();
    return total;
  }

 private:
  void Count(const v1::RedriveDeadLettersResponse& response) {
    const bool is_first = moved_ == 0;
    moved_ += response.redriven_count();
    remaining_ = response.remaining_count();
    if (!response.audit_event_id().empty()) audit_event_id_ = response.audit_event_id();
    // Every call begins at the first one: what it refuses includes what the one before has refused.
    if (response.refused_count() >= refused_.refused_count()) refused_ = response;
    // What fails again comes back as a dead letter: it is not redriven for ever.
    if (is_first) {
      const int64_t all = moved_ + remaining_ - refused_.refused_count();
      limit_ = limit_ == 0 ? all : std::min(limit_, all);
    }
    if (!invocation_.environment.err_is_terminal) return;
    invocation_.environment.err << "\r" << HumanCount(moved_) << " of " << HumanCount(limit_)
                                << " back in the queue" << std::flush;
    shows_progress_ = true;
  }

  absl::Status EndProgress(absl::Status status) {
    if (std::exchange(shows_progress_, false)) invocation_.environment.err << "\n";
    return status;
  }

  const Invocation& invocation_;
  v1::RedriveDeadLettersRequest request_;
  int64_t limit_;  // 0: not known yet.
  int64_t moved_ = 0;
  int64_t remaining_ = 0;
  std::string audit_event_id_;
  v1::RedriveDeadLettersResponse refused_;  // The call that has refused most.
  bool shows_progress_ = false;
};

void PrintRefused(const Invocation& invocation, const v1::RedriveDeadLettersResponse& response) {
  if (response.refused_count() == 0) return;
  std::ostream& err = invocation.environment.err;
  err << DeadLetterCount(response.refused_count())
      << " refused, as publishing them would be now:\n";
  for (const v1::RefusedDeadLetter& refused : response.refused_sample()) {
    err << "  " << refused.operation_id() << ": " << Printable(refused.error().message()) << "\n";
  }
  if (response.refused_count() > response.refused_sample_size()) err << "  ...\n";
}

ExitCode ExitCodeOf(const v1::RedriveDeadLettersResponse& response) {
  return response.refused_count() == 0 ? ExitCode::kOk : ExitCode::kPartial;
}

void PrintTotal(const Invocation& invocation, const v1::RedriveDeadLettersResponse& total) {
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, total);
    return;
  }
  invocation.environment.out << DeadLetterCount(total.redriven_count())
                             << " put back into the queue.\n";
  PrintRefused(invocation, total);
  if (total.remaining_count() == 0) return;
  invocation.environment.err << HumanCount(total.remaining_count())
                             << " that match are still dead letters.\n";
}

absl::StatusOr<ExitCode> Preview(const Invocation& invocation,
                                 const v1::RedriveDeadLettersRequest& request) {
  const auto response = CallAdmin(invocation, "redrive dead letters",
                                  &v1::AdminService::Stub::RedriveDeadLetters, request);
  if (!response.ok()) return response.status();
  if (invocation.options.format != OutputFormat::kTable) {
    PrintMessage(invocation, *response);
    return ExitCodeOf(*response);
  }
  invocation.environment.out << DeadLetterCount(response->redriven_count())
                             << " would be put back into the queue.\n";
  if (!response->sample().empty()) PrintDeadLetters(invocation, response->sample());
  PrintRefused(invocation, *response);
  return ExitCodeOf(*response);
}

}  // namespace

std::string DeadLetterCount(int64_t count) {
  return absl::StrCat(HumanCount(count), count == 1 ? " dead letter" : " dead letters");
}

absl::StatusOr<ExitCode> RunRedrive(const Invocation& invocation) {
  v1::RedriveDeadLettersRequest request;
  const auto filter = RequiredFilter(invocation.arguments);
  if (!filter.ok()) return filter.status();
  request.set_filter(*filter);
  const absl::Status change = SetChange(invocation.arguments, request);
  if (!change.ok()) return change;
  const auto limit =
      invocation.arguments.GetInteger("limit", 0, std::numeric_limits<int64_t>::max());
  if (!limit.ok()) return limit.status();
  if (request.validate_only()) return Preview(invocation, request);
  Redrive redrive(invocation, std::move(request), *limit);
  const absl::Status status = redrive.Run();
  if (!status.ok() && redrive.moved() == 0) return status;
  PrintTotal(invocation, redrive.total());
  if (status.ok()) return ExitCodeOf(redrive.total());
  invocation.environment.err << "routerctl: " << DescribeError(status, invocation.options) << "\n";
  return ExitCode::kPartial;
}

}  // namespace router::cli
