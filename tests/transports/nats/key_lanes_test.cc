#include "transports/nats/key_lanes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr uint64_t kKey = 7;

TEST(KeyLanesTest, LaneIsClosedWhileSomethingBlocksIt) {
  KeyLanes lanes;
  EXPECT_FALSE(lanes.IsClosed(kKey));
  lanes.Block(kKey, 1);
  EXPECT_TRUE(lanes.IsClosed(kKey));
  EXPECT_FALSE(lanes.IsClosed(kKey + 1));
  lanes.Remove(kKey, 1);
  EXPECT_FALSE(lanes.IsClosed(kKey));
  EXPECT_TRUE(lanes.empty());
}

TEST(KeyLanesTest, WaitingOnesComeOutInOrderOnceNothingBlocks) {
  KeyLanes lanes;
  lanes.Block(kKey, 1);
  lanes.Block(kKey, 2);
  lanes.Wait(kKey, 3);
  lanes.Wait(kKey, 4);
  lanes.Remove(kKey, 1);
  EXPECT_EQ(lanes.TakeNext(kKey), absl::nullopt);
  lanes.Remove(kKey, 2);
  EXPECT_EQ(lanes.TakeNext(kKey), 3u);
  EXPECT_EQ(lanes.TakeNext(kKey), 4u);
  EXPECT_EQ(lanes.TakeNext(kKey), absl::nullopt);
  EXPECT_TRUE(lanes.empty());
}

TEST(KeyLanesTest, TheNextOneMayCloseTheLaneAgain) {
  KeyLanes lanes;
  lanes.Block(kKey, 1);
  lanes.Wait(kKey, 2);
  lanes.Wait(kKey, 3);
  lanes.Remove(kKey, 1);
  ASSERT_EQ(lanes.TakeNext(kKey), 2u);
  lanes.Block(kKey, 2);
  EXPECT_EQ(lanes.TakeNext(kKey), absl::nullopt);
  lanes.Remove(kKey, 2);
  EXPECT_EQ(lanes.TakeNext(kKey), 3u);
}

TEST(KeyLanesTest, OneThatStopsBlockingWaitsInFrontOfLaterOnes) {
  KeyLanes lanes;
  lanes.Block(kKey, 1);
  lanes.Block(kKey, 2);
  lanes.Wait(kKey, 3);
  lanes.Wait(kKey, 2);
  lanes.Remove(kKey, 1);
  EXPECT_EQ(lanes.TakeNext(kKey), 2u);
  EXPECT_EQ(lanes.TakeNext(kKey), 3u);
}

TEST(KeyLanesTest, WaitingOneDoesNotWaitForLaterOnes) {
  KeyLanes lanes;
  lanes.Block(kKey, 1);
  lanes.Wait(kKey, 2);
  lanes.Block(kKey, 5);
  lanes.Wait(kKey, 6);
  lanes.Remove(kKey, 1);
  EXPECT_EQ(lanes.TakeNext(kKey), 2u);
  EXPECT_EQ(lanes.TakeNext(kKey), absl::nullopt);
  EXPECT_TRUE(lanes.IsClosed(kKey));
}

TEST(KeyLanesTest, KnowsWhatIsBehind) {
  KeyLanes lanes;
  lanes.Block(kKey, 1);
  lanes.Block(kKey, 5);
  lanes.Wait(kKey, 6);
  lanes.Wait(kKey, 9);
  EXPECT_THAT(lanes.Behind(kKey, 1), ElementsAre(5, 6, 9));
  EXPECT_THAT(lanes.Behind(kKey, 6), ElementsAre(9));
  EXPECT_THAT(lanes.Behind(kKey + 1, 1), IsEmpty());
}

TEST(KeyLanesTest, WaitingOneCanBeRemoved) {
  KeyLanes lanes;
  lanes.Block(kKey, 1);
  lanes.Wait(kKey, 2);
  lanes.Wait(kKey, 3);
  lanes.Remove(kKey, 2);
  lanes.Remove(kKey, 1);
  EXPECT_EQ(lanes.TakeNext(kKey), 3u);
}

}  // namespace
}  // namespace router
