// Runs the examples of the library against a router. Arguments: the programs publish,
// publish_stream.
#include <gtest/gtest.h>

#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/clients/fake_router.h"

namespace {

std::vector<std::string> programs;

// What a program prints on stdout.
std::string OutputOf(const std::string& command_line) {
  std::string output;
  FILE* pipe = popen(command_line.c_str(), "r");
  char buffer[256];
  while (fgets(buffer, sizeof(buffer), pipe) != nullptr) output += buffer;
  pclose(pipe);
  return output;
}

TEST(ExamplesTest, PublishPrintsTheOutcome) {
  router::testing::FakeRouter router;
  const std::string output =
      OutputOf(absl::StrCat(programs[0], " ", router.address(), " demo.hello hello"));
  EXPECT_EQ(output.rfind("PUBLISH_OUTCOME_DELIVERED ", 0), 0u) << output;
  EXPECT_EQ(router.publisher().received()[0].payload(), "hello");
}

TEST(ExamplesTest, PublishStreamCountsWhatIsSafe) {
  router::testing::FakeRouter router;
  EXPECT_EQ(OutputOf(absl::StrCat(programs[1], " ", router.address(), " demo.hello")),
            "1000 of 1000 messages are safe\n");
  EXPECT_EQ(router.publisher().received().size(), 1000u);
}

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  programs.assign(argv + 1, argv + argc);
  return RUN_ALL_TESTS();
}
