#include "clients/cli/arguments.h"

#include <gtest/gtest.h>

namespace router::cli {
namespace {

const std::vector<Flag>& Flags() {
  static const auto* const flags = new std::vector<Flag>{
      {"output", "FORMAT", "", "table", 'o'},
      {"yes", "", "", ""},
      {"header", "K=V", "", "", 'H', true},
      {"ttl", "DURATION", "", ""},
      {"limit", "N", "", "100"},
  };
  return *flags;
}

absl::StatusOr<Arguments> Parse(const std::vector<std::string>& elements) {
  return Arguments::Parse(elements, Flags());
}

TEST(ArgumentsTest, TakesFlagsInEveryForm) {
  for (const std::vector<std::string>& elements : std::vector<std::vector<std::string>>{
           {"--output", "json"}, {"--output=json"}, {"-o", "json"}, {"-ojson"}}) {
    const auto arguments = Parse(elements);
    ASSERT_TRUE(arguments.ok()) << arguments.status();
    EXPECT_EQ(arguments->Get("output"), "json");
  }
}

TEST(ArgumentsTest, FlagsMayStandBehindOperands) {
  const auto arguments = Parse({"a", "--yes", "b", "-", "--", "--yes"});
  ASSERT_TRUE(arguments.ok());
  EXPECT_TRUE(arguments->Has("yes"));
  EXPECT_EQ(arguments->operands(), std::vector<std::string>({"a", "b", "-", "--yes"}));
}

TEST(ArgumentsTest, MissingFlagsHaveTheirDefault) {
  const auto arguments = Parse({});
  EXPECT_EQ(arguments->Get("output"), "table");
  EXPECT_FALSE(arguments->Has("output"));
  EXPECT_EQ(*arguments->GetInteger("limit", 0, 1000), 100);
}

TEST(ArgumentsTest, OnlyRepeatedFlagsMayBeRepeated) {
  EXPECT_EQ(Parse({"-H", "a=1", "-H", "b=2"})->GetAll("header"),
            std::vector<std::string>({"a=1", "b=2"}));
  EXPECT_EQ(Parse({"-o", "json", "-o", "yaml"}).status().message(), "--output is given twice");
}

TEST(ArgumentsTest, SaysWhatIsWrong) {
  EXPECT_EQ(Parse({"--heeder", "a=1"}).status().message(),
            "unknown flag --heeder (did you mean \"--header\"?)");
  EXPECT_EQ(Parse({"--zzzzzzzzz"}).status().message(), "unknown flag --zzzzzzzzz");
  EXPECT_EQ(Parse({"-x"}).status().message(), "unknown flag -x");
  EXPECT_EQ(Parse({"--output"}).status().message(), "--output needs a value: FORMAT");
  EXPECT_EQ(Parse({"--yes=no"}).status().message(), "--yes takes no value");
}

TEST(ArgumentsTest, SuggestsTheNearestName) {
  EXPECT_EQ(DidYouMean("pending lst", {"pending get", "pending ls", "pending ttt"}),
            " (did you mean \"pending ls\"?)");
}

TEST(ArgumentsTest, DurationsNeedAUnitAndAreAboveZero) {
  EXPECT_EQ(*Parse({"--ttl", "1h30m"})->GetDuration("ttl"), absl::Minutes(90));
  for (const char* wrong : {"15", "", "-3s", "0s", "x"}) {
    EXPECT_FALSE(Parse({"--ttl", wrong})->GetDuration("ttl").ok()) << wrong;
  }
}

TEST(ArgumentsTest, IntegersHaveBounds) {
  EXPECT_EQ(*Parse({"--limit", "7"})->GetInteger("limit", 0, 10), 7);
  for (const char* wrong : {"11", "-1", "x", "1.5", ""}) {
    EXPECT_FALSE(Parse({"--limit", wrong})->GetInteger("limit", 0, 10).ok()) << wrong;
  }
}

}  // namespace
}  // namespace router::cli
