#include "transports/fault_injector.h"

#include <gtest/gtest.h>

#include <atomic>
#include <thread>
#include <vector>

namespace router {
namespace {

Fault MakeFault(FaultOperation operation, FaultKind kind, int64_t remaining = -1,
                double probability = 1.0) {
  Fault fault;
  fault.operation = operation;
  fault.kind = kind;
  fault.remaining = remaining;
  fault.probability = probability;
  return fault;
}

TEST(FaultInjectorTest, DrawsNothingUntilAFaultIsSet) {
  FaultInjector faults;
  EXPECT_FALSE(faults.Draw(FaultOperation::kPublish).has_value());
  EXPECT_TRUE(faults.List().empty());
}

TEST(FaultInjectorTest, StrikesItsOperationOnly) {
  FaultInjector faults;
  Fault fault = MakeFault(FaultOperation::kPublish, FaultKind::kDelay);
  fault.delay = absl::Seconds(3);
  faults.Set(fault);
  EXPECT_FALSE(faults.Draw(FaultOperation::kConnect).has_value());
  EXPECT_FALSE(faults.Draw(FaultOperation::kPublishWithAck).has_value());
  const absl::optional<Fault> drawn = faults.Draw(FaultOperation::kPublish);
  ASSERT_TRUE(drawn.has_value());
  EXPECT_EQ(drawn->kind, FaultKind::kDelay);
  EXPECT_EQ(drawn->delay, absl::Seconds(3));
}

TEST(FaultInjectorTest, KeepsOneFaultPerOperation) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError));
  faults.Set(MakeFault(FaultOperation::kConnect, FaultKind::kError));
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kTimeout));
  const std::vector<Fault> set = faults.List();
  ASSERT_EQ(set.size(), 2u);
  EXPECT_EQ(set[0].operation, FaultOperation::kConnect);
  EXPECT_EQ(set[1].operation, FaultOperation::kPublish);
  EXPECT_EQ(set[1].kind, FaultKind::kTimeout);
}

TEST(FaultInjectorTest, ClearRemovesAllOfThem) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError));
  faults.Set(MakeFault(FaultOperation::kConnect, FaultKind::kError));
  faults.Clear();
  EXPECT_TRUE(faults.List().empty());
  EXPECT_FALSE(faults.Draw(FaultOperation::kPublish).has_value());
  EXPECT_FALSE(faults.Draw(FaultOperation::kConnect).has_value());
}

TEST(FaultInjectorTest, IsGoneAfterItsLastStrike) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError, /*remaining=*/2));
  EXPECT_TRUE(faults.Draw(FaultOperation::kPublish).has_value());
  ASSERT_EQ(faults.List().size(), 1u);
  EXPECT_EQ(faults.List()[0].remaining, 1);
  EXPECT_TRUE(faults.Draw(FaultOperation::kPublish).has_value());
  EXPECT_FALSE(faults.Draw(FaultOperation::kPublish).has_value());
  EXPECT_TRUE(faults.List().empty());
}

TEST(FaultInjectorTest, SettingZeroStrikesRemovesTheFault) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError));
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError, /*remaining=*/0));
  EXPECT_TRUE(faults.List().empty());
  EXPECT_FALSE(faults.Draw(FaultOperation::kPublish).has_value());
}

TEST(FaultInjectorTest, StrikesWithItsProbability) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError, -1, 0.25));
  int struck = 0;
  for (int i = 0; i < 10'000; ++i) struck += faults.Draw(FaultOperation::kPublish).has_value();
  // Ten standard deviations to either side.
  EXPECT_GT(struck, 2'500 - 433);
  EXPECT_LT(struck, 2'500 + 433);
}

TEST(FaultInjectorTest, MissesDoNotUseUpStrikes) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError, /*remaining=*/5, 0.5));
  int struck = 0;
  for (int i = 0; i < 1'000; ++i) struck += faults.Draw(FaultOperation::kPublish).has_value();
  EXPECT_EQ(struck, 5);
}

TEST(FaultInjectorTest, SharesItsStrikesAmongThreads) {
  FaultInjector faults;
  faults.Set(MakeFault(FaultOperation::kPublish, FaultKind::kError, /*remaining=*/1'000));
  std::atomic<int> struck{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&] {
      for (int draw = 0; draw < 1'000; ++draw) {
        struck += faults.Draw(FaultOperation::kPublish).has_value();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(struck, 1'000);
}

}  // namespace
}  // namespace router
