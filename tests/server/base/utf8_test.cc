#include "server/base/utf8.h"

#include <cstdint>
#include <string>

#include "gtest/gtest.h"

namespace router {
namespace {

// The bytes of a code point, by the book; also of those that UTF-8 does not allow.
std::string Encode(uint32_t c) {
  const auto tail = [](uint32_t bits) { return static_cast<char>(0x80 | (bits & 0x3F)); };
  if (c < 0x80) return {static_cast<char>(c)};
  if (c < 0x800) return {static_cast<char>(0xC0 | c >> 6), tail(c)};
  if (c < 0x10000) return {static_cast<char>(0xE0 | c >> 12), tail(c >> 6), tail(c)};
  return {static_cast<char>(0xF0 | c >> 18), tail(c >> 12), tail(c >> 6), tail(c)};
}

TEST(Utf8Test, EveryCodePointIsAcceptedButSurrogatesAndThoseThatDoNotExist) {
  for (uint32_t c = 0; c < 0x120000; ++c) {
    const bool exists = c <= 0x10FFFF && !(c >= 0xD800 && c <= 0xDFFF);
    ASSERT_EQ(IsUtf8(Encode(c)), exists) << std::hex << c;
  }
}

TEST(Utf8Test, CharactersThatAreCutShortAreRefused) {
  for (const uint32_t c : {0xE9u, 0x20ACu, 0x1F600u}) {
    const std::string whole = Encode(c);
    for (size_t size = 1; size < whole.size(); ++size) {
      EXPECT_FALSE(IsUtf8(whole.substr(0, size)));
      EXPECT_FALSE(IsUtf8(absl::string_view(whole).substr(0, size))) << "looks no further";
      EXPECT_FALSE(IsUtf8(whole.substr(0, size) + "x"));
      EXPECT_FALSE(IsUtf8(whole.substr(size)));
    }
  }
}

TEST(Utf8Test, OverlongFormsAreRefused) {
  EXPECT_FALSE(IsUtf8("\xC0\x80"));
  EXPECT_FALSE(IsUtf8("\xC1\xBF"));
  EXPECT_FALSE(IsUtf8("\xE0\x9F\xBF"));
  EXPECT_FALSE(IsUtf8("\xF0\x8F\xBF\xBF"));
  EXPECT_FALSE(IsUtf8("\xF8\x88\x80\x80\x80"));
  EXPECT_FALSE(IsUtf8("\xFF"));
}

TEST(Utf8Test, BadByteIsFoundWhereverItStands) {
  for (size_t size = 1; size < 40; ++size) {
    for (size_t at = 0; at < size; ++at) {
      std::string text(size, 'a');
      ASSERT_TRUE(IsUtf8(text));
      text[at] = '\x80';
      ASSERT_FALSE(IsUtf8(text)) << size << " " << at;
    }
  }
  EXPECT_TRUE(IsUtf8(""));
  EXPECT_TRUE(
      IsUtf8("1234567\xC3\xA9"
             "12345678\xF0\x9F\x98\x80"
             "1234"));
}

TEST(Utf8Test, CutsBetweenCharacters) {
  const std::string text = "a\xC3\xA9\xF0\x9F\x98\x80z";
  EXPECT_EQ(CutUtf8(text, 100), text);
  EXPECT_EQ(CutUtf8(text, text.size()), text);
  EXPECT_EQ(CutUtf8(text, 7), text.substr(0, 7));
  EXPECT_EQ(CutUtf8(text, 6), "a\xC3\xA9");
  EXPECT_EQ(CutUtf8(text, 4), "a\xC3\xA9");
  EXPECT_EQ(CutUtf8(text, 2), "a");
  EXPECT_EQ(CutUtf8(text, 0), "");
}

TEST(Utf8Test, CutsWhatIsNotUtf8Too) {
  const std::string continuations(100, '\x80');
  EXPECT_LE(CutUtf8(continuations, 50).size(), 50u);
  EXPECT_GE(CutUtf8(continuations, 50).size(), 46u);
}

}  // namespace
}  // namespace router
