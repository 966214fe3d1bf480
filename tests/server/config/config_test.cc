#include "server/config/config.h"

#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class ConfigTest : public ::testing::Test {
 protected:
  static std::string WriteFile(const std::string& content) {
    const std::string path = ::testing::TempDir() + "/router.yaml";
    std::ofstream(path) << content;
    return path;
  }

  // The settings that these sources give, or defaults and a failed test.
  static LoadedConfig Load(const std::vector<std::string>& args,
                           const std::vector<std::string>& environment = {}) {
    absl::StatusOr<LoadedConfig> config = LoadConfig(args, environment);
    EXPECT_TRUE(config.ok()) << config.status();
    return config.ok() ? *config : LoadedConfig();
  }

  static std::vector<std::string> Errors(const std::vector<std::string>& args,
                                         const std::vector<std::string>& environment = {}) {
    const absl::StatusOr<LoadedConfig> config = LoadConfig(args, environment);
    if (config.ok()) return {};
    EXPECT_EQ(config.status().code(), absl::StatusCode::kInvalidArgument);
    return absl::StrSplit(std::string(config.status().message()), '\n');
  }

  static EffectiveSetting Effective(const LoadedConfig& config, absl::string_view name) {
    for (const EffectiveSetting& setting : config.effective) {
      if (setting.name == name) return setting;
    }
    return {};
  }
};

TEST_F(ConfigTest, FlagsWinOverEnvironmentOverFileOverDefaults) {
  const std::string file =
      "--config=" + WriteFile("nats: {reconnect_attempts: 3, max_pings_out: 3, name: file}");
  const LoadedConfig config =
      Load({file, "--nats_reconnect_attempts=5"},
           {"ROUTER_NATS_RECONNECT_ATTEMPTS=4", "ROUTER_NATS_MAX_PINGS_OUT=4", "HOME=/root"});
  EXPECT_EQ(config.settings.nats_reconnect_attempts, 5);
  EXPECT_EQ(config.settings.nats_max_pings_out, 4);
  EXPECT_EQ(config.settings.nats_name, "file");
  EXPECT_EQ(config.settings.nats_ack_timeout, absl::Seconds(2));
  EXPECT_EQ(Effective(config, "nats_reconnect_attempts").source, "flag");
  EXPECT_EQ(Effective(config, "nats_max_pings_out").source, "environment");
  EXPECT_EQ(Effective(config, "nats_name").source, "file");
  EXPECT_EQ(Effective(config, "nats_ack_timeout_ms").source, "default");
  EXPECT_EQ(Effective(config, "nats_max_pings_out").value, "4");
  EXPECT_THAT(std::string(Effective(config, "nats_name").description), Not(IsEmpty()));
}

TEST_F(ConfigTest, FlagsHaveTheirValueBehindAnEqualsSignOrABlank) {
  const LoadedConfig config = Load({"--nats_reconnect_attempts", "-1", "--nats-name=a=b",
                                    "--pending_dir", "/tmp/x", "--nats_name", ""});
  EXPECT_EQ(config.settings.nats_reconnect_attempts, -1);
  EXPECT_EQ(config.settings.nats_name, "");
  EXPECT_EQ(config.settings.pending_dir, "/tmp/x");
}

TEST_F(ConfigTest, BooleanFlagsNeedNoValue) {
  EXPECT_TRUE(Load({"--insecure"}).settings.insecure);
  EXPECT_TRUE(Load({"--insecure=true"}).settings.insecure);
  EXPECT_FALSE(Load({"--insecure", "--noinsecure"}).settings.insecure);
  EXPECT_FALSE(Load({"--insecure", "--insecure=false"}).settings.insecure);
  EXPECT_TRUE(Load({"--nats_fail_open_mode"}).settings.nats_fail_open_mode);
  EXPECT_FALSE(
      Load({"--nats_fail_open_mode", "--nonats_fail_open_mode"}).settings.nats_fail_open_mode);
}

