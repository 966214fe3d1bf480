#include "server/dispatcher/key_counters.h"

#include "gtest/gtest.h"

namespace router {
namespace {

TEST(KeyCountersTest, HasAKeyUntilItsLastMessageIsRemoved) {
  KeyCounters counters;
  EXPECT_FALSE(counters.Has(7));
  counters.Add(7);
  counters.Add(7);
  counters.Remove(7);
  EXPECT_TRUE(counters.Has(7));
  EXPECT_FALSE(counters.Has(8));
  counters.Remove(7);
  EXPECT_FALSE(counters.Has(7));
}

TEST(KeyCountersTest, KeysThatShareASlotPassForOne) {
  KeyCounters counters;
  const uint64_t other = 7 + (uint64_t{1} << 40);
  ASSERT_EQ(KeyCounters::Slot(7), KeyCounters::Slot(other));
  counters.Add(7);
  counters.Add(other);
  counters.Remove(7);
  EXPECT_TRUE(counters.Has(7));
  EXPECT_TRUE(counters.Has(KeyCounters::Slot(other)));
}

TEST(KeyCountersTest, WhatWasNotCountedIsNotRemoved) {
  KeyCounters counters;
  counters.Remove(7);
  EXPECT_FALSE(counters.Has(7));
  counters.Add(7);
  EXPECT_TRUE(counters.Has(7));
}

TEST(KeyCountersTest, AKeyThatIsNotKnownFreesNoSlot) {
  KeyCounters counters;
  counters.Add(KeyCounters::Slot(kUnknownKeyHash));
  counters.Remove(kUnknownKeyHash);
  EXPECT_TRUE(counters.Has(KeyCounters::Slot(kUnknownKeyHash)));
}

}  // namespace
}  // namespace router
