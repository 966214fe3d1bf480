// Simulates routers under faults, seed after seed; see ./simulate --help.
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "tests/simulation/runner.h"

namespace router {
namespace {

constexpr char kUsage[] =
    R"(usage: ./simulate [--seeds N] [--first S] [--steps N] [--minutes M] [--seed S] [--only POSITIONS]
                  [--refusals by_seed|whole|partial] [--bug NAME]

  --seeds N      how many seeds (10000)
  --first S      the first of them (1)
  --steps N      steps of each seed's plan, before it heals (1000)
  --minutes M    goes on for that long, with ever new seeds
  --seed S       only this one, with a trace: one line a step
  --only 3,17:1  of that seed's plan only the steps at these positions, publishing at most one
                 message at position 17; this is how a failing seed is repeated in its shortest form
  --refusals     whether the broker may refuse one of several messages of a key that are under way
                 and take those behind it (partial: order is not checked), or not (whole); by_seed:
                 one seed in five may
  --bug NAME     plants a bug, to see it found: one of
)";

struct Arguments {
  uint64_t seeds = 10000;
  uint64_t first = 1;
  int steps = 1000;
  double minutes = 0;
  uint64_t seed = 0;
  std::string only;
  std::string refusals = "by_seed";
  std::string bug;
};

void PrintUsage(std::FILE* to) {
  std::fputs(kUsage, to);
  for (const PlantedBugInfo& info : PlantedBugs()) {
    std::fprintf(to, "                   %-24s %s\n", std::string(info.name).c_str(),
                 std::string(info.what).c_str());
  }
}

bool Parse(int argc, char** argv, Arguments* arguments) {
  if (argc % 2 == 0) return false;
  for (int i = 1; i + 1 < argc; i += 2) {
    const absl::string_view name = argv[i];
    const absl::string_view value = argv[i + 1];
    bool ok = true;
    if (name == "--seeds") {
      ok = absl::SimpleAtoi(value, &arguments->seeds);
    } else if (name == "--first") {
      ok = absl::SimpleAtoi(value, &arguments->first);
    } else if (name == "--steps") {
      ok = absl::SimpleAtoi(value, &arguments->steps) && arguments->steps >= 0;
    } else if (name == "--minutes") {
      ok = absl::SimpleAtod(value, &arguments->minutes) && arguments->minutes > 0;
    } else if (name == "--seed") {
      ok = absl::SimpleAtoi(value, &arguments->seed) && arguments->seed > 0;
    } else if (name == "--only") {
      arguments->only = std::string(value);
    } else if (name == "--refusals") {
      arguments->refusals = std::string(value);
      ok = value == "by_seed" || value == "whole" || value == "partial";
    } else if (name == "--bug") {
      arguments->bug = std::string(value);
      ok = FindPlantedBug(value) != PlantedBug::kNone;
    } else {
      ok = false;
    }
    if (!ok) return false;
  }
  return arguments->only.empty() || arguments->seed > 0;
}

Plan PlanOf(const Arguments& arguments, uint64_t seed) {
  Plan plan = MakePlan(seed, arguments.steps);
  plan.options.bug = FindPlantedBug(arguments.bug);
  if (arguments.refusals != "by_seed") {
    plan.options.partial_refusals = arguments.refusals == "partial";
  }
  return plan;
}

std::string CommandOf(const Arguments& arguments, const Plan& plan) {
  std::string command = absl::StrCat("./simulate --seed ", plan.seed);
  const Arguments defaults;
  if (arguments.steps != defaults.steps) absl::StrAppend(&command, " --steps ", arguments.steps);
  if (arguments.refusals != defaults.refusals) {
    absl::StrAppend(&command, " --refusals ", arguments.refusals);
  }
  if (!arguments.bug.empty()) absl::StrAppend(&command, " --bug ", arguments.bug);
  return command;
}

// Whether it kept every promise.
bool RunWithTrace(const Plan& plan, const std::string& folder) {
  std::vector<std::string> lines;
  const RunResult result = RunPlan(plan, folder, &lines);
  for (const std::string& line : lines) std::printf("%s\n", line.c_str());
  std::printf("%s: %lld steps, %lld messages, %lld lives\n",
              result.failure.empty() ? "OK" : "FAILED", static_cast<long long>(result.steps),
              static_cast<long long>(result.messages), static_cast<long long>(result.lives));
  if (!result.failure.empty()) std::printf("%s\n", result.failure.c_str());
  return result.failure.empty();
}

void ShowFailure(const Arguments& arguments, const Plan& plan, const RunResult& result,
                 const std::string& folder) {
  std::printf("\nseed %llu FAILED at step %zu: %s\nmaking it short ...\n\n",
              static_cast<unsigned long long>(plan.seed), result.steps_used,
              result.failure.c_str());
  const Plan shortest = Shrink(plan, folder);
  RunWithTrace(shortest, folder);
  const std::string command = CommandOf(arguments, plan);
  std::printf("\nin short: %s --only %s\nas found: %s\n", command.c_str(),
              StepsToText(shortest.steps).c_str(), command.c_str());
}

class Progress {
 public:
  void Add(const RunResult& result) {
    ++seeds_;
    steps_ += result.steps;
    messages_ += result.messages;
    lives_ += result.lives;
    claimed_in_doubt_ += result.claimed_in_doubt;
    claimed_in_needless_doubt_ += result.claimed_in_needless_doubt;
    if (Seconds() < next_) return;
    Print("");
    next_ = Seconds() + 10;
  }

