#include "clients/cli/units.h"

#include <gtest/gtest.h>

namespace router::cli {
namespace {

TEST(UnitsTest, BytesHaveBinaryUnits) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(1023), "1023 B");
  EXPECT_EQ(HumanBytes(1024), "1.0 KiB");
  EXPECT_EQ(HumanBytes(1258291), "1.2 MiB");
  EXPECT_EQ(HumanBytes((1 << 20) - 1), "1.0 MiB");
  EXPECT_EQ(HumanBytes(int64_t{5} << 40), "5.0 TiB");
}

TEST(UnitsTest, CountsAreGroupedByThousands) {
  EXPECT_EQ(HumanCount(0), "0");
  EXPECT_EQ(HumanCount(999), "999");
  EXPECT_EQ(HumanCount(1000), "1,000");
  EXPECT_EQ(HumanCount(1234567), "1,234,567");
  EXPECT_EQ(HumanCount(-123456), "-123,456");
}

TEST(UnitsTest, DurationsHaveTheirTwoLargestUnits) {
  EXPECT_EQ(HumanDuration(absl::ZeroDuration()), "0ms");
  EXPECT_EQ(HumanDuration(absl::Milliseconds(250)), "250ms");
  EXPECT_EQ(HumanDuration(absl::Seconds(59)), "59s");
  EXPECT_EQ(HumanDuration(absl::Seconds(192)), "3m12s");
  EXPECT_EQ(HumanDuration(absl::Minutes(15)), "15m");
  EXPECT_EQ(HumanDuration(absl::Minutes(125)), "2h5m");
  EXPECT_EQ(HumanDuration(absl::Hours(52)), "2d4h");
  EXPECT_EQ(HumanDuration(absl::Seconds(-1)), "0ms") << "clocks differ";
}

TEST(UnitsTest, ControlCharactersReachNoTerminal) {
  EXPECT_EQ(Printable("a\x1b[2Jb\n"), "a\\x1b[2Jb\\x0a");
  EXPECT_EQ(Printable("\x7f"), "\\x7f");
  EXPECT_EQ(Printable("\xc2\x9b"), "\\x9b");
  EXPECT_EQ(Printable("größe"), "größe");
}

TEST(UnitsTest, WidthCountsLettersNotBytes) { EXPECT_EQ(DisplayWidth("größe"), 5u); }

TEST(UnitsTest, ProtoTimesKeepTheirNanoseconds) {
  const absl::Time time = absl::FromUnixNanos(1'700'000'000'123'456'789);
  EXPECT_EQ(FromProto(ToProto(time)), time);
  const absl::Duration duration = absl::Nanoseconds(1'500'000'001);
  EXPECT_EQ(ToProto(duration).seconds(), 1);
  EXPECT_EQ(FromProto(ToProto(duration)), duration);
}

}  // namespace
}  // namespace router::cli
