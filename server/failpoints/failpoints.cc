#include "server/failpoints/failpoints.h"

#include <csignal>
#include <utility>

#include "absl/random/distributions.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace router {
namespace {

constexpr std::array<std::pair<absl::string_view, Failpoint>, kFailpointCount> kNames = {{
    {"before_fsync=kill", Failpoint::kKillBeforeFsync},
    {"after_fsync=kill", Failpoint::kKillAfterFsync},
    {"after_publish=kill", Failpoint::kKillAfterPublish},
    {"before_settle=kill", Failpoint::kKillBeforeSettle},
    {"before_delete=kill", Failpoint::kKillBeforeDelete},
    {"append=forget", Failpoint::kForgetAppend},
    {"redeliver=delete_first", Failpoint::kDeleteFirst},
    {"redeliver=new_id", Failpoint::kNewId},
    {"redeliver=do_not_look", Failpoint::kDoNotLook},
    {"publish=swap", Failpoint::kSwap},
    {"settle=forget", Failpoint::kForgetSettled},
    {"connection_end=confirm", Failpoint::kConfirmInDoubt},
}};

absl::Status NoSuchFailpoint(absl::string_view text) {
  std::string known;
  for (const auto& [name, failpoint] : kNames) {
    absl::StrAppend(&known, known.empty() ? "" : ", ", name);
  }
  return absl::InvalidArgumentError(absl::StrCat("\"", text, "\" is none of ", known));
}

absl::StatusOr<FailpointRule> ParseRule(absl::string_view text) {
  FailpointRule rule;
  const size_t end = text.find_first_of("@#");
  if (end != absl::string_view::npos) {
    const absl::string_view value = text.substr(end + 1);
    if (text[end] == '@') {
      if (!absl::SimpleAtod(value, &rule.probability) || !(rule.probability > 0) ||
          rule.probability > 1) {
        return absl::InvalidArgumentError(
            absl::StrCat("\"", text, "\": what follows @ is a probability above 0, at most 1"));
      }
    } else if (!absl::SimpleAtoi(value, &rule.nth_time) || rule.nth_time < 1) {
      return absl::InvalidArgumentError(
          absl::StrCat("\"", text, "\": what follows # is a count from 1"));
    }
  }
  const absl::string_view wanted = text.substr(0, end);
  for (const auto& [name, failpoint] : kNames) {
    if (name != wanted) continue;
    rule.failpoint = failpoint;
    return rule;
  }
  return NoSuchFailpoint(wanted);
}

}  // namespace

absl::StatusOr<std::vector<FailpointRule>> ParseFailpoints(absl::string_view text) {
  std::vector<FailpointRule> rules;
  if (text.empty()) return rules;
  for (absl::string_view part : absl::StrSplit(text, ',')) {
    const absl::StatusOr<FailpointRule> rule = ParseRule(part);
    if (!rule.ok()) return rule.status();
    rules.push_back(*rule);
  }
  return rules;
}

Failpoints::Failpoints(absl::Span<const FailpointRule> rules) {
  for (const FailpointRule& rule : rules) {
    states_[static_cast<size_t>(rule.failpoint)] = State{rule};
  }
}

bool Failpoints::Strikes(Failpoint failpoint) {
  absl::MutexLock lock(&mutex_);
  absl::optional<State>& state = states_[static_cast<size_t>(failpoint)];
  if (!state.has_value()) return false;
  ++state->passings;
  if (state->rule.nth_time > 0) return state->passings == state->rule.nth_time;
  return absl::Bernoulli(random_, state->rule.probability);
}

void Failpoints::Kill(Failpoint failpoint) {
  if (Strikes(failpoint)) raise(SIGKILL);
}

}  // namespace router
