#include "transports/nats/in_flight_window.h"

#include <gtest/gtest.h>

#include <vector>

namespace router {
namespace {

using State = InFlight::State;

TEST(InFlightWindowTest, NumbersGrowAndAreNeverReused) {
  InFlightWindow window(2);
  Delivery delivery;
  for (uint64_t expected = 1; expected < 10; ++expected) {
    ASSERT_EQ(window.Add(&delivery, State::kSent), expected);
    EXPECT_EQ(window.Remove(expected), &delivery);
  }
  EXPECT_TRUE(window.empty());
}

TEST(InFlightWindowTest, OldAndFutureNumbersAreUnknown) {
  InFlightWindow window(2);
  Delivery first, second, third;
  const uint64_t a = window.Add(&first, State::kSent);
  window.Remove(a);
  window.Add(&second, State::kSent);
  const uint64_t c = window.Add(&third, State::kSent);  // The slot of `a`.
  EXPECT_EQ(window.Find(a), nullptr);
  EXPECT_EQ(window.Find(c)->delivery, &third);
  EXPECT_EQ(window.Find(c + 1), nullptr);
  EXPECT_EQ(window.Find(0), nullptr);
}

TEST(InFlightWindowTest, OldestUnsettledHoldsTheWindow) {
  InFlightWindow window(4);
  std::vector<Delivery> deliveries(4);
  for (Delivery& delivery : deliveries) window.Add(&delivery, State::kSent);
  EXPECT_TRUE(window.full());
  for (const uint64_t number : {2, 3, 4}) window.Remove(number);
  EXPECT_TRUE(window.full());
  window.Remove(1);
  EXPECT_TRUE(window.empty());
  EXPECT_FALSE(window.full());
}

TEST(InFlightWindowTest, KeepsEveryEntryWhileItGrows) {
  constexpr uint64_t kCount = 5000;
  InFlightWindow window(65536);
  std::vector<Delivery> deliveries(kCount + 1);
  // Begins in the middle of the ring, so that it wraps around.
  for (uint64_t number = 1; number <= 700; ++number) {
    window.Add(&deliveries[number], State::kSent);
    window.Remove(number);
  }
  for (uint64_t number = 701; number <= kCount; ++number) {
    ASSERT_EQ(window.Add(&deliveries[number], State::kSent), number);
  }
  for (uint64_t number = 701; number <= kCount; ++number) {
    ASSERT_NE(window.Find(number), nullptr) << number;
    ASSERT_EQ(window.Remove(number), &deliveries[number]);
  }
  EXPECT_TRUE(window.empty());
}

TEST(InFlightWindowTest, CapacityIsRoundedUpToAPowerOfTwo) {
  EXPECT_EQ(InFlightWindow(1).capacity(), 1);
  EXPECT_EQ(InFlightWindow(5).capacity(), 8);
  EXPECT_EQ(InFlightWindow(65536).capacity(), 65536);
}

TEST(InFlightWindowTest, RemembersDeadlineAndGuarantee) {
  InFlightWindow window(2);
  Delivery delivery;
  delivery.deadline = SteadyTime(std::chrono::seconds(5));
  delivery.message.guarantee = Guarantee::kReceived;
  const InFlight* const entry = window.Find(window.Add(&delivery, State::kMuted));
  EXPECT_EQ(entry->deadline, delivery.deadline);
  EXPECT_TRUE(entry->is_core);
  EXPECT_EQ(entry->state, State::kMuted);
}

}  // namespace
}  // namespace router
