#include "server/filter/filter.h"

#include <random>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

const std::vector<FilterField>& Fields() {
  static const auto* const fields = new std::vector<FilterField>{
      {"subject", FilterType::kString, {}},
      {"size_bytes", FilterType::kInt, {}},
      {"accept_time", FilterType::kTime, {}},
      {"guarantee", FilterType::kEnum, {"GUARANTEE_STORED", "GUARANTEE_RECEIVED"}},
  };
  return *fields;
}

struct Thing {
  std::string subject = "orders.new";
  int64_t size_bytes = 100;
  absl::Time accept_time = absl::FromUnixSeconds(1767225600);  // 2026-01-01T00:00:00Z
  std::string guarantee = "GUARANTEE_STORED";
};

bool MatchesThing(const Filter& filter, const Thing& thing) {
  return filter.Matches([&](size_t field) -> FilterValue {
    switch (field) {
      case 0:
        return absl::string_view(thing.subject);
      case 1:
        return thing.size_bytes;
      case 2:
        return thing.accept_time;
      default:
        return absl::string_view(thing.guarantee);
    }
  });
}

bool Matches(absl::string_view text, const Thing& thing = Thing()) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, Fields());
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() && MatchesThing(*filter, thing);
}

// "<column>: <why>", or "OK".
std::string ErrorOf(absl::string_view text) {
  const absl::StatusOr<Filter> filter = Filter::Parse(text, Fields());
  if (filter.ok()) return "OK";
  EXPECT_EQ(error::ReasonOf(filter.status()), "FILTER_INVALID");
  const absl::string_view message = filter.status().message();
  const absl::string_view front = "filter, column ";
  EXPECT_TRUE(absl::StartsWith(message, front)) << message;
  return std::string(message.substr(front.size()));
}

::testing::AssertionResult FailsAt(int column, absl::string_view text, absl::string_view saying) {
  const std::string error = ErrorOf(text);
  if (absl::StartsWith(error, absl::StrCat(column, ": ")) && absl::StrContains(error, saying)) {
    return ::testing::AssertionSuccess();
  }
  return ::testing::AssertionFailure() << "`" << text << "` gave: " << error;
}

TEST(FilterTest, EmptyAndStarMatchEverything) {
  for (const char* text : {"", " ", "*", " * ", "\t\n"}) {
    const absl::StatusOr<Filter> filter = Filter::Parse(text, Fields());
    ASSERT_TRUE(filter.ok()) << text;
    EXPECT_TRUE(filter->matches_everything()) << text;
    EXPECT_TRUE(MatchesThing(*filter, Thing())) << text;
  }
  EXPECT_TRUE(Filter().matches_everything());
  EXPECT_FALSE(Filter::Parse("subject = x", Fields())->matches_everything());
}

TEST(FilterTest, TextIsComparedByteByByte) {
  EXPECT_TRUE(Matches("subject = orders.new"));
  EXPECT_FALSE(Matches("subject = orders"));
  EXPECT_FALSE(Matches("subject = Orders.new"));
  EXPECT_TRUE(Matches("subject != orders"));
  EXPECT_FALSE(Matches("subject != orders.new"));
  EXPECT_TRUE(Matches("subject < orders.nex"));
  EXPECT_FALSE(Matches("subject < orders.new"));
  EXPECT_TRUE(Matches("subject > orders.nev"));
  EXPECT_FALSE(Matches("subject > orders.new"));
}

TEST(FilterTest, ColonIsContains) {
  EXPECT_TRUE(Matches("subject:orders."));
  EXPECT_TRUE(Matches("subject : new"));
  EXPECT_TRUE(Matches("subject:\"\""));
  EXPECT_FALSE(Matches("subject:old"));
}

