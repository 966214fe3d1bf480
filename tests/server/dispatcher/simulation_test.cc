#include "tests/server/dispatcher/simulation.h"

#include <cstdint>
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"

namespace router {
namespace {

constexpr uint64_t kSeedCount = 60;
constexpr int kStepCount = 3000;

void RunSeed(uint64_t seed) {
  SCOPED_TRACE(absl::StrCat("seed ", seed));
  Simulation simulation(seed);
  for (int step = 0; step < kStepCount; ++step) {
    SCOPED_TRACE(absl::StrCat("step ", step));
    simulation.Step();
    if (::testing::Test::HasFatalFailure()) return;
  }
  simulation.Heal();
}

// SIMULATION_SEED=n repeats one run; SIMULATION_SEED_COUNT=n does that many.
uint64_t FromEnvironment(const char* name, uint64_t otherwise) {
  const char* const text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : otherwise;
}

TEST(SimulationTest, KeepsEveryPromiseUnderAllFaults) {
  const uint64_t only = FromEnvironment("SIMULATION_SEED", 0);
  if (only != 0) return RunSeed(only);
  const uint64_t count = FromEnvironment("SIMULATION_SEED_COUNT", kSeedCount);
  for (uint64_t seed = 1; seed <= count && !::testing::Test::HasFailure(); ++seed) RunSeed(seed);
}

}  // namespace
}  // namespace router
