#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/config/settings_text.h"

namespace router {
namespace {

TEST(ConfigurationDocumentTest, HoldsTheTableOfSettings) {
  std::ifstream file("docs/configuration.md");
  const std::string document{std::istreambuf_iterator<char>(file),
                             std::istreambuf_iterator<char>()};
  ASSERT_FALSE(document.empty());
  EXPECT_TRUE(absl::StrContains(document, MarkdownTable()))
      << "The table in docs/configuration.md must be:\n"
      << MarkdownTable();
  const std::string reloadable = absl::StrCat("\n", MarkdownReloadable(), "\n");
  EXPECT_TRUE(absl::StrContains(document, reloadable))
      << "A line of docs/configuration.md must be:" << reloadable;
}

}  // namespace
}  // namespace router
