#include "server/drainer/drainer.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

TEST(DrainerTest, DeliversFirstInFirstOut) {
  RouterRig rig;
  for (int i = 0; i < 5; ++i) rig.Queue({absl::StrCat("key-", i % 2), absl::StrCat(i)});
  EXPECT_EQ(rig.drainer.Step(), rig.clock.SteadyNow() + std::chrono::seconds(1));
  EXPECT_THAT(rig.transport.HandedOver(), IsEmpty()) << "there is no connection";
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("0", "1", "2", "3", "4"));
  EXPECT_EQ(rig.ledger().delivered_from_queue, 5);
  EXPECT_EQ(rig.observer.redelivered, 5);
  EXPECT_EQ(rig.observer.redelivered_confirmed, 5);
}

TEST(DrainerTest, SendsWhatWasQueuedUnchanged) {
  RouterRig rig;
  MessageSpec spec = {"orders.eu", "bytes", "mine", "customer-7"};
  spec.guarantee = Guarantee::kReceived;
  rig.Queue(spec);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  ASSERT_THAT(rig.transport.HandedOver(), SizeIs(1));
  const FakeMessage sent = rig.transport.HandedOver().front();
  EXPECT_EQ(sent.subject, "orders.eu");
  EXPECT_EQ(sent.payload, "bytes");
  EXPECT_EQ(sent.message_id, "mine");
  EXPECT_EQ(sent.guarantee, Guarantee::kReceived);
}

TEST(DrainerTest, ReadsNoMoreThanThereIsRoomFor) {
  RigOptions options;
  options.transport.max_in_flight = 8;
  options.drainer.claim_count_max = 3;
  RouterRig rig(options);
  for (int i = 0; i < 10; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 3);
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), SizeIs(10));
}

TEST(DrainerTest, NothingIsLostWhenTheConnectionEndsInTheMiddle) {
  RouterRig rig;
  for (int i = 0; i < 6; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  rig.transport.ReleaseOne();
  rig.transport.ReleaseOne();
  rig.transport.Disconnect("reset", FakeTransport::Fate::kStored);
  rig.drainer.Step();
  rig.queue.Flush();
  EXPECT_EQ(rig.queue.GetStats().count, 4);
  EXPECT_EQ(rig.ledger().queued_count, 4);
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("0", "1", "2", "3", "4", "5"));
}

TEST(DrainerTest, ConnectionThatIsBackBeforeTheRoundKeepsTheOrder) {
  RouterRig rig;
  for (int i = 0; i < 4; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  rig.transport.ReleaseOne();
  rig.transport.Disconnect();
  rig.transport.Connect();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 3);
  EXPECT_EQ(rig.transport.Unsettled().front().payload, "1");
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("0", "1", "2", "3"));
}

// A drain is in the middle of a round when the connection dies and is back at once: what the round
// still hands over must not overtake what the old connection gave back.
TEST(DrainerTest, RoundThatOutlivesItsConnectionHandsNothingToTheNext) {
  class ReconnectingObserver : public RecordingPublishObserver {
   public:
    void OnDrainStarted(int64_t pending_count) override {
      RecordingPublishObserver::OnDrainStarted(pending_count);
      if (transport == nullptr) return;
      transport->Disconnect();
      transport->Connect();
      transport = nullptr;
    }
    FakeTransport* transport = nullptr;
  };
  ReconnectingObserver observer;
  RigOptions options;
  options.drain_observer = &observer;
  RouterRig rig(options);
  for (int i = 0; i < 3; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  observer.transport = &rig.transport;
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 0);
  EXPECT_TRUE(rig.Drain());
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("0", "1", "2"));
}

TEST(DrainerTest, GathersRemovalsWhileOthersAreInFlight) {
  RouterRig rig;
  for (int i = 0; i < 3; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  rig.transport.ReleaseOne();
  EXPECT_EQ(rig.drainer.Step(), rig.clock.SteadyNow() + std::chrono::milliseconds(100));
  rig.queue.Flush();
  EXPECT_EQ(rig.queue.GetStats().removed_total, 0);
  EXPECT_EQ(rig.ledger().queued_count, 2) << "the books do not wait for the disk";

  rig.clock.Advance(absl::Milliseconds(100));
  rig.drainer.Step();
  rig.queue.Flush();
  EXPECT_EQ(rig.queue.GetStats().removed_total, 1);

  rig.transport.ReleaseAll();
  rig.drainer.Step();
  rig.queue.Flush();
  EXPECT_EQ(rig.queue.GetStats().removed_total, 3) << "nothing else is in flight";
}

TEST(DrainerTest, RemovesAtOnceWhatIsManyEnough) {
  RigOptions options;
  options.transport.max_in_flight = 4096;
  RouterRig rig(options);
  for (int i = 0; i < 513; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  for (int i = 0; i < 512; ++i) rig.transport.ReleaseOne();
  rig.drainer.Step();
  rig.queue.Flush();
  EXPECT_EQ(rig.queue.GetStats().removed_total, 512);
}

TEST(DrainerTest, SettleRestRemovesWhatWasConfirmedAtTheLastMoment) {
  MemoryPendingQueue::Contents contents;
  RigOptions options;
  options.contents = &contents;
  {
    RouterRig rig(options);
    for (int i = 0; i < 3; ++i) rig.Queue({"k", absl::StrCat(i)});
    rig.transport.Connect();
    rig.drainer.Step();
    rig.transport.ReleaseOne();
    rig.drainer.Stop();
    rig.transport.HoldCompletions();
    rig.transport.Stop(absl::ZeroDuration());
    rig.drainer.SettleRest();
    rig.queue.Close();
    EXPECT_THAT(rig.observer.runs, SizeIs(1));
    EXPECT_EQ(rig.observer.runs.back().succeeded, 1);
    EXPECT_EQ(rig.observer.runs.back().failed, 2);
  }
  EXPECT_THAT(contents.records, SizeIs(2));
  EXPECT_EQ(contents.records.begin()->first, 2u);
}

TEST(DrainerTest, TellsTheObserverOfARun) {
  RouterRig rig;
  for (int i = 0; i < 3; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  ASSERT_THAT(rig.observer.runs, SizeIs(1));
  EXPECT_EQ(rig.observer.runs.back().pending, 3);
  EXPECT_EQ(rig.observer.runs.back().succeeded, -1);
  rig.clock.Advance(absl::Milliseconds(250));
  rig.transport.ReleaseAll();
  rig.drainer.Step();
  EXPECT_EQ(rig.observer.runs.back().succeeded, 3);
  EXPECT_EQ(rig.observer.runs.back().failed, 0);
  EXPECT_EQ(rig.observer.runs.back().duration, absl::Milliseconds(250));
  rig.drainer.Step();
  EXPECT_THAT(rig.observer.runs, SizeIs(1)) << "a run in which there was nothing to do";
}

TEST(DrainerTest, KnowsItsRate) {
  RouterRig rig;
  EXPECT_EQ(rig.drainer.RatePerSecond(), 0);
  rig.Queue({});
  rig.transport.Connect();
  EXPECT_TRUE(rig.Drain());
  EXPECT_GT(rig.drainer.RatePerSecond(), 0);
}

TEST(DrainerTest, RestsInAPauseAndGoesOnAfterIt) {
  RouterRig rig;
  rig.Queue({"k", "1"});
  rig.transport.Connect();
  rig.dispatcher.PauseDelivery();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 0);
  rig.dispatcher.ResumeDelivery();
  rig.drainer.Step();
  EXPECT_EQ(rig.transport.unsettled_count(), 1);
  rig.transport.Pump();
}

}  // namespace
}  // namespace router
