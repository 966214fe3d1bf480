#include "server/dispatcher/id_log.h"

#include <cstdint>
#include <map>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::IsNull;
using ::testing::NotNull;
using ::testing::Pointee;

using Log = IdLog<uint64_t>;

constexpr auto kItself = [](uint64_t value) { return value; };

TEST(IdLogTest, FindsWhatWasAddedByItsHash) {
  Log log;
  log.Add(70, 1);
  log.Add(30, 2);
  EXPECT_THAT(log.Find(70), Pointee(1));
  EXPECT_THAT(log.Find(30), Pointee(2));
  EXPECT_THAT(log.Find(50), IsNull());
  EXPECT_EQ(log.size(), 2u);
}

TEST(IdLogTest, ForgetsTheOldestFirst) {
  Log log;
  log.Add(70, 1);
  log.Add(30, 2);
  log.EraseOldest();
  EXPECT_THAT(log.Find(70), IsNull());
  EXPECT_EQ(log.oldest().id_hash, 30u);
}

TEST(IdLogTest, TheOldestIsNeverOneThatWasErased) {
  Log log;
  for (uint64_t id = 1; id <= 3; ++id) log.Add(id, id);
  log.Erase(2);
  EXPECT_EQ(log.oldest().id_hash, 1u);
  log.Erase(1);
  EXPECT_EQ(log.oldest().id_hash, 3u);
}

TEST(IdLogTest, AnIdThatComesBackCountsAsNew) {
  Log log;
  for (uint64_t id = 1; id <= 3; ++id) log.Add(id, id);
  log.Erase(2);
  log.Add(2, 4);
  EXPECT_THAT(log.Find(2), Pointee(4));
  log.EraseOldest();
  EXPECT_EQ(log.oldest().id_hash, 3u);
  EXPECT_THAT(log.FindOrdered(2, kItself), IsNull());
  EXPECT_THAT(log.FindOrdered(4, kItself), NotNull());
}

TEST(IdLogTest, FindsByValuesThatGrow) {
  Log log;
  for (uint64_t id = 1; id <= 100; ++id) log.Add(1000 - id, 10 * id);
  const Log::Entry* found = log.FindOrdered(500, kItself);
  ASSERT_THAT(found, NotNull());
  EXPECT_EQ(found->id_hash, 950u);
  EXPECT_THAT(log.FindOrdered(501, kItself), IsNull());
  EXPECT_THAT(log.FindOrdered(2000, kItself), IsNull());
  log.Erase(950);
  EXPECT_THAT(log.FindOrdered(500, kItself), IsNull());
}

// An old id that stays does not keep the memory of all that came and went behind it.
TEST(IdLogTest, AgreesWithAMapThroughManyChanges) {
  std::mt19937_64 random(4711);
  Log log;
  std::map<uint64_t, uint64_t> values;  // By id.
  log.Add(1, 0);
  values[1] = 0;
  for (uint64_t value = 1; value <= 50000; ++value) {
    const uint64_t id = 2 + random() % 100;
    if (log.Find(id) == nullptr) {
      log.Add(id, value);
      values[id] = value;
    } else {
      log.Erase(id);
      values.erase(id);
    }
    ASSERT_EQ(log.size(), values.size());
    ASSERT_EQ(log.oldest().id_hash, 1u);
    ASSERT_LE(log.EntriesHeld(), 2 * log.size() + Log::kErasedFew);
  }
  for (const auto& [id, value] : values) {
    EXPECT_THAT(log.Find(id), Pointee(value));
    EXPECT_EQ(log.FindOrdered(value, kItself)->id_hash, id);
  }
}

}  // namespace
}  // namespace router
