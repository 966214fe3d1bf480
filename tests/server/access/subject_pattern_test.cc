#include "server/access/subject_pattern.h"

#include <gtest/gtest.h>

#include <string>

namespace router {
namespace {

TEST(SubjectPatternTest, MatchesAsNatsDoes) {
  struct {
    const char* pattern;
    const char* subject;
    bool matches;
  } const kCases[] = {
      {"a", "a", true},         {"a", "b", false},         {"a", "a.b", false},
      {"a.b", "a", false},      {"a.b", "a.b", true},      {"a.*", "a.b", true},
      {"a.*", "a", false},      {"a.*", "a.b.c", false},   {"*", "a", true},
      {"*", "a.b", false},      {"*.b", "a.b", true},      {"*.b", "a.c", false},
      {"a.*.c", "a.b.c", true}, {"a.*.c", "a.b.d", false}, {">", "a", true},
      {">", "a.b.c", true},     {"a.>", "a.b", true},      {"a.>", "a.b.c", true},
      {"a.>", "a", false},      {"a.>", "b.a", false},     {"a.>", "ab.c", false},
      {"*.>", "a", false},      {"*.>", "a.b", true},      {"orders.*", "orders.*", true},
      {"a.b.>", "a.b", false},
  };
  for (const auto& one : kCases) {
    EXPECT_EQ(SubjectMatches(one.pattern, one.subject), one.matches)
        << one.pattern << " " << one.subject;
  }
}

TEST(SubjectPatternTest, PatternsAreChecked) {
  for (const char* good : {"a", "a.b", "*", ">", "a.*", "a.>", "*.*.>", "ü.a", "a-b_c"}) {
    EXPECT_TRUE(CheckSubjectPattern(good).ok()) << good;
  }
  for (const std::string bad : {"", ".", "a.", ".a", "a..b", ">.a", "a.>.b", "a*", "a.b>", "**",
                                "a b", "a\tb", "a\nb", "\xff", "\x7f"}) {
    EXPECT_FALSE(CheckSubjectPattern(bad).ok()) << bad;
  }
  EXPECT_TRUE(CheckSubjectPattern(std::string(255, 'a')).ok());
  EXPECT_FALSE(CheckSubjectPattern(std::string(256, 'a')).ok());
  EXPECT_FALSE(CheckSubjectPattern(std::string("a\0b", 3)).ok());
}

TEST(SubjectPatternTest, SetContainsWhatOneOfItsPatternsMatches) {
  const SubjectSet set({"a.*", "b.>"});
  EXPECT_TRUE(set.Contains("a.x"));
  EXPECT_TRUE(set.Contains("b.x.y"));
  EXPECT_FALSE(set.Contains("c"));
  EXPECT_FALSE(set.contains_all());
  EXPECT_TRUE(SubjectSet({"a", ">"}).contains_all());
  EXPECT_FALSE(SubjectSet().Contains("a"));
}

}  // namespace
}  // namespace router
