#include "server/tracing/trace_context.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "gtest/gtest.h"

namespace router {
namespace {

constexpr char kTraceId[] = "4bf92f3577b34da6a3ce929d0e0e4736";
constexpr char kSpanId[] = "00f067aa0ba902b7";

std::string Traceparent(absl::string_view version = "00", absl::string_view flags = "01") {
  return absl::StrCat(version, "-", kTraceId, "-", kSpanId, "-", flags);
}

TEST(ParseTraceparentTest, TakesWhatItSays) {
  const absl::optional<TraceContext> context = ParseTraceparent(Traceparent());
  ASSERT_TRUE(context.has_value());
  EXPECT_EQ(TextOf(context->trace_id), kTraceId);
  EXPECT_EQ(TextOf(context->span_id), kSpanId);
  EXPECT_TRUE(context->sampled());
  EXPECT_FALSE(ParseTraceparent(Traceparent("00", "00"))->sampled());
  EXPECT_FALSE(ParseTraceparent(Traceparent("00", "02"))->sampled());
}

TEST(ParseTraceparentTest, KeepsTheFlagsThatAreKnown) {
  EXPECT_EQ(ParseTraceparent(Traceparent("00", "ff"))->flags, 3);
  EXPECT_EQ(ParseTraceparent(Traceparent("00", "fc"))->flags, 0);
}

TEST(ParseTraceparentTest, TakesThePartOfALaterVersionThatItKnows) {
  EXPECT_TRUE(ParseTraceparent(Traceparent("01")).has_value());
  const auto longer = ParseTraceparent(Traceparent("cc") + "-what-the-future-brings");
  ASSERT_TRUE(longer.has_value());
  EXPECT_EQ(FormatTraceparent(*longer), Traceparent());
  EXPECT_FALSE(ParseTraceparent(Traceparent("cc") + ".what").has_value());
}

TEST(ParseTraceparentTest, RefusesWhatIsMalformed) {
  const std::string good = Traceparent();
  for (size_t size = 0; size < good.size(); ++size) {
    EXPECT_FALSE(ParseTraceparent(good.substr(0, size)).has_value()) << size;
  }
  for (const std::string& bad :
       {good + "-", good + "0", " " + good.substr(1), Traceparent("ff"), Traceparent("0x"),
        Traceparent("00", "0X"),
        std::string("00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01"),
        std::string("00-00000000000000000000000000000000-00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01"),
        std::string("00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736_00f067aa0ba902b7-01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7_01"),
        std::string("00-4bf92f3577b34da6a3ce929d0e0e473g-00f067aa0ba902b7-01")}) {
    EXPECT_FALSE(ParseTraceparent(bad).has_value()) << bad;
  }
}

TEST(FormatTraceparentTest, IsTheOppositeOfParsing) {
  for (const char* flags : {"00", "01", "02", "03"}) {
    EXPECT_EQ(FormatTraceparent(*ParseTraceparent(Traceparent("00", flags))),
              Traceparent("00", flags));
  }
}

TEST(IsTracestateTest, TakesLists) {
  for (const char* good : {"a=1", "a=1,b=2", "a=1 , b=2", "a=1,,b=2", "fw529a3039@dt=FfAA;x:y",
                           "0a_-*/z=!\"#~", "congo=t61rcWkgMzE,rojo=00f067aa0ba902b7"}) {
    EXPECT_TRUE(IsTracestate(good)) << good;
  }
  EXPECT_TRUE(IsTracestate("a=" + std::string(256, 'x')));
}

TEST(IsTracestateTest, RefusesWhatIsMalformedOrTooMuch) {
  for (const char* bad :
       {"", ",", "a", "a=", "=1", "A=1", "a=1=2", "a=1,b", "a=\x80", "a=\x01", "a b=1", "_a=1"}) {
    EXPECT_FALSE(IsTracestate(bad)) << bad;
  }
  EXPECT_FALSE(IsTracestate("a=" + std::string(257, 'x')));
  std::vector<std::string> members;
  for (int i = 0; i < 33; ++i) members.push_back(absl::StrCat("k", i, "=1"));
  EXPECT_FALSE(IsTracestate(absl::StrJoin(members, ",")));
  members.pop_back();
  EXPECT_TRUE(IsTracestate(absl::StrJoin(members, ",")));
  EXPECT_FALSE(IsTracestate(absl::StrCat("a=", std::string(250, 'x'), ",b=", std::string(250, 'x'),
                                         ",c=", std::string(250, 'x'))));
}

TEST(FindTraceContextTest, NeedsExactlyOneThatIsWellFormed) {
  const std::string value = Traceparent();
  const Header one[] = {{"k", "v"}, {"TraceParent", value}, {"tracestate", "a=1"}};
  ASSERT_TRUE(FindTraceContext(one).has_value());
  EXPECT_EQ(FindTraceId(one).value_or(""), kTraceId);
  const Header two[] = {{"traceparent", value}, {"traceparent", value}};
  const Header malformed[] = {{"traceparent", "00-"}};
  const Header none[] = {{"tracestate", "a=1"}};
  for (const absl::Span<const Header> headers :
       {absl::Span<const Header>(two), absl::Span<const Header>(malformed),
        absl::Span<const Header>(none), absl::Span<const Header>()}) {
    EXPECT_FALSE(FindTraceContext(headers).has_value());
    EXPECT_FALSE(FindTraceId(headers).has_value());
  }
}

TEST(IsTraceHeaderTest, InAnyCase) {
  EXPECT_TRUE(IsTraceHeader("traceparent"));
  EXPECT_TRUE(IsTraceHeader("TRACESTATE"));
  EXPECT_FALSE(IsTraceHeader("traceparents"));
  EXPECT_FALSE(IsTraceHeader(""));
}

}  // namespace
}  // namespace router