  void Print(const char* prefix) const {
    std::printf("%s%lld steps, %lld seeds, %lld messages, %lld lives in %.1f s: %.0f steps/s\n",
                prefix, static_cast<long long>(steps_), static_cast<long long>(seeds_),
                static_cast<long long>(messages_), static_cast<long long>(lives_), Seconds(),
                static_cast<double>(steps_) / Seconds());
    std::fflush(stdout);
  }

  void PrintDoubts() const {
    std::printf("records claimed as perhaps sent: %lld, of which surely not sent: %lld\n",
                static_cast<long long>(claimed_in_doubt_),
                static_cast<long long>(claimed_in_needless_doubt_));
  }

  double Seconds() const {
    return std::chrono::duration<double>(std::chrono::steady_clock::now() - start_).count();
  }

 private:
  const std::chrono::steady_clock::time_point start_ = std::chrono::steady_clock::now();
  double next_ = 10;
  int64_t steps_ = 0;
  int64_t seeds_ = 0;
  int64_t messages_ = 0;
  int64_t lives_ = 0;
  int64_t claimed_in_doubt_ = 0;
  int64_t claimed_in_needless_doubt_ = 0;
};

int Main(int argc, char** argv) {
  Arguments arguments;
  if (!Parse(argc, argv, &arguments)) {
    const bool asked = argc == 2 && absl::string_view(argv[1]) == "--help";
    PrintUsage(asked ? stdout : stderr);
    return asked ? 0 : 2;
  }
  const ScratchFolder folder;
  if (arguments.seed > 0) {
    Plan plan = PlanOf(arguments, arguments.seed);
    if (!arguments.only.empty() && !KeepOnly(arguments.only, &plan)) {
      std::fputs("simulate: --only has positions of the plan's steps, such as 3,17:1\n", stderr);
      return 2;
    }
    return RunWithTrace(plan, folder.path()) ? 0 : 1;
  }
  Progress progress;
  const double seconds_max = arguments.minutes * 60;
  const uint64_t seeds = seconds_max > 0 ? std::numeric_limits<uint64_t>::max() : arguments.seeds;
  for (uint64_t i = 0; i < seeds; ++i) {
    if (seconds_max > 0 && progress.Seconds() > seconds_max) break;
    const Plan plan = PlanOf(arguments, arguments.first + i);
    const RunResult result = RunPlan(plan, folder.path());
    progress.Add(result);
    if (result.failure.empty()) continue;
    ShowFailure(arguments, plan, result, folder.path());
    progress.Print("before that: ");
    return 1;
  }
  progress.Print("OK: ");
  progress.PrintDoubts();
  return 0;
}

}  // namespace
}  // namespace router

int main(int argc, char** argv) { return router::Main(argc, argv); }
