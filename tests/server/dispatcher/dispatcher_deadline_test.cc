// Callers whose time is up, at every stage: nothing is queued behind their back.
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr absl::Duration kCallerTimeout = absl::Seconds(1);

void ExpectTooLate(RouterRig* rig, Call* call) {
  EXPECT_EQ(call->outcome(), Outcome::kRejected);
  EXPECT_EQ(call->reason(), "DEADLINE_EXCEEDED");
  EXPECT_EQ(call->operation().status.code(), absl::StatusCode::kDeadlineExceeded);
  rig->queue.Flush();
  EXPECT_THAT(rig->QueuedPayloads(), IsEmpty());
  EXPECT_EQ(rig->ledger().queued_count, 0);
  EXPECT_EQ(rig->ledger().waiting_count, 0);
  EXPECT_EQ(rig->ledger().waiting_bytes, 0);
}

TEST(DispatcherDeadlineTest, RejectsACallThatComesTooLate) {
  for (const bool connected : {false, true}) {
    for (const bool fail_open : {false, true}) {
      RigOptions options;
      options.fail_open = fail_open;
      RouterRig rig(options);
      if (connected) rig.transport.Connect();
      Call& call = rig.Publish({}, absl::ZeroDuration());
      ExpectTooLate(&rig, &call);
      EXPECT_THAT(rig.transport.HandedOver(), IsEmpty());
    }
  }
}

TEST(DispatcherDeadlineTest, LeavesTimeForQueueingAfterAFailedAttempt) {
  RouterRig rig;
  rig.transport.Connect();
  Call& call = rig.Publish({}, kCallerTimeout);
  rig.clock.Advance(absl::Milliseconds(749));
  EXPECT_EQ(rig.transport.ExpireUntil(rig.clock.SteadyNow()), 0);
  rig.clock.Advance(absl::Milliseconds(1));
  EXPECT_EQ(rig.transport.ExpireUntil(rig.clock.SteadyNow()), 1);
  rig.queue.Flush();
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
}

TEST(DispatcherDeadlineTest, AttemptIsNeverLongerThanTheAckTimeout) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"j"}, absl::Hours(1));
  rig.Publish({"k"});
  rig.clock.Advance(absl::Seconds(2));
  EXPECT_EQ(rig.transport.ExpireUntil(rig.clock.SteadyNow()), 2);
  rig.queue.Flush();
}

TEST(DispatcherDeadlineTest, RejectsWhatFailsInFlightAfterTheDeadline) {
  RouterRig rig;
  rig.transport.Connect();
  Call& call = rig.Publish({}, kCallerTimeout);
  rig.clock.Advance(kCallerTimeout);
  rig.transport.Disconnect();
  ExpectTooLate(&rig, &call);
}

TEST(DispatcherDeadlineTest, QueuesWhatWaitedForTheWindowTooLong) {
  RigOptions options;
  options.transport.max_in_flight = 1;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"j", "in flight"});
  Call& call = rig.Publish({"k", "waits"}, kCallerTimeout);
  rig.clock.Advance(absl::Milliseconds(749));
  rig.dispatcher.Tick();
  rig.queue.Flush();
  EXPECT_FALSE(call.done());
  rig.clock.Advance(absl::Milliseconds(1));
  rig.dispatcher.Tick();
  rig.queue.Flush();
  EXPECT_EQ(call.outcome(), Outcome::kQueued);
  EXPECT_EQ(call.operation().reason, FailureReason::kTimeout);
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("waits"));
}

TEST(DispatcherDeadlineTest, DropsWhatWaitedForTheWindowTooLongInFailOpenMode) {
  RigOptions options;
  options.transport.max_in_flight = 1;
  options.fail_open = true;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"j", "in flight"});
  Call& call = rig.Publish({"k", "waits"});
  rig.clock.Advance(absl::Seconds(2));
  rig.dispatcher.Tick();
  EXPECT_EQ(call.outcome(), Outcome::kDropped);
}

TEST(DispatcherDeadlineTest, RejectsWhatWaitedForTheWindowPastTheDeadline) {
  RigOptions options;
  options.transport.max_in_flight = 1;
  RouterRig rig(options);
  rig.transport.Connect();
  rig.Publish({"j", "in flight"});
  Call& call = rig.Publish({"k", "waits"}, kCallerTimeout);
  rig.clock.Advance(kCallerTimeout);
  rig.dispatcher.Tick();
  ExpectTooLate(&rig, &call);
  EXPECT_EQ(rig.ledger().in_flight_count, 1);
}

TEST(DispatcherDeadlineTest, RejectsWhatWaitedForRoomInTheQueuePastTheDeadline) {
  RigOptions options;
  options.dispatcher.queue_count_max = 1;
  options.dispatcher.full_policy = FullPolicy::kBlock;
  RouterRig rig(options);
  rig.Queue({"j", "fills the queue"});
  Call& call = rig.Publish({"k", "waits"}, kCallerTimeout);
  rig.clock.Advance(kCallerTimeout - absl::Milliseconds(1));
  rig.dispatcher.Tick();
  EXPECT_FALSE(call.done());
  rig.clock.Advance(absl::Milliseconds(1));
  rig.dispatcher.Tick();
  EXPECT_EQ(call.outcome(), Outcome::kRejected);
  EXPECT_EQ(call.reason(), "DEADLINE_EXCEEDED");
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("fills the queue"));
  EXPECT_EQ(rig.ledger().waiting_bytes, 0);
  rig.transport.Connect();
  Call& direct = rig.Publish({"k"});
  rig.transport.Pump();
  EXPECT_EQ(direct.outcome(), Outcome::kDelivered) << "the key is stuck";
}

TEST(DispatcherDeadlineTest, RejectsWhatWaitedForOlderMessagesPastTheDeadline) {
  RouterRig rig;
  rig.transport.Connect();
  rig.Publish({"k", "in flight"});
  rig.dispatcher.PauseDelivery();
  Call& call = rig.Publish({"k", "waits"}, kCallerTimeout);
  Call& patient = rig.Publish({"k", "waits longer"});
  rig.clock.Advance(kCallerTimeout);
  rig.dispatcher.Tick();
  EXPECT_EQ(call.outcome(), Outcome::kRejected);
  EXPECT_EQ(call.reason(), "DEADLINE_EXCEEDED");
  rig.transport.Pump();
  rig.queue.Flush();
  EXPECT_EQ(patient.outcome(), Outcome::kQueued);
  EXPECT_THAT(rig.QueuedPayloads(), ElementsAre("waits longer"));
}

TEST(DispatcherDeadlineTest, DeliversInTheEndWhatIsConfirmedLate) {
  // The router finds out, whether or not the caller still listens.
  RouterRig rig;
  rig.transport.Connect();
  Call& call = rig.Publish({"k", "a", "mine"}, kCallerTimeout);
  rig.clock.Advance(kCallerTimeout * 2);
  rig.transport.Pump();
  EXPECT_EQ(call.outcome(), Outcome::kDelivered);
  EXPECT_EQ(rig.Publish({"k", "a", "mine"}).outcome(), Outcome::kDelivered);
  EXPECT_THAT(rig.StoredPayloads(), ElementsAre("a"));
}

}  // namespace
}  // namespace router
