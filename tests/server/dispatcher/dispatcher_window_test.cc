// The window of the transport: its bounds, and what waits for it.
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;

RigOptions Window(int64_t max_in_flight) {
  RigOptions options;
  options.transport.max_in_flight = max_in_flight;
  return options;
}

TEST(DispatcherWindowTest, FullWindowMakesMessagesWaitAndThenGoInOrder) {
  RouterRig rig(Window(2));
  rig.transport.Connect();
  std::vector<Call*> calls;
  for (int i = 0; i < 5; ++i) calls.push_back(&rig.Publish({i % 2 ? "j" : "k", absl::StrCat(i)}));
  EXPECT_EQ(rig.ledger().in_flight_count, 2);
  EXPECT_EQ(rig.ledger().waiting_count, 3);
  rig.transport.ReleaseOne();
  EXPECT_EQ(rig.ledger().in_flight_count, 2);
  EXPECT_EQ(rig.ledger().waiting_count, 2);
  while (rig.transport.ReleaseOne()) {
  }
  for (Call* call : calls) EXPECT_EQ(call->outcome(), Outcome::kDelivered);
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_EQ(rig.ledger().waiting_bytes, 0);
}

class CountingRedeliveryObserver : public RedeliveryObserver {
 public:
  void OnRedelivered(absl::Span<Operation* const>) override {}
  void OnConnectionEnded(absl::Span<Operation* const>) override {}
  void OnDeliverable() override { ++deliverable; }

  int deliverable = 0;
};

TEST(DispatcherWindowTest, AWindowThatWasFullTellsTheDrainerOfRoom) {
  RouterRig rig(Window(2));
  FakeTransport transport({2});
  MemoryPendingQueue queue(MemoryPendingQueue::Mode::kManual);
  CountingRedeliveryObserver redelivery;
  Dispatcher dispatcher({}, &rig.clock, rig.mode.get(), &transport, &queue, &rig.observer);
  ASSERT_TRUE(dispatcher.OpenQueue().ok());
  ASSERT_TRUE(dispatcher.Start(&redelivery).ok());
  int next_id = 0;
  Call queued({{"queued", "0"}}, &rig.clock, &next_id);
  dispatcher.Publish(&queued);
  queue.Flush();
  transport.Connect();
  Call direct({{"k", "1"}, {"j", "2"}}, &rig.clock, &next_id);
  dispatcher.Publish(&direct);
  ASSERT_EQ(dispatcher.RedeliveryRoom(), 0);
  const int before = redelivery.deliverable;
  transport.ReleaseOne();
  EXPECT_EQ(dispatcher.RedeliveryRoom(), 1);
  EXPECT_GT(redelivery.deliverable, before);
  transport.Stop(absl::ZeroDuration());
}

TEST(DispatcherWindowTest, NobodyPassesThoseWhoWait) {
  RigOptions options;
  options.dispatcher.in_flight_bytes_max = 1000;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"j", std::string(500, 'x')});
  rig.Publish({"k", std::string(600, 'x')});
  Call& small = rig.Publish({"l", "small"});
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  rig.transport.Pump();
  EXPECT_FALSE(small.done());
  EXPECT_EQ(rig.transport.unsettled_count(), 2);
  rig.transport.Pump();
}

TEST(DispatcherWindowTest, LetsOneThroughThatIsLargerThanTheWindow) {
  RigOptions options;
  options.dispatcher.in_flight_bytes_max = 1000;
  RouterRig rig(options);
  rig.transport.Connect();
  Call& call = rig.Publish({"k", std::string(5000, 'x')});
  rig.transport.Pump();
  EXPECT_EQ(call.outcome(), Outcome::kDelivered);
}

TEST(DispatcherWindowTest, RejectsWhatIsOverTheBoundOfWhatMayWait) {
  RigOptions options = Window(1);
  options.dispatcher.waiting_bytes_max = 200;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"k", "in flight"});
  Call& waits = rig.Publish({"k", "waits"});
  Call& rejected = rig.Publish({"k", std::string(200, 'x')});
  EXPECT_EQ(rejected.outcome(), Outcome::kRejected);
  EXPECT_EQ(rejected.reason(), "WINDOW_FULL");
  EXPECT_TRUE(rejected.operation().status.GetPayload(error::kRetryInfoUrl).has_value());
  rig.transport.Pump();
  rig.transport.Pump();
  EXPECT_EQ(waits.outcome(), Outcome::kDelivered);
}

TEST(DispatcherWindowTest, BoundsWhatWaitsForOlderMessagesToo) {
  RigOptions options;
  options.dispatcher.waiting_bytes_max = 200;
  RouterRig rig(options);
  rig.transport.Connect();
  Call& in_flight = rig.Publish({"k", std::string(500, 'x')});
  rig.dispatcher.PauseDelivery();
  Call& waits = rig.Publish({"k", "waits"});
  Call& rejected = rig.Publish({"k", std::string(200, 'x')});
  EXPECT_EQ(rejected.outcome(), Outcome::kRejected);
  EXPECT_EQ(rejected.reason(), "WINDOW_FULL");
  rig.transport.Disconnect();
  rig.queue.Flush();
  EXPECT_EQ(in_flight.outcome(), Outcome::kQueued);
  EXPECT_EQ(waits.outcome(), Outcome::kQueued);
}

TEST(DispatcherWindowTest, LiveTrafficLeavesAShareToTheDrain) {
  RouterRig rig(Window(8));
  for (int i = 0; i < 4; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  for (int i = 0; i < 20; ++i) rig.Publish({"live", absl::StrCat("live ", i)});
  EXPECT_EQ(rig.ledger().in_flight_count, 6);
  EXPECT_EQ(rig.dispatcher.RedeliveryRoom(), 2);
  for (int i = 0; i < 4; ++i) {
    rig.drainer.Step();
    rig.transport.Pump();
  }
  EXPECT_EQ(rig.ledger().queued_count, 0) << "live traffic starves the drain";
  while (rig.transport.Pump() > 0) {
  }
}

TEST(DispatcherWindowTest, TheDrainLeavesAShareToLiveTraffic) {
  RouterRig rig(Window(8));
  for (int i = 0; i < 20; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  EXPECT_EQ(rig.ledger().redelivering_count, 4);
  EXPECT_EQ(rig.dispatcher.RedeliveryRoom(), 0);
  Call& live = rig.Publish({"live"});
  EXPECT_EQ(rig.ledger().in_flight_count, 5);
  rig.transport.Pump();
  EXPECT_EQ(live.outcome(), Outcome::kDelivered);
}

TEST(DispatcherWindowTest, SmallestWindowDrains) {
  RouterRig rig(Window(1));
  rig.Queue({"k", "1"});
  rig.Queue({"j", "2"});
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("1", "2"));
}

TEST(DispatcherWindowTest, NoRoomForTheDrainWithoutConnectionOrInAPause) {
  RouterRig rig;
  EXPECT_EQ(rig.dispatcher.RedeliveryRoom(), 0);
  rig.transport.Connect();
  EXPECT_GT(rig.dispatcher.RedeliveryRoom(), 0);
  rig.dispatcher.PauseDelivery();
  EXPECT_EQ(rig.dispatcher.RedeliveryRoom(), 0);
}

}  // namespace
}  // namespace router