TEST_F(ConfigTest, EnvironmentMayNameTheFile) {
  const std::string path = WriteFile("log: {level: debug}");
  EXPECT_EQ(Load({}, {"ROUTER_CONFIG=" + path}).settings.log_level, "debug");
  EXPECT_EQ(Load({"--config="}, {"ROUTER_CONFIG=/does/not/exist"}).settings.log_level, "info");
}

TEST_F(ConfigTest, WrongFlagsAreErrors) {
  EXPECT_THAT(Errors({"--nats_reconect_attempts=5"}),
              ElementsAre("--nats_reconect_attempts: unknown flag; did you mean "
                          "\"nats_reconnect_attempts\"?"));
  EXPECT_THAT(Errors({"--zzz", "value"}), ElementsAre("--zzz: unknown flag"));
  EXPECT_THAT(Errors({"--nats_name"}), ElementsAre("--nats_name: has no value; it must be text"));
  EXPECT_THAT(Errors({"--nats_name", "--insecure"}),
              ElementsAre("--nats_name: has no value; it must be text"));
  EXPECT_THAT(Errors({"--noinsecure=true"}), ElementsAre("--noinsecure: takes no value"));
  EXPECT_THAT(Errors({"--nonats_name"}), ElementsAre(StartsWith("--nonats_name: unknown flag")));
  EXPECT_THAT(Errors({"serve"}), ElementsAre(StartsWith("unexpected argument \"serve\"")));
  EXPECT_THAT(Errors({"-c"}), ElementsAre(StartsWith("unexpected argument \"-c\"")));
  EXPECT_THAT(Errors({"--"}), ElementsAre(StartsWith("unexpected argument")));
  EXPECT_THAT(Errors({"--nats_reconnect_attempts=ten"}),
              ElementsAre("--nats_reconnect_attempts: \"ten\" is not allowed for "
                          "nats_reconnect_attempts; it must be an integer from -1 to 1000000"));
  EXPECT_THAT(Errors({"--insecure=yes"}),
              ElementsAre("--insecure: \"yes\" is not allowed for insecure; it must be true or "
                          "false"));
}

TEST_F(ConfigTest, WrongEnvironmentVariablesAreErrors) {
  EXPECT_THAT(Errors({}, {"ROUTER_NATS_URL=nats://a:1"}),
              ElementsAre("ROUTER_NATS_URL: unknown environment variable; did you mean "
                          "\"ROUTER_NATS_URLS\"?"));
  EXPECT_THAT(Errors({}, {"ROUTER_PENDING_FULL_POLICY=explode"}),
              ElementsAre("ROUTER_PENDING_FULL_POLICY: \"explode\" is not allowed for "
                          "pending_full_policy; it must be one of reject, drop_oldest, block"));
  EXPECT_THAT(Errors({}, {"ROUTER_HELP=1"}), ElementsAre(StartsWith("ROUTER_HELP: unknown")));
  EXPECT_THAT(Errors({}, {"ROUTER_HTTP_PORT=9001"}), ElementsAre(StartsWith("ROUTER_HTTP_PORT:")));
}

TEST_F(ConfigTest, VariablesThatKubernetesMakesUpAreNoSettings) {
  EXPECT_THAT(
      Errors({},
             {"ROUTER_SERVICE_HOST=10.0.0.1", "ROUTER_SERVICE_PORT=50051",
              "ROUTER_SERVICE_PORT_GRPC=50051", "ROUTER_PORT=tcp://10.0.0.1:50051",
              "ROUTER_PORT_50051_TCP=tcp://10.0.0.1:50051", "ROUTER_PORT_50051_TCP_ADDR=10.0.0.1",
              "ROUTER_METRICS_PORT_9001_TCP_PROTO=tcp", "ROUTERCTL_ADDRESS=127.0.0.1:1"}),
      IsEmpty());
}

