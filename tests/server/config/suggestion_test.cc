#include "server/config/suggestion.h"

#include <string>

#include "gtest/gtest.h"

namespace router {
namespace {

TEST(SuggestionTest, FindsTheNearest) {
  EXPECT_EQ(ClosestTo("reconect_attempts", {"reconnect_delay_ms", "reconnect_attempts"}),
            "reconnect_attempts");
  EXPECT_EQ(ClosestTo("usr", {"user", "urls"}), "user");
  EXPECT_EQ(ClosestTo("natsurls", {"nats_urls", "nats_user"}), "nats_urls");
}

TEST(SuggestionTest, FindsNothingWhereNothingIsNear) {
  EXPECT_EQ(ClosestTo("colour", {"reconnect_attempts", "urls"}), "");
  EXPECT_EQ(ClosestTo("", {"urls"}), "");
  EXPECT_EQ(ClosestTo(std::string(5000, 'a'), {"urls"}), "");
}

TEST(SuggestionTest, PhrasesTheQuestion) {
  EXPECT_EQ(DidYouMean("urls"), "; did you mean \"urls\"?");
  EXPECT_EQ(DidYouMean(""), "");
}

}  // namespace
}  // namespace router
