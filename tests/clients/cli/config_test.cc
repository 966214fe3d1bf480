// config validate.
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

}  // namespace
}  // namespace router::testing