TEST_F(ConfigTest, ReportsAllErrorsOfAllSources) {
  const std::string path = WriteFile(
      "nats:\n"
      "  reconnect_attempts: many\n"
      "  colour: red\n");
  EXPECT_THAT(Errors({"--config", path, "--zzz=1", "--grpc_listen=0.0.0.0:1",
                      "--nats_password_file=/does/not/exist", "--nats_user=joe"},
                     {"ROUTER_ZZZ=1"}),
              ElementsAre(path + ":3:3: unknown key \"colour\" under nats",
                          path + ":2:23: \"many\" is not allowed for nats_reconnect_attempts; it "
                                 "must be an integer from -1 to 1000000",
                          "ROUTER_ZZZ: unknown environment variable", "--zzz: unknown flag",
                          StartsWith("grpc_listen: 0.0.0.0:1 can be reached"),
                          StartsWith("nats_password_file: cannot read \"/does/not/exist\"")));
}

TEST_F(ConfigTest, AValueThatIsOverriddenMustBeRightAllTheSame) {
  EXPECT_THAT(Errors({"--log_level=info"}, {"ROUTER_LOG_LEVEL=loud"}),
              ElementsAre(StartsWith("ROUTER_LOG_LEVEL: \"loud\" is not allowed")));
}

TEST_F(ConfigTest, AFileThatCannotBeReadIsAnErrorThatNamesIt) {
  EXPECT_THAT(Errors({"--config=/does/not/exist"}),
              ElementsAre("--config: cannot read \"/does/not/exist\": No such file or directory"));
  EXPECT_THAT(Errors({"--config=/"}), ElementsAre("--config: cannot read \"/\": Is a directory"));
  EXPECT_THAT(Errors({"--config=/dev/zero"}),
              ElementsAre("--config: \"/dev/zero\" is larger than 1 MiB"));
}

TEST_F(ConfigTest, SecretsAreInTheSettingsAndNowhereElse) {
  const std::string path = ::testing::TempDir() + "/password";
  std::ofstream(path) << "hunter2\n";
  const LoadedConfig config = Load({"--nats_user=joe", "--nats_password_file=" + path});
  EXPECT_EQ(config.settings.nats_password, "hunter2");
  for (const EffectiveSetting& setting : config.effective) {
    EXPECT_FALSE(absl::StrContains(setting.value, "hunter2")) << setting.name;
  }
  EXPECT_THAT(PrintConfig(config.effective), Not(HasSubstr("hunter2")));
}

TEST_F(ConfigTest, ErrorsDoNotRepeatCredentials) {
  for (const char* urls : {"nats://joe:hunter2@a:1", "nats://joe:hunter2@a:1,,"}) {
    const auto errors = Errors({std::string("--nats_urls=") + urls});
    ASSERT_THAT(errors, Not(IsEmpty()));
    for (const std::string& error : errors) EXPECT_THAT(error, Not(HasSubstr("hunter2")));
  }
}

TEST_F(ConfigTest, PrintedConfigGivesTheSameSettingsAgain) {
  const LoadedConfig first =
      Load({"--nats_urls=nats://a:1,nats://b:2", "--nats_name=a \"b\" \\ # c: {d}\t",
            "--pending_max_bytes=3GiB", "--nats_fail_open_mode", "--transport=inproc",
            "--nats_reconnect_attempts=-1"});
  const std::string printed = PrintConfig(first.effective);
  const LoadedConfig second = Load({"--config=" + WriteFile(printed)});
  ASSERT_EQ(first.effective.size(), second.effective.size());
  for (size_t i = 0; i < first.effective.size(); ++i) {
    if (first.effective[i].name == "config") continue;
    EXPECT_EQ(first.effective[i].value, second.effective[i].value) << first.effective[i].name;
    EXPECT_EQ(second.effective[i].source, "file") << first.effective[i].name;
  }
  EXPECT_THAT(printed, HasSubstr("\nnats:\n"));
  EXPECT_THAT(printed, HasSubstr("\n  urls: [\"nats://a:1\", \"nats://b:2\"]  # flag\n"));
  EXPECT_THAT(printed, HasSubstr("\n  ack_timeout_ms: 2000  # default\n"));
}

}  // namespace
}  // namespace router
