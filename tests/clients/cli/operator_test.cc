// failopen, delivery, reconnect, audit, config show, version.
#include <gtest/gtest.h>

#include "nlohmann/json.hpp"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;
using List = std::vector<std::string>;

class OperatorTest : public CliTest {};

TEST_F(OperatorTest, ShowsTheMode) {
  EXPECT_EQ(Run({"failopen", "get"}).out, "Fail-open  off\nSet by     config\nEtag       e1\n");
  EXPECT_EQ(Json::parse(Run({"failopen", "get", "-ojson"}).out)["mode"]["enabled"], false);
}

TEST_F(OperatorTest, EnablesFailOpenForATime) {
  const CliResult result = Run({"failopen", "enable", "--ttl", "15m", "--reason", "maintenance",
                                "--etag", "e1", "--request-id", "r1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out, "Fail-open  ON\nSet by     ops\nReason     maintenance\nEtag       e2\n");
  EXPECT_EQ(
      router_.admin().requests(),
      List({"SetFailOpenModeRequest {enabled: true reason: \"maintenance\" ttl { seconds: 900 } "
            "etag: \"e1\" request_id: \"r1\"}"}));
}

TEST_F(OperatorTest, EnablesFailOpenUntilATime) {
  ASSERT_EQ(
      Run({"failopen", "enable", "--until", "2026-01-31T13:00:00Z", "--reason", "r"}).exit_code, 0);
  EXPECT_EQ(router_.admin().requests(),
            List({"SetFailOpenModeRequest {enabled: true reason: \"r\" expire_time { seconds: "
                  "1769864400 }}"}));
}

TEST_F(OperatorTest, WarnsWhereFailOpenHasNoEnd) {
  EXPECT_EQ(Run({"failopen", "enable", "--reason", "r"}).err,
            "Without --ttl fail-open mode stays on until somebody disables it.\n");
}

TEST_F(OperatorTest, DisablesFailOpen) {
  EXPECT_EQ(Run({"failopen", "disable", "--reason", "over"}).exit_code, 0);
  EXPECT_EQ(router_.admin().requests(), List({"SetFailOpenModeRequest {reason: \"over\"}"}));
}

TEST_F(OperatorTest, AStaleEtagIsAPrecondition) {
  router_.admin().Fail(
      RouterError(grpc::StatusCode::ABORTED, "the mode was changed", "ETAG_MISMATCH"));
  const CliResult result = Run({"failopen", "disable", "--reason", "over", "--etag", "old"});
  EXPECT_EQ(result.exit_code, 5);
  EXPECT_NE(result.err.find("see `routerctl failopen get`"), std::string::npos);
}

TEST_F(OperatorTest, DryRunsOnlyValidate) {
  const CliResult result = Run({"failopen", "disable", "--reason", "over", "--dry-run"});
  EXPECT_EQ(result.err, "Nothing was changed (--dry-run).\n");
  EXPECT_EQ(router_.admin().requests(),
            List({"SetFailOpenModeRequest {reason: \"over\" validate_only: true}"}));
}

TEST_F(OperatorTest, PausesAndResumesDelivery) {
  EXPECT_EQ(Run({"delivery", "pause", "--reason", "r"}).out, "Delivery is paused.\n");
  EXPECT_EQ(Run({"delivery", "resume", "--reason", "r"}).out, "Delivery was not paused.\n");
  EXPECT_EQ(router_.admin().requests(), List({"PauseDeliveryRequest {reason: \"r\"}",
                                              "ResumeDeliveryRequest {reason: \"r\"}"}));
  EXPECT_EQ(Run({"delivery", "pause", "--reason", "r", "--dry-run"}).out,
            "Delivery is paused. (dry run)\n");
}

TEST_F(OperatorTest, Reconnects) {
  EXPECT_EQ(Run({"reconnect", "--reason", "r"}).out,
            "Connection 3 is dropped; the router connects again.\n");
  EXPECT_EQ(Run({"reconnect", "--reason", "r", "-o", "yaml"}).out,
            "droppedEpoch: \"3\"\nauditEventId: \"\"\n");
}

TEST_F(OperatorTest, ListsTheAuditLog) {
  v1::AuditEvent event;
  event.set_id("a1");
  event.mutable_time()->set_seconds(1769860800);
  event.set_actor("alice@10.0.0.1");
  event.set_method("SetFailOpenMode");
  event.set_outcome("OK");
  event.set_reason("maintenance");
  event.set_detail("off -> on");
  router_.admin().AddAuditEvent(event);
  const CliResult result = Run({"audit", "ls", "--filter", "actor:alice"});
  EXPECT_EQ(
      result.out,
      "TIME                  ACTOR           METHOD           OUTCOME  REASON       DETAIL     ID\n"
      "2026-01-31T12:00:00Z  alice@10.0.0.1  SetFailOpenMode  OK       maintenance  off -> on  "
      "a1\n");
  EXPECT_EQ(router_.admin().requests()[0],
            "ListAuditEventsRequest {filter: \"actor:alice\" page_size: 100}");
}

class ConfigShowTest : public CliTest {
 protected:
  ConfigShowTest() {
    v1::ConfigSetting setting;
    setting.set_name("nats_reconnect_attempts");
    setting.set_value("10");
    setting.set_source("default");
    setting.set_description("attempts per outage");
    router_.admin().AddSetting(setting);
    setting.set_name("nats_token");
    setting.set_value("[redacted]");
    setting.set_source("file");
    router_.admin().AddSetting(setting);
  }
};

TEST_F(ConfigShowTest, ShowsSettingsWithTheirSource) {
  EXPECT_EQ(Run({"config", "show"}).out,
            "NAME                     VALUE       SOURCE\n"
            "nats_reconnect_attempts  10          default\n"
            "nats_token               [redacted]  file\n");
  EXPECT_NE(Run({"config", "show", "--descriptions"}).out.find("attempts per outage"),
            std::string::npos);
}

TEST_F(ConfigShowTest, ShowsOnlyWhatIsNamed) {
  EXPECT_EQ(Run({"config", "show", "nats_token", "-o", "yaml"}).out,
            "settings:\n"
            "  - name: nats_token\n"
            "    value: \"[redacted]\"\n"
            "    source: file\n"
            "    description: \"attempts per outage\"\n");
}

TEST_F(ConfigShowTest, SuggestsTheSettingThatWasMeant) {
  const CliResult result = Run({"config", "show", "nats_tokn"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.err,
            "routerctl: there is no setting \"nats_tokn\" (did you mean \"nats_token\"?)\n");
}

TEST_F(OperatorTest, VersionNeedsNoRouter) {
  variables_["ROUTERCTL_ADDRESS"] = "127.0.0.1:1";
  const CliResult result = Run({"version"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.rfind("routerctl ", 0), 0u);
  EXPECT_EQ(Run({"version", "--router"}).exit_code, 3);
}

TEST_F(OperatorTest, VersionAsksTheRouterOnRequest) {
  EXPECT_EQ(Json::parse(Run({"version", "--router", "-o", "json"}).out)["router"], "0.1.0");
}

}  // namespace
}  // namespace router::testing
