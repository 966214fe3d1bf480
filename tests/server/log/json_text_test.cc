#include "server/log/json_text.h"

#include <limits>
#include <string>

#include "gtest/gtest.h"

namespace router {
namespace {

std::string Json(absl::string_view text, size_t bytes_max = 100) {
  std::string out = "before";
  AppendJsonString(text, bytes_max, out);
  return out.substr(6);
}

std::string JsonValue(const LogField::Value& value) {
  std::string out;
  AppendJsonValue(value, 100, out);
  return out;
}

TEST(JsonTextTest, QuotesText) {
  EXPECT_EQ(Json(""), "\"\"");
  EXPECT_EQ(Json("demo.hello"), "\"demo.hello\"");
  EXPECT_EQ(Json("h\xC3\xA4llo \xE2\x82\xAC \xF0\x9F\x98\x80"),
            "\"h\xC3\xA4llo \xE2\x82\xAC \xF0\x9F\x98\x80\"");
}

TEST(JsonTextTest, EscapesWhatJsonReservesAndEveryControl) {
  EXPECT_EQ(Json("a\"b\\c"), "\"a\\\"b\\\\c\"");
  EXPECT_EQ(Json("\n\r\t"), "\"\\n\\r\\t\"");
  EXPECT_EQ(Json(absl::string_view("\0\x01\x1f\x7f", 4)), "\"\\u0000\\u0001\\u001f\\u007f\"");
}

TEST(JsonTextTest, ReplacesEveryByteThatIsNotUtf8) {
  const std::string bad = "\xEF\xBF\xBD";
  EXPECT_EQ(Json("a\xFFz"), "\"a" + bad + "z\"");
  EXPECT_EQ(Json("\x80"), "\"" + bad + "\"");
  EXPECT_EQ(Json("\xC3"), "\"" + bad + "\"") << "cut off";
  EXPECT_EQ(Json("\xC3("), "\"" + bad + "(\"") << "no continuation";
  EXPECT_EQ(Json("\xC0\xAF"), "\"" + bad + bad + "\"") << "overlong in two bytes";
  EXPECT_EQ(Json("\xE0\x80\xAF"), "\"" + bad + bad + bad + "\"") << "overlong in three bytes";
  EXPECT_EQ(Json("\xF0\x80\x80\xAF"), "\"" + bad + bad + bad + bad + "\"") << "in four";
  EXPECT_EQ(Json("\xED\xA0\x80"), "\"" + bad + bad + bad + "\"") << "surrogate";
  EXPECT_EQ(Json("\xF4\x90\x80\x80"), "\"" + bad + bad + bad + bad + "\"") << "beyond Unicode";
}

TEST(JsonTextTest, CutsLongTextAtACharacterAndSaysSo) {
  std::string out;
  EXPECT_TRUE(AppendJsonString("12345678", 10, out));
  EXPECT_EQ(out, "\"12345678\"");
  out.clear();
  EXPECT_FALSE(AppendJsonString("123456789", 10, out));
  EXPECT_EQ(out, "\"12345\xE2\x80\xA6\"");
  EXPECT_EQ(Json("1234\xE2\x82\xAC\xE2\x82\xAC", 10), "\"1234\xE2\x80\xA6\"");
}

TEST(JsonTextTest, NeverCutsAnEscapeInHalf) {
  for (size_t bytes_max = 5; bytes_max < 30; ++bytes_max) {
    const std::string json = Json(std::string(50, '\x01'), bytes_max);
    EXPECT_LE(json.size(), bytes_max);
    EXPECT_EQ((json.size() - 5) % 6, 0u) << json;
  }
}

TEST(JsonTextTest, WritesNumbersAndBooleans) {
  EXPECT_EQ(JsonValue(int64_t{-5}), "-5");
  EXPECT_EQ(JsonValue(std::numeric_limits<uint64_t>::max()), "18446744073709551615");
  EXPECT_EQ(JsonValue(0.25), "0.25");
  EXPECT_EQ(JsonValue(1e20), "1e+20");
  EXPECT_EQ(JsonValue(std::numeric_limits<double>::infinity()), "\"inf\"");
  EXPECT_EQ(JsonValue(true), "true");
  EXPECT_EQ(JsonValue(false), "false");
}

}  // namespace
}  // namespace router
