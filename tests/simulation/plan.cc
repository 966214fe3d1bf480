#include "tests/simulation/plan.h"

#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/simulation/draw.h"

namespace router {
namespace {

struct Kind {
  absl::string_view name;
  int weight;      // Of a thousand, about.
  bool is_spared;  // Half of all seeds do without.
};

// In the order of StepKind.
// clang-format off
constexpr Kind kKinds[kStepKinds] = {
    {"publish", 90, false},
    {"store", 130, false},
    {"answer", 130, false},
    {"lose answer", 12, true},
    {"swallow", 6, true},
    {"refuse for now", 12, true},
    {"refuse for good", 8, true},
    {"time out", 15, false},
    {"connect", 60, false},
    {"disconnect", 15, true},
    {"late", 15, false},
    {"commit", 130, false},
    {"fail commit", 5, true},
    {"disk refuses", 6, true},
    {"disk well", 20, false},
    {"drain", 130, false},
    {"pass time", 80, false},
    {"set wall clock", 1, true},
    {"purge", 4, true},
    {"redrive", 8, true},
    {"purge dead letters", 2, true},
    {"retry now", 6, true},
    {"pause", 4, true},
    {"resume", 10, false},
    {"fail-open on", 4, true},
    {"fail-open off", 5, false},
    {"crash", 4, true},
    {"crash between", 4, true},
    {"restart", 2, true},
};
// clang-format on

RunOptions PickOptions(Draw* draw) {
  RunOptions options;
  options.dispatcher.full_policy = static_cast<FullPolicy>(draw->Pick({0, 1, 2}));
  options.dispatcher.queue_count_max = draw->Pick({3, 20, 1000});
  options.dispatcher.queue_bytes_max = draw->Pick({1500, 1 << 30, 1 << 30});
  options.dispatcher.keep_dropped = draw->Chance(50);
  options.dispatcher.waiting_bytes_max = draw->Pick({500, 5000, 1 << 20});
  options.dispatcher.in_flight_bytes_max = draw->Pick({300, 1 << 20});
  options.dispatcher.recent.window = absl::Milliseconds(draw->Pick({50, 120000}));
  options.drainer.claim_count_max = draw->Pick({1, 5, 1024});
  options.drainer.claim_bytes_max = draw->Pick({300, 1 << 20});
  options.drainer.attempts_max = static_cast<int>(draw->Pick({0, 0, 3}));
  options.drainer.blocked_keys_max = static_cast<size_t>(draw->Pick({1, 4096}));
  options.window = draw->Pick({1, 2, 8, 64, 1024, 1024});
  options.duplicate_window = absl::Milliseconds(draw->Pick({500, 120000, 120000}));
  options.keys = static_cast<int>(draw->Pick({1, 3, 6}));
  options.caller_id_percent = static_cast<int>(draw->Pick({0, 30, 80}));
  options.interruption_percent = static_cast<int>(draw->Pick({0, 20, 80}));
  options.fail_open = draw->Chance(20);
  options.partial_refusals = draw->Chance(20);
  return options;
}

std::vector<int> PickWeights(Draw* draw) {
  std::vector<int> weights;
  for (const Kind& kind : kKinds) {
    const bool spared = draw->Chance(50);
    const int weight = kind.weight * static_cast<int>(draw->Pick({1, 2, 4}));
    weights.push_back(kind.is_spared && spared ? 0 : weight);
  }
  return weights;
}

// Plans of one seed that differ in length begin alike.
StepKind PickKind(const std::vector<int>& weights, int total, Draw* draw) {
  int left = draw->Below(static_cast<size_t>(total));
  size_t kind = 0;
  while (left >= weights[kind]) left -= weights[kind++];
  return static_cast<StepKind>(kind);
}

}  // namespace

absl::string_view StepName(StepKind kind) { return kKinds[static_cast<size_t>(kind)].name; }

Plan MakePlan(uint64_t seed, int step_count) {
  Draw draw(seed);
  Plan plan;
  plan.seed = seed;
  plan.options = PickOptions(&draw);
  const std::vector<int> weights = PickWeights(&draw);
  int total = 0;
  for (const int weight : weights) total += weight;
  plan.steps.resize(static_cast<size_t>(step_count));
  for (size_t i = 0; i < plan.steps.size(); ++i) {
    Step& step = plan.steps[i];
    step.kind = PickKind(weights, total, &draw);
    step.draw = draw.Next();
    step.position = i;
  }
  return plan;
}

std::string StepsToText(const std::vector<Step>& steps) {
  const int unlimited = Step().messages_max;
  return absl::StrJoin(steps, ",", [unlimited](std::string* text, const Step& step) {
    absl::StrAppend(text, step.position);
    if (step.messages_max != unlimited) absl::StrAppend(text, ":", step.messages_max);
  });
}

bool KeepOnly(absl::string_view text, Plan* plan) {
  std::vector<Step> kept;
  for (absl::string_view item : absl::StrSplit(text, ',', absl::SkipEmpty())) {
    const std::pair<absl::string_view, absl::string_view> parts =
        absl::StrSplit(item, absl::MaxSplits(':', 1));
    size_t position = 0;
    if (!absl::SimpleAtoi(parts.first, &position) || position >= plan->steps.size()) return false;
    kept.push_back(plan->steps[position]);
    if (!parts.second.empty() && !absl::SimpleAtoi(parts.second, &kept.back().messages_max)) {
      return false;
    }
  }
  plan->steps = std::move(kept);
  return true;
}

}  // namespace router
