// config validate, config reload.
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>
#include <fstream>

#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

class ConfigValidateTest : public CliTest {
 protected:
  ConfigValidateTest() : folder_(::testing::TempDir() + "/XXXXXX") {
    EXPECT_NE(mkdtemp(folder_.data()), nullptr);
  }

  // A routerd that prints its arguments and ends with `exit_code`. Returns its path.
  std::string MakeRouterd(int exit_code) {
    const std::string path = folder_ + "/routerd";
    std::ofstream(path) << "#!/bin/sh\necho \"checked: $*\" >&2\nexit " << exit_code << "\n";
    chmod(path.c_str(), 0755);
    return path;
  }

  std::string folder_;
};

TEST_F(ConfigValidateTest, IsWhatTheRouterdSays) {
  const std::string routerd = MakeRouterd(0);
  const CliResult result = Run({"config", "validate", "my file.yaml", "--routerd", routerd});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.err, "checked: --check-config --config my file.yaml\nmy file.yaml is valid.\n");
}

TEST_F(ConfigValidateTest, ShowsTheErrorsOfTheRouterd) {
  const CliResult result = Run({"config", "validate", "f.yaml", "--routerd", MakeRouterd(78)});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err,
            "checked: --check-config --config f.yaml\nrouterctl: f.yaml is not valid\n");
}

TEST_F(ConfigValidateTest, TellsAFailureOfTheRouterdFromAWrongFile) {
  const CliResult result = Run({"config", "validate", "f.yaml", "--routerd", MakeRouterd(1)});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_NE(result.err.find("ended with 1"), std::string::npos);
  EXPECT_EQ(result.err.find("not valid"), std::string::npos);
}

TEST_F(ConfigValidateTest, PrefersTheRouterdBesideItself) {
  MakeRouterd(0);
  program_folder_ = folder_;
  EXPECT_EQ(Run({"config", "validate", "f.yaml"}).exit_code, 0);
}

TEST_F(ConfigValidateTest, SaysWhereNoRouterdIs) {
  const CliResult result = Run({"config", "validate", "f.yaml", "--routerd", folder_ + "/none"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.err,
            "routerctl: cannot run " + folder_ +
                "/none, which checks configurations: No such file or directory; say where "
                "it is with --routerd\n");
}

class ConfigReloadTest : public CliTest {
 protected:
  static void Set(const std::string& name, const std::string& before, const std::string& after,
                  v1::ConfigChange* change) {
    change->set_name(name);
    change->set_old_value(before);
    change->set_new_value(after);
  }
};

TEST_F(ConfigReloadTest, ShowsWhatHasChangedAndWhatHasNotYet) {
  v1::ReloadConfigResponse reload;
  Set("log_level", "info", "debug", reload.add_applied());
  Set("nats_strict_order", "false", "true", reload.add_needs_restart());
  reload.set_audit_event_id("a1");
  router_.admin().SetReload(reload);
  const std::vector<std::string> command = {"config", "reload",       "--reason",
                                            "r",      "--request-id", "r1"};
  const CliResult result = Run(command);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "NAME               OLD    NEW    IN FORCE\n"
            "log_level          info   debug  now\n"
            "nats_strict_order  false  true   after a restart\n");
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(router_.admin().requests()[0],
            "ReloadConfigRequest {reason: \"r\" request_id: \"r1\"}");
  std::vector<std::string> json = command;
  json.insert(json.end(), {"-o", "json"});
  EXPECT_NE(Run(json).out.find("\"needsRestart\""), std::string::npos);
}

TEST_F(ConfigReloadTest, NothingMayHaveChanged) {
  const CliResult result = Run({"config", "reload", "--reason", "r", "--dry-run"});
  EXPECT_EQ(result.out, "No setting has changed.\n");
  EXPECT_EQ(result.err, "Nothing was changed (--dry-run).\n");
}

TEST_F(ConfigReloadTest, ErrorsOfTheConfigurationAreErrors) {
  router_.admin().Fail(RouterError(grpc::StatusCode::INVALID_ARGUMENT,
                                   "the configuration has 1 error, and nothing has changed: (1) no",
                                   "CONFIG_INVALID"));
  const CliResult result = Run({"config", "reload", "--reason", "r"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(result.err,
            "routerctl: cannot reload the configuration: the configuration has 1 error, and "
            "nothing has changed: (1) no [CONFIG_INVALID]\n");
}

TEST_F(ConfigReloadTest, NeedsAReason) {
  EXPECT_EQ(Run({"config", "reload"}).exit_code, 2);
  EXPECT_TRUE(router_.admin().requests().empty());
}

}  // namespace
}  // namespace router::testing
