#include "server/services/page.h"

#include "absl/strings/escaping.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

TEST(PageSizeTest, HasADefaultAndAMaximum) {
  EXPECT_EQ(*PageSize(0), 100);
  EXPECT_EQ(*PageSize(1), 1);
  EXPECT_EQ(*PageSize(1000), 1000);
  EXPECT_EQ(*PageSize(1001), 1000);
  EXPECT_EQ(*PageSize(2147483647), 1000);
}

TEST(PageSizeTest, RefusesNegativeSizes) {
  EXPECT_EQ(error::ReasonOf(PageSize(-1).status()), "PAGE_SIZE_INVALID");
}

TEST(PageTokenTest, GivesThePositionBack) {
  const std::string token = MakePageToken("42", "subject:orders");
  EXPECT_EQ(*ParsePageToken(token, "subject:orders"), "42");
  EXPECT_EQ(*ParsePageToken(MakePageToken("a/b", ""), ""), "a/b");
}

TEST(PageTokenTest, NoTokenIsTheBeginning) { EXPECT_EQ(*ParsePageToken("", "anything"), ""); }

TEST(PageTokenTest, BelongsToOneFilter) {
  const std::string token = MakePageToken("42", "subject:orders");
  EXPECT_EQ(error::ReasonOf(ParsePageToken(token, "").status()), "PAGE_TOKEN_INVALID");
}

TEST(PageTokenTest, RefusesWhatIsNotOurs) {
  for (const std::string& token :
       {std::string("not base64!"), std::string("AAAA"), absl::WebSafeBase64Escape("x/42"),
        MakePageToken("", ""), MakePageToken("42", "").substr(1)}) {
    EXPECT_EQ(error::ReasonOf(ParsePageToken(token, "").status()), "PAGE_TOKEN_INVALID") << token;
  }
}

TEST(SequenceTokenTest, HasOneForm) {
  EXPECT_EQ(*ParseSequenceToken("", "x"), 0u);
  EXPECT_EQ(*ParseSequenceToken(MakePageToken("18446744073709551615", "x"), "x"),
            18446744073709551615u);
  for (const char* position : {"18446744073709551616", "-1", "+1", " 1", "01", "1 ", "x"}) {
    EXPECT_EQ(error::ReasonOf(ParseSequenceToken(MakePageToken(position, "x"), "x").status()),
              "PAGE_TOKEN_INVALID")
        << position;
  }
}

}  // namespace
}  // namespace router
