#include "server/listener/flood_meter.h"

#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using Verdict = FloodMeter::Verdict;

constexpr int64_t kMib = 1 << 20;

// A connection that is looked at every tenth of a second.
class FloodMeterTest : public ::testing::Test {
 protected:
  // What it brings until the next look.
  Verdict Bring(const ConnectionCounts& more) {
    counts_.received_bytes += more.received_bytes;
    counts_.streams_started += more.streams_started;
    counts_.streams_succeeded += more.streams_succeeded;
    counts_.streams_failed += more.streams_failed;
    counts_.messages_received += more.messages_received;
    now_ += std::chrono::milliseconds(100);
    return meter_.Look({1000, 16 * kMib, 128 * kMib}, counts_, now_);
  }

  // The first verdict, of looks until `seconds` have passed.
  Verdict BringFor(double seconds, const ConnectionCounts& more) {
    Verdict verdict = Verdict::kNone;
    for (int looks = static_cast<int>(seconds * 10); looks > 0 && verdict == Verdict::kNone;
         --looks) {
      verdict = Bring(more);
    }
    return verdict;
  }

  static ConnectionCounts Counts(int64_t bytes, int64_t started, int64_t succeeded, int64_t failed,
                                 int64_t messages) {
    return {bytes, started, succeeded, failed, messages};
  }

  FloodMeter meter_;
  ConnectionCounts counts_;
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
};

TEST_F(FloodMeterTest, BusyConnectionIsNone) {
  EXPECT_EQ(BringFor(60, Counts(20 * kMib, 10000, 10000, 0, 10000)), Verdict::kNone);
}

TEST_F(FloodMeterTest, StreamOfManyMessagesIsNone) {
  EXPECT_EQ(Bring(Counts(kMib, 1, 0, 0, 5000)), Verdict::kNone);
  EXPECT_EQ(BringFor(60, Counts(20 * kMib, 0, 0, 0, 5000)), Verdict::kNone);
}

TEST_F(FloodMeterTest, LargeMessagesOverASlowLineAreNone) {
  EXPECT_EQ(Bring(Counts(kMib, 7, 0, 0, 0)), Verdict::kNone);
  EXPECT_EQ(BringFor(11, Counts(kMib, 0, 0, 0, 0)), Verdict::kNone);
}

TEST_F(FloodMeterTest, MoreIncompleteMessagesThanAnybodyNeeds) {
  EXPECT_EQ(Bring(Counts(kMib, 100, 0, 0, 0)), Verdict::kNone);
  EXPECT_EQ(BringFor(60, Counts(20 * kMib, 0, 0, 0, 0)), Verdict::kUploads);
  EXPECT_LE(counts_.received_bytes, (128 + 1 + 4 * 20) * kMib);
}

TEST_F(FloodMeterTest, SeveralIncompleteMessagesMayBeAsLargeAsOne) {
  EXPECT_EQ(meter_.Look({1000, 16 * kMib, kMib}, counts_, now_), Verdict::kNone);
  counts_ = Counts(32 * kMib, 2, 0, 0, 0);
  for (int i = 0; i < 5; ++i) {
    now_ += std::chrono::milliseconds(100);
    EXPECT_EQ(meter_.Look({1000, 16 * kMib, kMib}, counts_, now_), Verdict::kNone);
  }
}

TEST_F(FloodMeterTest, ManyUploadsAtATimeAreNone) {
  EXPECT_EQ(Bring(Counts(4 * kMib, 900, 0, 0, 0)), Verdict::kNone);
  EXPECT_EQ(BringFor(1, Counts(4 * kMib, 0, 0, 0, 10)), Verdict::kNone);
}

TEST_F(FloodMeterTest, CallsThatAreRefusedNowAndThenAreNone) {
  // An expired token, which opens a stream twice a second for an hour.
  for (int i = 0; i < 3600; ++i) {
    now_ += std::chrono::seconds(20);
    ASSERT_EQ(Bring(Counts(64000, 40, 40, 0, 0)), Verdict::kNone);
  }
}

