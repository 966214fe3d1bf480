#include "server/tracing/header_lines.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(ParseHeaderLinesTest, OneHeaderPerLine) {
  EXPECT_THAT(*ParseHeaderLines("Authorization: Bearer a:b==\r\n\nX-Tenant:one\n"),
              ElementsAre("Authorization: Bearer a:b==", "X-Tenant: one"));
  EXPECT_THAT(*ParseHeaderLines(""), IsEmpty());
}

TEST(ParseHeaderLinesTest, WhatEndsALineIsNoPartOfAHeader) {
  EXPECT_THAT(*ParseHeaderLines("a: 1\r\r\nb:\v2\f\nc:\t3 \n"),
              ElementsAre("a: 1", "b: 2", "c: 3"));
}

TEST(ParseHeaderLinesTest, NamesTheLineThatIsNoneAndNotWhatIsInIt) {
  for (const char* bad : {"secret", ": secret", "a b: secret", "a:", "a: ", "a: secret\x01",
                          "a: secret\x80", "\xC3\xA4: secret"}) {
    const auto parsed = ParseHeaderLines(std::string("good: 1\n") + bad);
    EXPECT_EQ(parsed.status().message(), "line 2 is not \"Name: value\"") << bad;
  }
}

}  // namespace
}  // namespace router