TEST(FilterTest, NumbersAreComparedAsNumbers) {
  EXPECT_TRUE(Matches("size_bytes = 100"));
  EXPECT_TRUE(Matches("size_bytes > 99"));
  EXPECT_FALSE(Matches("size_bytes > 100"));
  EXPECT_TRUE(Matches("size_bytes < 1000"));
  EXPECT_FALSE(Matches("size_bytes < 9"));
  EXPECT_TRUE(Matches("size_bytes != -5"));
  EXPECT_TRUE(Matches("size_bytes < 9223372036854775807"));
  EXPECT_TRUE(Matches("size_bytes > -9223372036854775808"));
}

TEST(FilterTest, TimesAreRfc3339WithAnyOffset) {
  EXPECT_TRUE(Matches("accept_time = 2026-01-01T00:00:00Z"));
  EXPECT_TRUE(Matches("accept_time = 2026-01-01T01:00:00+01:00"));
  EXPECT_TRUE(Matches("accept_time < 2026-01-01T00:00:00.001Z"));
  EXPECT_FALSE(Matches("accept_time < 2026-01-01T00:00:00Z"));
  EXPECT_TRUE(Matches("accept_time > 2025-12-31T23:59:59.999Z"));
  EXPECT_TRUE(Matches("accept_time != \"2025-12-31T23:59:59Z\""));
}

TEST(FilterTest, EnumerationsAreComparedByName) {
  EXPECT_TRUE(Matches("guarantee = GUARANTEE_STORED"));
  EXPECT_FALSE(Matches("guarantee = GUARANTEE_RECEIVED"));
  EXPECT_TRUE(Matches("guarantee != GUARANTEE_RECEIVED"));
}

TEST(FilterTest, AllConditionsMustHold) {
  const std::string all = "subject:orders AND size_bytes > 10 AND guarantee = GUARANTEE_STORED";
  EXPECT_TRUE(Matches(all));
  EXPECT_FALSE(Matches(all + " AND size_bytes > 1000"));
  EXPECT_FALSE(Matches("size_bytes > 1000 AND " + all));
  EXPECT_TRUE(Matches("  subject:orders   AND\tsize_bytes>10 "));
}

TEST(FilterTest, SpaceAroundOperatorsIsFree) {
  for (const char* text : {"size_bytes=100", "size_bytes =100", "size_bytes= 100",
                           "size_bytes  =  100", "size_bytes=\"100\""}) {
    EXPECT_TRUE(Matches(text)) << text;
  }
}

