#include "clients/cli/confirm.h"

#include "absl/strings/ascii.h"

namespace router::cli {

absl::Status CheckCanConfirm(const Invocation& invocation) {
  if (invocation.options.yes || invocation.environment.in_is_terminal) return absl::OkStatus();
  return UsageError("this cannot be undone, and there is no terminal to ask at: say --yes");
}

absl::Status Confirm(const Invocation& invocation, const std::string& question) {
  if (invocation.options.yes) return absl::OkStatus();
  const absl::Status can_confirm = CheckCanConfirm(invocation);
  if (!can_confirm.ok()) return can_confirm;
  invocation.environment.err << question << " Type \"yes\" to go on: " << std::flush;
  std::string answer;
  std::getline(invocation.environment.in, answer);
  if (absl::AsciiStrToLower(absl::StripAsciiWhitespace(answer)) == "yes") return absl::OkStatus();
  return absl::CancelledError("nothing was changed");
}

}  // namespace router::cli
