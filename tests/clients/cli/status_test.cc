#include <gtest/gtest.h>
#include <signal.h>

#include <thread>

#include "clients/cli/units.h"
#include "nlohmann/json.hpp"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;

class StatusTest : public CliTest {
 protected:
  // Broken in every way.
  static v1::RouterStatus TroubledStatus() {
    v1::RouterStatus status = HealthyStatus();
    status.mutable_connection()->set_state(v1::CONNECTION_STATE_RECONNECTING);
    status.mutable_connection()->clear_server_url();
    status.mutable_connection()->clear_server_name();
    status.mutable_connection()->set_attempts(4);
    status.mutable_connection()->set_last_error("connection refused\x1b[2J");
    auto* queue = status.mutable_queue();
    queue->set_count(250);
    queue->set_bytes(131072);
    queue->set_drain_rate(12.5);
    queue->set_delivery_paused(true);
    queue->set_dead_letters(3);
    (*queue->mutable_dead_letters_by_reason())["no_stream"] = 2;
    (*queue->mutable_dead_letters_by_reason())["expired"] = 1;
    queue->set_healthy(false);
    queue->mutable_damage()->set_records(3);
    queue->mutable_damage()->set_log("/dir/damage.log");
    queue->mutable_damage()->mutable_since()->set_seconds(1769860608);
    *queue->mutable_oldest_age() = cli::ToProto(absl::Seconds(192));
    *queue->mutable_drain_eta() = cli::ToProto(absl::Seconds(20));
    auto* mode = status.mutable_fail_open();
    mode->set_enabled(true);
    mode->set_actor("alice");
    mode->set_reason("maintenance");
    // The clock of these tests stands at 12:00.
    mode->mutable_expire_time()->set_seconds(absl::ToUnixSeconds(
        absl::FromCivil(absl::CivilMinute(2026, 1, 31, 12, 10), absl::UTCTimeZone())));
    status.mutable_totals()->set_dropped_fail_open(7);
    status.mutable_totals()->set_unaccounted(1);
    return status;
  }
};

