#include "server/config/command_line.h"

#include <sstream>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/settings_table.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

class CommandLineTest : public ::testing::Test {
 protected:
  // The exit code; -1 where there is a configuration to run with.
  int Run(const std::vector<std::string>& args) {
    result_ = ReadCommandLine(args, {}, "abc123", out_, err_);
    const int* const exit_code = absl::get_if<int>(&result_);
    return exit_code == nullptr ? -1 : *exit_code;
  }

  std::ostringstream out_;
  std::ostringstream err_;
  absl::variant<int, LoadedConfig> result_;
};

TEST_F(CommandLineTest, GivesTheConfigurationToRunWith) {
  ASSERT_EQ(Run({"--nats_name=x"}), -1);
  EXPECT_EQ(absl::get<LoadedConfig>(result_).settings.nats_name, "x");
  EXPECT_THAT(out_.str() + err_.str(), IsEmpty());
}

TEST_F(CommandLineTest, WrongSettingsEndTheStart) {
  EXPECT_EQ(Run({"--zzz", "--nats_max_pings_out=0"}), 78);
  EXPECT_THAT(out_.str(), IsEmpty());
  EXPECT_THAT(err_.str(), HasSubstr("\n--zzz: unknown flag\n"));
  EXPECT_THAT(err_.str(), HasSubstr("\n--nats_max_pings_out: \"0\" is not allowed"));
}

TEST_F(CommandLineTest, ChecksTheConfiguration) {
  EXPECT_EQ(Run({"--check-config"}), 0);
  EXPECT_EQ(out_.str(), "ok\n");
  EXPECT_EQ(Run({"--nats_max_pings_out=0", "--check-config"}), 78);
  EXPECT_THAT(err_.str(), HasSubstr("nats_max_pings_out"));
}

TEST_F(CommandLineTest, PrintsTheConfiguration) {
  EXPECT_EQ(Run({"--print-config", "--nats_max_pings_out=7"}), 0);
  EXPECT_THAT(out_.str(), HasSubstr("\n  max_pings_out: 7  # flag\n"));
  EXPECT_EQ(Run({"--print-config", "--zzz"}), 78);
}

TEST_F(CommandLineTest, HelpNamesEverySettingEvenWhenOthersAreWrong) {
  EXPECT_EQ(Run({"--help", "--zzz"}), 0);
  EXPECT_THAT(err_.str(), IsEmpty());
  for (const SettingSpec& setting : SettingsTable()) {
    EXPECT_THAT(out_.str(), HasSubstr("\n  --" + std::string(setting.name) + "  (default: "));
  }
  for (const char* command : {"--help", "--version", "--check-config", "--print-config"}) {
    EXPECT_THAT(out_.str(), HasSubstr("\n  " + std::string(command) + " "));
  }
}

TEST_F(CommandLineTest, TellsItsVersion) {
  EXPECT_EQ(Run({"--version"}), 0);
  EXPECT_THAT(out_.str(), StartsWith("routerd "));
  EXPECT_THAT(out_.str(), HasSubstr("abc123"));
}

TEST_F(CommandLineTest, TakesArgumentsAndEnvironmentAsMainGetsThem) {
  const char* const argv[] = {"routerd", "--a", "b", nullptr};
  EXPECT_THAT(ArgumentsOf(3, argv), ElementsAre("--a", "b"));
  EXPECT_THAT(ArgumentsOf(0, argv), IsEmpty());
  const char* const environment[] = {"A=b", "C=", nullptr};
  EXPECT_THAT(EnvironmentOf(environment), ElementsAre("A=b", "C="));
}

}  // namespace
}  // namespace router
