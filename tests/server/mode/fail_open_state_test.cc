#include "server/mode/fail_open_state.h"

#include <string>

#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

const absl::Time kNow = absl::FromUnixSeconds(1767225600);

FailOpenState Off() {
  FailOpenState state;
  state.actor = "config";
  state.reason = "start";
  state.since = kNow - absl::Hours(1);
  state.version = 7;
  return state;
}

ModeChange TurnOn() {
  ModeChange change;
  change.enabled = true;
  change.actor = "operator";
  change.reason = "broker moves";
  return change;
}

std::string ErrorOf(const ModeChange& change) {
  const absl::StatusOr<FailOpenState> next = Apply(Off(), change, kNow);
  return next.ok() ? "OK" : error::ReasonOf(next.status());
}

TEST(FailOpenStateTest, TurningOnKeepsWhoWhyAndSinceWhen) {
  const absl::StatusOr<FailOpenState> next = Apply(Off(), TurnOn(), kNow);
  ASSERT_TRUE(next.ok());
  EXPECT_TRUE(next->enabled);
  EXPECT_EQ(next->actor, "operator");
  EXPECT_EQ(next->reason, "broker moves");
  EXPECT_EQ(next->since, kNow);
  EXPECT_EQ(next->expire_time, absl::InfiniteFuture());
}

TEST(FailOpenStateTest, TurningOffForgetsTheEnd) {
  ModeChange change = TurnOn();
  change.ttl = absl::Minutes(5);
  const absl::StatusOr<FailOpenState> on = Apply(Off(), change, kNow);
  ASSERT_TRUE(on.ok());
  change = TurnOn();
  change.enabled = false;
  const absl::StatusOr<FailOpenState> off = Apply(*on, change, kNow + absl::Seconds(1));
  ASSERT_TRUE(off.ok());
  EXPECT_FALSE(off->enabled);
  EXPECT_EQ(off->expire_time, absl::InfiniteFuture());
  EXPECT_EQ(off->since, kNow + absl::Seconds(1));
}

TEST(FailOpenStateTest, ReasonHasUpTo1024Bytes) {
  ModeChange change = TurnOn();
  change.reason = "";
  EXPECT_EQ(ErrorOf(change), "REASON_REQUIRED");
  change.reason = std::string(1024, 'x');
  EXPECT_EQ(ErrorOf(change), "OK");
  change.reason = std::string(1025, 'x');
  EXPECT_EQ(ErrorOf(change), "REASON_REQUIRED");
}

TEST(FailOpenStateTest, TtlIsBetweenOneSecondAndThirtyDays) {
  ModeChange change = TurnOn();
  for (const absl::Duration ttl : {absl::Seconds(1), absl::Minutes(15), absl::Hours(720)}) {
    change.ttl = ttl;
    EXPECT_EQ(Apply(Off(), change, kNow)->expire_time, kNow + ttl) << ttl;
  }
  for (const absl::Duration ttl :
       {absl::Milliseconds(999), absl::ZeroDuration(), -absl::Seconds(5), absl::InfiniteDuration(),
        absl::Hours(720) + absl::Nanoseconds(1), -absl::InfiniteDuration()}) {
    change.ttl = ttl;
    EXPECT_EQ(ErrorOf(change), "TTL_INVALID") << ttl;
  }
}

TEST(FailOpenStateTest, ExpireTimeLiesInTheNextThirtyDays) {
  ModeChange change = TurnOn();
  for (const absl::Duration in : {absl::Nanoseconds(1), absl::Minutes(15), absl::Hours(720)}) {
    change.expire_time = kNow + in;
    EXPECT_EQ(Apply(Off(), change, kNow)->expire_time, kNow + in) << in;
  }
  for (const absl::Time at : {kNow, kNow - absl::Seconds(1), absl::InfinitePast(),
                              absl::InfiniteFuture(), kNow + absl::Hours(721)}) {
    change.expire_time = at;
    EXPECT_EQ(ErrorOf(change), "EXPIRE_TIME_INVALID") << at;
  }
}

TEST(FailOpenStateTest, OnlyWhatIsTurnedOnCanEndAndInOneWay) {
  ModeChange change = TurnOn();
  change.ttl = absl::Minutes(5);
  change.expire_time = kNow + absl::Minutes(5);
  EXPECT_EQ(ErrorOf(change), "TTL_INVALID");
  change.enabled = false;
  change.expire_time = absl::nullopt;
  EXPECT_EQ(ErrorOf(change), "TTL_INVALID");
  change.ttl = absl::nullopt;
  change.expire_time = kNow + absl::Minutes(5);
  EXPECT_EQ(ErrorOf(change), "EXPIRE_TIME_INVALID");
}

TEST(FailOpenStateTest, EtagChangesWithEveryChangeAndGuardsIt) {
  FailOpenState state = Off();
  const std::string first_etag = state.etag();
  EXPECT_FALSE(first_etag.empty());
  ModeChange change = TurnOn();
  change.etag = first_etag;
  const absl::StatusOr<FailOpenState> second = Apply(state, change, kNow);
  ASSERT_TRUE(second.ok());
  EXPECT_NE(second->etag(), first_etag);
  const absl::StatusOr<FailOpenState> stale = Apply(*second, change, kNow);
  EXPECT_EQ(error::ReasonOf(stale.status()), "ETAG_MISMATCH");
  EXPECT_EQ(stale.status().code(), absl::StatusCode::kAborted);
  change.etag = second->etag();
  const absl::StatusOr<FailOpenState> third = Apply(*second, change, kNow);
  ASSERT_TRUE(third.ok()) << "the same again is a change too";
  EXPECT_NE(third->etag(), second->etag());
}

TEST(FailOpenStateTest, ExpiresAtItsTimeAndNotBefore) {
  ModeChange change = TurnOn();
  change.ttl = absl::Seconds(5);
  const FailOpenState on = *Apply(Off(), change, kNow);
  const absl::Time end = kNow + absl::Seconds(5);
  EXPECT_FALSE(HasExpired(on, end - absl::Nanoseconds(1)));
  EXPECT_EQ(Expire(on, end - absl::Nanoseconds(1)), on);
  EXPECT_TRUE(HasExpired(on, end));
  const FailOpenState off = Expire(on, end);
  EXPECT_FALSE(off.enabled);
  EXPECT_EQ(off.actor, "expiry");
  EXPECT_NE(off.reason.find("operator"), std::string::npos);
  EXPECT_EQ(off.since, end);
  EXPECT_EQ(off.expire_time, absl::InfiniteFuture());
  EXPECT_NE(off.etag(), on.etag());
  EXPECT_EQ(Expire(off, end + absl::Hours(1)), off) << "once";
}

TEST(FailOpenStateTest, WithoutAnEndItNeverExpires) {
  const FailOpenState on = *Apply(Off(), TurnOn(), kNow);
  EXPECT_FALSE(HasExpired(on, kNow + absl::Hours(1000000)));
  EXPECT_FALSE(HasExpired(Off(), absl::InfiniteFuture()));
}

}  // namespace
}  // namespace router