TEST(FilterTest, QuotedValuesHoldAnything) {
  Thing thing;
  thing.subject = "a \"b\" \\ AND = *";
  EXPECT_TRUE(Matches(R"(subject = "a \"b\" \\ AND = *")", thing));
  thing.subject = "";
  EXPECT_TRUE(Matches("subject = \"\"", thing));
  thing.subject = "AND";
  EXPECT_TRUE(Matches("subject = \"AND\" AND size_bytes = 100", thing));
}

TEST(FilterTest, WordsMayHoldOperatorsAndStars) {
  Thing thing;
  thing.subject = "a=b:c<d>*";
  EXPECT_TRUE(Matches("subject = a=b:c<d>*", thing));
  EXPECT_TRUE(Matches("subject: =b:c", thing));
  EXPECT_TRUE(FailsAt(8, "subject:=b:c", "expected one of"))
      << "without a space, it is all operator";
}

TEST(FilterTest, UnknownFieldNamesColumnAndKnownFields) {
  EXPECT_TRUE(FailsAt(1, "payload = x",
                      "no field `payload`; the fields are subject, size_bytes, "
                      "accept_time, guarantee"));
  EXPECT_TRUE(FailsAt(17, "subject = x AND Subject = y", "no field `Subject`"));
  EXPECT_TRUE(FailsAt(3, "  = x", "expected a field"));
  EXPECT_TRUE(FailsAt(1, "\"subject\" = x", "expected a field"));
}

TEST(FilterTest, ColumnsCountCharactersNotBytes) {
  EXPECT_TRUE(FailsAt(18, "subject = \xC3\xA9\xE2\x82\xAC AND nope = 1", "no field `nope`"));
}

TEST(FilterTest, UnknownOperatorsAreErrors) {
  for (const char* text :
       {"subject == x", "subject <= x", "subject >= x", "subject <> x", "subject ! x",
        "subject ~ x", "subject x", "subject", "subject =!x", "subject (x)"}) {
    EXPECT_TRUE(FailsAt(absl::string_view(text).size() == 7 ? 8 : 9, text, "expected one of"))
        << text;
  }
}

TEST(FilterTest, OperatorsThatTheTypeDoesNotHaveAreErrors) {
  EXPECT_TRUE(FailsAt(11, "size_bytes:1", "`:` (contains) is for text"));
  EXPECT_TRUE(FailsAt(13, "accept_time : 2026", "`:` (contains) is for text"));
  EXPECT_TRUE(FailsAt(11, "guarantee < GUARANTEE_STORED", "has no order"));
  EXPECT_TRUE(FailsAt(11, "guarantee > GUARANTEE_STORED", "has no order"));
  EXPECT_TRUE(FailsAt(10, "guarantee:STORED", "`:` (contains) is for text"));
}

TEST(FilterTest, ValuesMustFitTheType) {
  for (const char* value : {"x", "1.5", "1e3", "0x10", "9223372036854775808", "\"\"", "10k"}) {
    EXPECT_TRUE(FailsAt(14, absl::StrCat("size_bytes = ", value), "whole number")) << value;
  }
  for (const char* value : {"x", "2026", "2026-01-01", "2026-01-01T00:00:00",
                            "\"2026-01-01 00:00:00\"", "2026-13-01T00:00:00Z", "now"}) {
    EXPECT_TRUE(FailsAt(15, absl::StrCat("accept_time > ", value), "is a time")) << value;
  }
  EXPECT_TRUE(FailsAt(13, "guarantee = STORED", "is one of GUARANTEE_STORED, GUARANTEE_RECEIVED"));
}

TEST(FilterTest, MissingValuesAreErrors) {
  EXPECT_TRUE(FailsAt(10, "subject =", "expected a value"));
  EXPECT_TRUE(FailsAt(12, "subject =  ", "expected a value"));
  EXPECT_TRUE(FailsAt(11, "subject = AND size_bytes = 1", "expected a value"));
}

TEST(FilterTest, ConditionsAreJoinedByAndOnly) {
  EXPECT_TRUE(FailsAt(13, "subject = x and size_bytes = 1", "expected `AND` (in capitals)"));
  EXPECT_TRUE(FailsAt(13, "subject = x OR size_bytes = 1", "expected `AND`"));
  EXPECT_TRUE(FailsAt(13, "subject = x y", "double quotes"));
  EXPECT_TRUE(FailsAt(13, "subject = x ANDsize_bytes = 1", "expected `AND`"));
  EXPECT_TRUE(FailsAt(16, "subject = x AND", "expected a field"));
  EXPECT_TRUE(FailsAt(17, "subject = x AND AND size_bytes = 1", "no field `AND`"));
  EXPECT_TRUE(FailsAt(1, "AND subject = x", "no field `AND`"));
  EXPECT_TRUE(FailsAt(1, "NOT subject = x", "no field `NOT`"));
  EXPECT_TRUE(FailsAt(1, "(subject = x)", "expected a field"));
}

TEST(FilterTest, StarStandsAlone) {
  EXPECT_TRUE(FailsAt(1, "* AND subject = x", "`*` stands alone"));
  EXPECT_TRUE(FailsAt(17, "subject = x AND *", "`*` stands alone"));
  EXPECT_TRUE(FailsAt(1, "**", "`*` stands alone"));
}

TEST(FilterTest, QuotesMustBeClosedAndEscapesKnown) {
  EXPECT_TRUE(FailsAt(11, "subject = \"x", "has no end"));
  EXPECT_TRUE(FailsAt(11, "subject = \"", "has no end"));
  EXPECT_TRUE(FailsAt(13, "subject = \"x\\n\"", "stands before"));
  EXPECT_TRUE(FailsAt(13, "subject = \"x\\", "stands before"));
  EXPECT_TRUE(FailsAt(14, "subject = \"x\"y", "white space after"));
  EXPECT_TRUE(FailsAt(14, "subject = \"x\"=", "white space after"));
  EXPECT_TRUE(FailsAt(12, "subject = x\"y", "double quotes"));
}

TEST(FilterTest, LengthIsBounded) {
  const std::string front = "subject = ";
  EXPECT_EQ(ErrorOf(front + std::string(kFilterBytesMax - front.size(), 'x')), "OK");
  EXPECT_TRUE(FailsAt(4097, front + std::string(kFilterBytesMax - front.size() + 1, 'x'),
                      "at most 4096 bytes"));
  EXPECT_TRUE(FailsAt(4097, std::string(1 << 20, ' '), "at most 4096 bytes"));
}

TEST(FilterTest, NumberOfConditionsIsBounded) {
  std::string text = "size_bytes = 100";
  for (size_t i = 1; i < kFilterConditionsMax; ++i) text += " AND size_bytes = 100";
  EXPECT_TRUE(Matches(text));
  EXPECT_TRUE(FailsAt(static_cast<int>(text.size()) + 6, text + " AND size_bytes = 100",
                      "at most 32 conditions"));
}

TEST(FilterTest, HostileFieldNamesAreEscapedAndCut) {
  const std::string error = ErrorOf(std::string(4000, 'x') + " = 1");
  EXPECT_LT(error.size(), 300u);
  for (const absl::string_view text : {absl::string_view("\0", 1), absl::string_view("\xFF = 1"),
                                       absl::string_view("subject\x1B = 1")}) {
    for (const char c : ErrorOf(text)) EXPECT_TRUE(c >= ' ' && c < 0x7F);
  }
}

TEST(FilterTest, ValueOfAnotherTypeMatchesNothing) {
  const absl::StatusOr<Filter> filter = Filter::Parse("size_bytes != 1", Fields());
  ASSERT_TRUE(filter.ok());
  EXPECT_FALSE(filter->Matches([](size_t) -> FilterValue { return absl::string_view("text"); }));
  EXPECT_FALSE(Filter::Parse("subject != x", Fields())->Matches([](size_t) -> FilterValue {
    return int64_t{1};
  }));
  EXPECT_FALSE(Filter::Parse("accept_time > 2026-01-01T00:00:00Z", Fields())
                   ->Matches([](size_t) -> FilterValue { return int64_t{1}; }));
}

TEST(FilterTest, LooksUpNoFurtherThanTheFirstConditionThatFails) {
  const absl::StatusOr<Filter> filter = Filter::Parse("size_bytes = 1 AND subject = x", Fields());
  ASSERT_TRUE(filter.ok());
  std::vector<size_t> asked;
  EXPECT_FALSE(filter->Matches([&](size_t field) -> FilterValue {
    asked.push_back(field);
    return int64_t{2};
  }));
  EXPECT_EQ(asked, std::vector<size_t>{1});
}

TEST(FilterTest, AnythingAtAllIsEitherParsedOrRefused) {
  const std::vector<std::string> pieces = {"subject", "size_bytes", "=",  "!=", "<",  ":",    " ",
                                           "AND",     "\"",         "\\", "*",  "1",  "\xC3", "x",
                                           "(",       "guarantee",  "!",  ">",  "\t", "\x01"};
  std::mt19937 random(7);
  int parsed = 0;
  for (int round = 0; round < 50000; ++round) {
    std::string text;
    for (uint32_t count = random() % 12; count > 0; --count)
      text += pieces[random() % pieces.size()];
    const absl::StatusOr<Filter> filter = Filter::Parse(text, Fields());
    if (filter.ok()) {
      ++parsed;
      MatchesThing(*filter, Thing());
    } else {
      ASSERT_EQ(error::ReasonOf(filter.status()), "FILTER_INVALID") << text;
    }
  }
  EXPECT_GT(parsed, 100);
}

}  // namespace
}  // namespace router