TEST_F(FloodMeterTest, AnIdleConnectionThatPingsForDaysIsNone) {
  for (int i = 0; i < 100000; ++i) {
    now_ += std::chrono::seconds(10);
    ASSERT_EQ(Bring(Counts(100, 0, 0, 0, 0)), Verdict::kNone);
  }
}

TEST_F(FloodMeterTest, DeadlinesThatPassAreNone) {
  // 1,000 calls in flight give up every second, for a minute.
  EXPECT_EQ(BringFor(60, Counts(100000, 100, 0, 100, 100)), Verdict::kNone);
}

TEST_F(FloodMeterTest, CallsResetBeforeTheirMessage) {
  EXPECT_EQ(Bring(Counts(700000, 10000, 0, 0, 0)), Verdict::kStreams);
}

TEST_F(FloodMeterTest, CallsThatAreBegunSlowlyAndBringNothing) {
  EXPECT_EQ(BringFor(0.2, Counts(kMib, 100, 0, 0, 0)), Verdict::kNone);
  EXPECT_EQ(Bring(Counts(kMib, 100, 0, 0, 0)), Verdict::kStreams);
}

TEST_F(FloodMeterTest, AMessageNowAndThenIsNoExcuse) {
  EXPECT_EQ(BringFor(1, Counts(kMib, 100, 0, 0, 4)), Verdict::kStreams);
}

TEST_F(FloodMeterTest, MessagesBeforeAreNoCredit) {
  EXPECT_EQ(Bring(Counts(kMib, 1, 0, 0, 1000000)), Verdict::kNone);
  EXPECT_EQ(Bring(Counts(700000, 10000, 0, 0, 0)), Verdict::kStreams);
}

TEST_F(FloodMeterTest, CallsResetAfterTheirMessage) {
  EXPECT_EQ(Bring(Counts(kMib, 9000, 0, 9000, 9000)), Verdict::kNone);
  EXPECT_EQ(Bring(Counts(kMib, 9000, 0, 9000, 9000)), Verdict::kResets);
}

TEST_F(FloodMeterTest, BytesThatAreNoMessage) {
  EXPECT_EQ(Bring(Counts(1000, 1, 1, 0, 1)), Verdict::kNone);
  EXPECT_EQ(BringFor(10, Counts(kMib, 0, 0, 0, 0)), Verdict::kBytes);
  EXPECT_LE(counts_.received_bytes, 5 * kMib);
}

TEST_F(FloodMeterTest, OneMessageThatIsLargerThanItMayBeIsReadToItsEnd) {
  EXPECT_EQ(Bring(Counts(1000, 1, 0, 0, 1)), Verdict::kNone);
  EXPECT_EQ(BringFor(1.5, Counts(2 * kMib, 0, 0, 0, 0)), Verdict::kNone);
  EXPECT_EQ(BringFor(10, Counts(2 * kMib, 0, 0, 0, 0)), Verdict::kMessage);
  EXPECT_LE(counts_.received_bytes, (32 + 1 + 3 * 2) * kMib);
}

TEST_F(FloodMeterTest, BytesOfNoCallAtAll) {
  EXPECT_EQ(Bring(Counts(20000, 0, 0, 0, 0)), Verdict::kNone);
  EXPECT_EQ(Bring(Counts(20000, 0, 0, 0, 0)), Verdict::kBytes);
}

TEST_F(FloodMeterTest, FewCallsAtATimeDoNotMakeASmallBurstAFlood) {
  counts_.streams_started = 500;
  now_ += std::chrono::milliseconds(100);
  EXPECT_EQ(meter_.Look({1, 16 * kMib, 128 * kMib}, counts_, now_), Verdict::kNone);
}

}  // namespace
}  // namespace router
