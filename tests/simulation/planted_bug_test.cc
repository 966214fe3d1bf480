// The simulation itself is tested with bugs: it must find each of them.
#include "tests/simulation/planted_bug.h"

#include <cstdint>
#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/runner.h"

namespace router {
namespace {

constexpr uint64_t kSeedsMax = 400;
constexpr int kSteps = 1000;

class PlantedBugTest : public ::testing::TestWithParam<PlantedBugInfo> {};

TEST_P(PlantedBugTest, IsFoundForWhatItIs) {
  const ScratchFolder folder;
  std::set<std::string> others;
  for (uint64_t seed = 1; seed <= kSeedsMax; ++seed) {
    Plan plan = MakePlan(seed, kSteps);
    plan.options.bug = GetParam().bug;
    const std::string failure = RunPlan(plan, folder.path()).failure;
    if (absl::StrContains(failure, GetParam().failure)) return;
    if (!failure.empty()) others.insert(failure);
  }
  FAIL() << GetParam().what << ": not found with " << kSeedsMax << " seeds, but\n"
         << absl::StrJoin(others, "\n");
}

INSTANTIATE_TEST_SUITE_P(All, PlantedBugTest,
                         ::testing::ValuesIn(PlantedBugs().begin(), PlantedBugs().end()),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(PlantedBugsTest, HaveNamesOfTheirOwn) {
  std::set<absl::string_view> names;
  for (const PlantedBugInfo& info : PlantedBugs()) {
    EXPECT_TRUE(names.insert(info.name).second) << info.name;
    EXPECT_EQ(FindPlantedBug(info.name), info.bug);
  }
  EXPECT_EQ(FindPlantedBug("none"), PlantedBug::kNone);
}

}  // namespace
}  // namespace router
