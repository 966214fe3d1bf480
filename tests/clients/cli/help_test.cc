#include "clients/cli/help.h"

#include <gtest/gtest.h>

#include "absl/strings/str_split.h"
#include "clients/cli/commands.h"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

class HelpTest : public CliTest {};

TEST_F(HelpTest, EveryCommandHasASummaryAndExamplesThatNameIt) {
  for (const cli::Command& command : cli::AllCommands()) {
    const std::vector<std::string> words = absl::StrSplit(command.path, ' ');
    std::vector<std::string> arguments = words;
    arguments.push_back("--help");
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.exit_code, 0) << command.path;
    EXPECT_EQ(result.err, "") << command.path;
    EXPECT_NE(result.out.find(command.summary), std::string::npos) << command.path;
    ASSERT_FALSE(command.examples.empty()) << command.path;
    for (const std::string& example : command.examples) {
      EXPECT_NE(example.find("routerctl " + command.path), std::string::npos) << example;
    }
    for (const cli::Flag& flag : command.flags) {
      EXPECT_FALSE(flag.help.empty()) << command.path << " --" << flag.name;
      EXPECT_NE(result.out.find("--" + flag.name), std::string::npos) << command.path;
    }
  }
}

TEST_F(HelpTest, EveryPromisedCommandIsThere) {
  const std::string overview = Run({"--help"}).out;
  for (const char* path : {"status",          "publish",          "pending ls",
                           "pending get",     "pending peek",     "pending retry",
                           "pending purge",   "dlq ls",           "dlq get",
                           "dlq redrive",     "dlq purge",        "failopen get",
                           "failopen enable", "failopen disable", "delivery pause",
                           "delivery resume", "reconnect",        "audit ls",
                           "config show",     "config validate",  "config reload",
                           "check",           "version"}) {
    EXPECT_NE(overview.find(std::string("\n  ") + path), std::string::npos) << path;
  }
}

TEST_F(HelpTest, CanBeAskedForInSeveralWays) {
  const std::string help = Run({"pending", "ls", "--help"}).out;
  EXPECT_EQ(Run({"help", "pending", "ls"}).out, help);
  EXPECT_EQ(Run({"--help", "pending", "ls"}).out, help);
  EXPECT_EQ(Run({"pending", "ls", "-h", "--wrong"}).out, help);
  EXPECT_EQ(Run({"help"}).out, Run({"-h"}).out);
}

TEST_F(HelpTest, AGroupShowsItsCommandsOnly) {
  const CliResult result = Run({"pending", "--help"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_NE(result.out.find("pending purge"), std::string::npos);
  EXPECT_EQ(result.out.find("failopen"), std::string::npos);
}

TEST_F(HelpTest, IsNotAskedForByAnOperand) {
  EXPECT_EQ(Run({"publish", "demo.a", "--", "--help"}).exit_code, 0);
  ASSERT_EQ(router_.publisher().received().size(), 1u);
  EXPECT_EQ(router_.publisher().received()[0].payload(), "--help");
}

}  // namespace
}  // namespace router::testing
