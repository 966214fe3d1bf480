#include "server/status/router_status.h"

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class RouterStatusTest : public ::testing::Test {
 protected:
  RouterStatusTest()
      : status_({100, 1000}, &rig_.clock, &rig_.transport, &rig_.dispatcher, &rig_.drainer,
                &rig_.queue, rig_.mode.get()) {}

  RouterRig rig_;
  StatusReporter status_;
};

TEST_F(RouterStatusTest, EmptyRouter) {
  rig_.clock.Advance(absl::Seconds(7));
  const RouterStatus status = status_.Get();
  EXPECT_EQ(status.connection.state, ConnectionState::kDisconnected);
  EXPECT_EQ(status.uptime, absl::Seconds(7));
  EXPECT_EQ(status.max_payload_bytes, rig_.transport.max_payload_bytes());
  EXPECT_EQ(status.drain_eta, absl::ZeroDuration());
  EXPECT_EQ(status.oldest_age, absl::ZeroDuration());
  EXPECT_EQ(status.unaccounted, 0);
  EXPECT_FALSE(status.fail_open.enabled);
}

TEST_F(RouterStatusTest, ConnectionGaugeGoesFromOneOverHalfToZeroAndBack) {
  const auto gauge = [this] { return status_.GetGauges().nats_connection_status; };
  EXPECT_EQ(gauge(), 0);
  rig_.transport.Connect();
  EXPECT_EQ(gauge(), 1);
  rig_.transport.Disconnect();
  EXPECT_EQ(gauge(), 0.5);
  rig_.transport.Exhaust();
  EXPECT_EQ(gauge(), 0);
  rig_.transport.Connect();
  EXPECT_EQ(gauge(), 1);
  rig_.transport.Stop(absl::ZeroDuration());
  EXPECT_EQ(gauge(), 0);
}

TEST_F(RouterStatusTest, GaugesOfTheQueue) {
  rig_.Queue({"k", "1"});
  rig_.clock.Advance(absl::Seconds(90));
  rig_.Queue({"k", "2"});
  const GaugeSnapshot gauges = status_.GetGauges();
  EXPECT_EQ(gauges.nats_pending_operations_count, 2);
  EXPECT_EQ(gauges.nats_pending_operations_limit, 100);
  EXPECT_EQ(gauges.nats_pending_bytes, rig_.ledger().queued_bytes);
  EXPECT_GT(gauges.nats_pending_bytes, 0);
  EXPECT_EQ(gauges.nats_pending_bytes_limit, 1000);
  EXPECT_EQ(gauges.nats_pending_oldest_age, absl::Seconds(90));
  EXPECT_EQ(gauges.nats_pending_drain_eta, absl::InfiniteDuration());
  EXPECT_EQ(gauges.messages_unaccounted, 0);
}

TEST_F(RouterStatusTest, AgeIsNeverNegative) {
  rig_.Queue({"k", "1"});
  rig_.clock.SetWall(rig_.clock.WallNow() - absl::Hours(1));
  EXPECT_EQ(status_.Get().oldest_age, absl::ZeroDuration());
}

TEST_F(RouterStatusTest, EtaIsTheBacklogOverTheRate) {
  RigOptions options;
  options.drainer.claim_count_max = 5;
  options.transport.max_in_flight = 10;
  RouterRig rig(options);
  StatusReporter reporter({}, &rig.clock, &rig.transport, &rig.dispatcher, &rig.drainer, &rig.queue,
                          rig.mode.get());
  for (int i = 0; i < 20; ++i) rig.Queue({"k", absl::StrCat(i)});
  rig.transport.Connect();
  rig.drainer.Step();
  rig.transport.ReleaseAll();
  rig.drainer.Step();
  const RouterStatus status = reporter.Get();
  EXPECT_EQ(status.ledger.queued_count, 15);
  EXPECT_GT(status.drain_rate, 0);
  EXPECT_NEAR(absl::ToDoubleSeconds(status.drain_eta), 15 / status.drain_rate, 1e-6);
}

TEST_F(RouterStatusTest, GaugesOfTheModeAndOfDeadLetters) {
  ModeChange change;
  change.enabled = true;
  change.reason = change.actor = "test";
  change.ttl = absl::Minutes(15);
  ASSERT_TRUE(rig_.mode->Set(change).ok());
  GaugeSnapshot gauges = status_.GetGauges();
  EXPECT_TRUE(gauges.nats_fail_open_enabled);
  EXPECT_EQ(gauges.nats_fail_open_expire_time, rig_.clock.WallNow() + absl::Minutes(15));
  rig_.SetFailOpen(false);
  gauges = status_.GetGauges();
  EXPECT_FALSE(gauges.nats_fail_open_enabled);
  EXPECT_EQ(gauges.nats_fail_open_expire_time, absl::InfiniteFuture());

  rig_.Queue({"k", "1"});
  rig_.transport.Connect();
  rig_.transport.FailNext(Verdict::kRefused, FailureReason::kBrokerError);
  EXPECT_TRUE(rig_.Drain());
  EXPECT_EQ(status_.GetGauges().nats_dead_letters_count, 1);
  EXPECT_EQ(status_.GetGauges().nats_dead_letters_bytes, rig_.ledger().dead_letter_bytes);
  EXPECT_GT(rig_.ledger().dead_letter_bytes, 0);
}

TEST_F(RouterStatusTest, BooksAgreeWithTheQueueAtEveryMoment) {
  const auto expect_balanced = [this](const char* when) {
    EXPECT_EQ(status_.Get().unaccounted, 0) << when;
  };
  rig_.Publish({"k", "1"});
  rig_.Publish({"k", "2"});
  expect_balanced("appending");
  rig_.queue.Flush();
  expect_balanced("queued");
  rig_.transport.Connect();
  rig_.drainer.Step();
  expect_balanced("in flight");
  rig_.transport.ReleaseOne();
  expect_balanced("confirmed, and the drainer has not heard of it");
  rig_.drainer.Step();
  expect_balanced("confirmed, and still on disk");
  rig_.transport.ReleaseOne();
  rig_.drainer.Step();
  rig_.queue.Flush();
  expect_balanced("removed");
}

TEST_F(RouterStatusTest, MessagesThatVanishFromTheQueueAreUnaccounted) {
  MemoryPendingQueue::Contents contents;
  RigOptions options;
  options.contents = &contents;
  RouterRig rig(options);
  StatusReporter reporter({}, &rig.clock, &rig.transport, &rig.dispatcher, &rig.drainer, &rig.queue,
                          rig.mode.get());
  for (int i = 0; i < 3; ++i) rig.Queue({"k", absl::StrCat(i)});
  contents.records.erase(2);
  EXPECT_EQ(reporter.Get().unaccounted, 1);
  contents.records.erase(1);
  EXPECT_EQ(reporter.GetGauges().messages_unaccounted, 2);
}

TEST_F(RouterStatusTest, ReadyWithoutABrokerAndNotWithoutAQueue) {
  EXPECT_THAT(status_.ReadinessProblems(), IsEmpty());
  rig_.queue.FailNextAppend(absl::UnavailableError("fsync failed"));
  rig_.Publish({});
  rig_.queue.Flush();
  EXPECT_THAT(status_.ReadinessProblems(), ElementsAre("the pending queue cannot be written"));
  rig_.Queue({});
  EXPECT_THAT(status_.ReadinessProblems(), IsEmpty());
  rig_.transport.Stop(absl::ZeroDuration());
  EXPECT_THAT(status_.ReadinessProblems(), ElementsAre("the router is shutting down"));
}

}  // namespace
}  // namespace router