TEST_F(StatusTest, TableOfAHealthyRouter) {
  const CliResult result = Run({"status"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(
      result.out,
      "Router        version 0.1.0, up 3h\n"
      "Connection    CONNECTED to nats://127.0.0.1:4222 (n1) for 3m12s, nats, connection 2\n"
      "Fail-open     off\n"
      "Queue         0 of 1,000 operations (0.0 %), 0 B of 1.0 MiB (0.0 %), when full: reject\n"
      "In flight     0 direct, 0 from the queue\n"
      "Dead letters  0\n"
      "Totals        12,345 accepted, 12,345 delivered, 0 queued\n");
}

TEST_F(StatusTest, TableOfARouterInTrouble) {
  router_.admin().SetStatus(TroubledStatus());
  EXPECT_EQ(
      Run({"status"}).out,
      "Router        version 0.1.0, up 3h\n"
      "Connection    RECONNECTING for 3m12s, nats, connection 2\n"
      "Attempts      4 of 10 failed\n"
      "Last error    connection refused\\x1b[2J\n"
      "Fail-open     ON for another 10m, by alice: maintenance\n"
      "Queue         250 of 1,000 operations (25.0 %), 128.0 KiB of 1.0 MiB (12.5 %), when full: "
      "reject, PAUSED, DISK CANNOT BE WRITTEN\n"
      "Damage        QUEUE DAMAGED since 2026-01-31T11:56:48Z, at most 3 messages set aside or "
      "missing; see, then move away, /dir/damage.log\n"
      "Drain         12.5 per second, empty in 20s, oldest 3m12s\n"
      "In flight     0 direct, 0 from the queue\n"
      "Dead letters  3 (expired 1, no_stream 2)\n"
      "Totals        12,345 accepted, 12,345 delivered, 0 queued, 7 dropped (fail-open), 1 "
      "UNACCOUNTED (a defect)\n");
}

TEST_F(StatusTest, JsonIsTheAnswerAsGrpcToolsPrintIt) {
  const CliResult result = Run({"status", "-o", "json"});
  EXPECT_EQ(result.exit_code, 0);
  const Json status = Json::parse(result.out)["status"];
  EXPECT_EQ(status["connection"]["state"], "CONNECTION_STATE_CONNECTED");
  EXPECT_EQ(status["connection"]["serverUrl"], "nats://127.0.0.1:4222");
  EXPECT_EQ(status["connection"]["since"], "2026-01-31T11:56:48Z");
  EXPECT_EQ(status["queue"]["count"], "0") << "zeros are there for scripts";
  EXPECT_EQ(status["queue"]["bytesMax"], "1048576");
  EXPECT_EQ(status["uptime"], "10800s");
}

TEST_F(StatusTest, YamlHasTheSameNames) {
  const CliResult result = Run({"status", "--output=yaml"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out.rfind("status:\n"
                             "  connection:\n"
                             "    state: CONNECTION_STATE_CONNECTED\n"
                             "    transport: nats\n"
                             "    serverUrl: \"nats://127.0.0.1:4222\"\n"
                             "    serverName: n1\n"
                             "    epoch: \"2\"\n"
                             "    attempts: 0\n",
                             0),
            0u)
      << result.out;
}

TEST_F(StatusTest, ColoursOnATerminalUnlessTheyAreNotWanted) {
  out_is_terminal_ = true;
  const std::string green = "\x1b[32mCONNECTED\x1b[0m";
  EXPECT_NE(Run({"status"}).out.find(green), std::string::npos);
  EXPECT_EQ(Run({"status", "--no-color"}).out.find('\x1b'), std::string::npos);
  variables_["NO_COLOR"] = "1";
  EXPECT_EQ(Run({"status"}).out.find('\x1b'), std::string::npos);
}

class WatchTest : public CliTest {
 protected:
  // Watches until a few reports have come, then presses Ctrl-C.
  CliResult WatchAndInterrupt(const std::vector<std::string>& arguments, int signal = SIGINT) {
    CliResult result;
    std::thread watching([&] { result = Run(arguments); });
    EXPECT_TRUE(router_.admin().WaitForReports(3));
    kill(getpid(), signal);
    watching.join();
    return result;
  }
};

TEST_F(WatchTest, EndsOnCtrlCWithALineForEachReport) {
  const CliResult result = WatchAndInterrupt({"status", "--watch", "--interval", "100ms"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out.rfind("2026-01-31T12:00:00Z CONNECTED queue 0 (0 B) drain 0.0/s in flight 0 "
                             "delivered 12,345 fail-open off\n",
                             0),
            0u)
      << result.out;
  EXPECT_EQ(router_.admin().requests()[0], "WatchStatusRequest {interval { nanos: 100000000 }}");
}

TEST_F(WatchTest, EndsOnSigterm) {
  EXPECT_EQ(WatchAndInterrupt({"status", "-w"}, SIGTERM).exit_code, 0);
}

TEST_F(WatchTest, JsonIsOneObjectForEachLine) {
  const CliResult result = WatchAndInterrupt({"status", "--watch", "-o", "json"});
  const std::string first = result.out.substr(0, result.out.find('\n'));
  EXPECT_EQ(Json::parse(first)["status"]["version"], "0.1.0");
}

TEST_F(WatchTest, RenewsTheScreenOnATerminal) {
  out_is_terminal_ = true;
  const CliResult result = WatchAndInterrupt({"status", "--watch"});
  EXPECT_EQ(result.out.rfind("\x1b[H\x1b[2JRouter", 0), 0u) << result.out;
}

TEST_F(WatchTest, FailsWhereTheRouterDoes) {
  router_.admin().Fail(RouterError(grpc::StatusCode::PERMISSION_DENIED, "no", "ADMIN_REQUIRED"));
  const CliResult result = Run({"status", "--watch"});
  EXPECT_EQ(result.exit_code, 6);
  EXPECT_EQ(result.err, "routerctl: cannot watch the status: no [ADMIN_REQUIRED]\n");
}

}  // namespace
}  // namespace router::testing
