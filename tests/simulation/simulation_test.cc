#include <cstdint>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/runner.h"

namespace router {
namespace {

constexpr uint64_t kSeeds = 100;
constexpr int kSteps = 1000;

TEST(SimulationTest, KeepsEveryPromiseUnderAllFaults) {
  const ScratchFolder folder;
  int64_t claimed_in_doubt = 0;
  int64_t claimed_in_needless_doubt = 0;
  for (uint64_t seed = 1; seed <= kSeeds; ++seed) {
    const Plan plan = MakePlan(seed, kSteps);
    const RunResult result = RunPlan(plan, folder.path());
    claimed_in_doubt += result.claimed_in_doubt;
    claimed_in_needless_doubt += result.claimed_in_needless_doubt;
    if (result.failure.empty()) continue;
    FAIL() << "seed " << seed << ": " << result.failure << "; in short: ./simulate --seed " << seed
           << " --only " << StepsToText(Shrink(plan, folder.path()).steps);
  }
  EXPECT_GT(claimed_in_doubt, 0);
  EXPECT_LT(claimed_in_needless_doubt, claimed_in_doubt / 4) << "what was never sent is looked for";
}

// What the tests of the router would not notice: that the simulation has nothing left to do.
TEST(SimulationTest, EveryKindOfFaultAndOutcomeHappens) {
  const ScratchFolder folder;
  std::string all;
  for (uint64_t seed = 1; seed <= 40; ++seed) {
    std::vector<std::string> lines;
    RunPlan(MakePlan(seed, kSteps), folder.path(), &lines);
    for (const std::string& line : lines) absl::StrAppend(&all, line, "\n");
  }
  for (size_t kind = 0; kind < kStepKinds; ++kind) {
    const absl::string_view name = StepName(static_cast<StepKind>(kind));
    EXPECT_NE(all.find(absl::StrCat("s  ", name)), std::string::npos) << name;
  }
  for (const char* const what : {"=DELIVERED",
                                 "=QUEUED",
                                 "=DROPPED",
                                 "(replayed)",
                                 "(unheard)",
                                 "(again)",
                                 "gone:",
                                 "resent:",
                                 "redriven:",
                                 "refused",
                                 "[crash]",
                                 "SUBJECT_INVALID",
                                 "MESSAGE_ID_CONFLICT",
                                 "NO_STREAM_FOR_SUBJECT",
                                 "BROKER_REFUSED",
                                 "PENDING_QUEUE_FULL",
                                 "WINDOW_FULL",
                                 "SPOOL_FULL",
                                 "SPOOL_IO_ERROR",
                                 "DRAINING",
                                 "DEADLINE_EXCEEDED"}) {
    EXPECT_NE(all.find(what), std::string::npos) << what;
  }
}

TEST(SimulationTest, ASeedRepeatsExactly) {
  const ScratchFolder folder;
  for (const uint64_t seed : {1, 2, 3}) {
    std::vector<std::string> first, second;
    RunPlan(MakePlan(seed, kSteps), folder.path(), &first);
    RunPlan(MakePlan(seed, kSteps), folder.path(), &second);
    EXPECT_EQ(first, second);
  }
}

TEST(SimulationTest, AFailingSeedIsMadeShortAndRepeatsFromItsText) {
  const ScratchFolder folder;
  Plan plan = MakePlan(1, kSteps);
  plan.options.bug = PlantedBug::kOtherIdOnRedelivery;
  ASSERT_NE(RunPlan(plan, folder.path()).failure, "");
  const Plan shortest = Shrink(plan, folder.path());
  EXPECT_LE(shortest.steps.size(), 20u);
  for (size_t i = 0; i < shortest.steps.size(); ++i) {
    Plan shorter = shortest;
    shorter.steps.erase(shorter.steps.begin() + static_cast<int64_t>(i));
    EXPECT_EQ(RunPlan(shorter, folder.path()).failure, "") << "a step too many";
  }
  ASSERT_TRUE(KeepOnly(StepsToText(shortest.steps), &plan));
  EXPECT_EQ(RunPlan(plan, folder.path()).failure, RunPlan(shortest, folder.path()).failure);
}

TEST(SimulationTest, RefusesTextsThatNameNoSteps) {
  Plan plan = MakePlan(1, 10);
  for (const char* const text : {"10", "-1", "a", "1:x", "1;2"}) {
    Plan copy = plan;
    EXPECT_FALSE(KeepOnly(text, &copy)) << text;
  }
  ASSERT_TRUE(KeepOnly("3,7:2", &plan));
  EXPECT_EQ(StepsToText(plan.steps), "3,7:2");
}

}  // namespace
}  // namespace router
