#include "server/pending/damage_log.h"

#include <gtest/gtest.h>

#include <limits>

namespace router {
namespace {

constexpr int64_t kMost = std::numeric_limits<int64_t>::max();

TEST(AddFindingTest, AddsUpRecordsSinceTheFirst) {
  QueueDamage damage;
  AddFinding("2026-01-02T00:00:00+00:00\t3\tdamaged records", &damage);
  AddFinding("2026-01-01T00:00:00+00:00\t4", &damage);
  EXPECT_EQ(damage.records, 7);
  EXPECT_EQ(damage.since, absl::FromUnixSeconds(1767225600));
}

TEST(AddFindingTest, LinesThatAreNoneAddNothing) {
  QueueDamage damage;
  for (const char* line :
       {"", "\t", "seen by alice", "yesterday\t3\tx", "2026-01-01T00:00:00+00:00",
        "2026-01-01T00:00:00+00:00\tmany\tx", "2026-01-01T00:00:00+00:00\t-3\tx",
        "2026-01-01T00:00:00+00:00\t9223372036854775808\tx"}) {
    AddFinding(line, &damage);
    EXPECT_EQ(damage.records, 0) << line;
    EXPECT_EQ(damage.since, absl::InfiniteFuture()) << line;
  }
}

TEST(AddFindingTest, CountsNoFurtherThanThereAreNumbers) {
  QueueDamage damage;
  AddFinding("2026-01-01T00:00:00+00:00\t9223372036854775807\tx", &damage);
  AddFinding("2026-01-01T00:00:00+00:00\t1\tx", &damage);
  EXPECT_EQ(damage.records, kMost);
}

}  // namespace
}  // namespace router
