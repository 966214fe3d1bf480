#include <gtest/gtest.h>

#include <functional>

#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

class CheckTest : public CliTest {
 protected:
  // Checks a router whose healthy status was changed.
  CliResult Check(const std::function<void(v1::RouterStatus&)>& change) {
    v1::RouterStatus status = HealthyStatus();
    change(status);
    router_.admin().SetStatus(status);
    return Run({"check"});
  }

  void Expect(int exit_code, const std::string& text,
              const std::function<void(v1::RouterStatus&)>& change) {
    const CliResult result = Check(change);
    EXPECT_EQ(result.exit_code, exit_code) << result.out;
    EXPECT_EQ(result.out.rfind(text, 0), 0u) << result.out;
    EXPECT_EQ(result.err, "");
  }
};

TEST_F(CheckTest, OkIsOneLineWithPerformanceData) {
  const CliResult result = Run({"check"});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_EQ(result.out,
            "ROUTER OK - connected to nats://127.0.0.1:4222, 0 pending | pending=0;800;1000;0;1000 "
            "pending_bytes=0B;838860;1048576;0;1048576 oldest_age=0.000s;;;0 drain_rate=0.0;;;0 "
            "dead_letters=0;;;0 accepted=12345c delivered=12345c dropped=0c rejected=0c "
            "unaccounted=0\n");
}

TEST_F(CheckTest, Warnings) {
  Expect(1, "ROUTER WARNING - broker connection RECONNECTING (refused) | ", [](auto& status) {
    status.mutable_connection()->set_state(v1::CONNECTION_STATE_RECONNECTING);
    status.mutable_connection()->set_last_error("refused");
  });
  Expect(1, "ROUTER WARNING - queue 80.1 % full | ",
         [](auto& status) { status.mutable_queue()->set_count(801); });
  Expect(1, "ROUTER WARNING - queue 90.0 % full | ",
         [](auto& status) { status.mutable_queue()->set_bytes(943718); });
  Expect(1, "ROUTER WARNING - fail-open mode is on (why) | ", [](auto& status) {
    status.mutable_fail_open()->set_enabled(true);
    status.mutable_fail_open()->set_reason("why");
  });
  Expect(1, "ROUTER WARNING - delivery is paused | ",
         [](auto& status) { status.mutable_queue()->set_delivery_paused(true); });
  Expect(1, "ROUTER WARNING - 3 messages unaccounted for | ",
         [](auto& status) { status.mutable_totals()->set_unaccounted(3); });
}

TEST_F(CheckTest, TheLimitItselfIsNoWarning) {
  EXPECT_EQ(Check([](auto& status) { status.mutable_queue()->set_count(800); }).exit_code, 0);
}

TEST_F(CheckTest, TheLimitCanBeSet) {
  v1::RouterStatus status = HealthyStatus();
  status.mutable_queue()->set_count(600);
  router_.admin().SetStatus(status);
  EXPECT_EQ(Run({"check"}).exit_code, 0);
  EXPECT_EQ(Run({"check", "--queue-warning", "50"}).exit_code, 1);
}

TEST_F(CheckTest, CriticalStates) {
  Expect(2, "ROUTER CRITICAL - broker connection DISCONNECTED | ", [](auto& status) {
    status.mutable_connection()->set_state(v1::CONNECTION_STATE_DISCONNECTED);
  });
  Expect(2, "ROUTER CRITICAL - broker connection EXHAUSTED | ", [](auto& status) {
    status.mutable_connection()->set_state(v1::CONNECTION_STATE_EXHAUSTED);
  });
  Expect(2, "ROUTER CRITICAL - queue full | ",
         [](auto& status) { status.mutable_queue()->set_count(1000); });
  Expect(2, "ROUTER CRITICAL - the queue's disk cannot be written | ",
         [](auto& status) { status.mutable_queue()->set_healthy(false); });
  Expect(2,
         "ROUTER CRITICAL - the queue on disk was damaged, 3 messages set aside or missing, see "
         "/dir/damage.log | ",
         [](auto& status) {
           status.mutable_queue()->mutable_damage()->set_records(3);
           status.mutable_queue()->mutable_damage()->set_log("/dir/damage.log");
         });
}

TEST_F(CheckTest, TheWorstOfSeveralFindingsCounts) {
  Expect(2, "ROUTER CRITICAL - queue full; fail-open mode is on (a/b) | ", [](auto& status) {
    status.mutable_queue()->set_count(1000);
    status.mutable_fail_open()->set_enabled(true);
    status.mutable_fail_open()->set_reason("a|b");
  });
}

TEST_F(CheckTest, UnknownWhereNoRouterAnswers) {
  variables_["ROUTERCTL_ADDRESS"] = "127.0.0.1:1";
  const CliResult result = Run({"check"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out.rfind("ROUTER UNKNOWN - cannot get the status: no router answers", 0), 0u);
}

TEST_F(CheckTest, UnknownWhereTheCommandLineIsWrong) {
  EXPECT_EQ(Run({"check", "--queue-warning", "x"}).exit_code, 3);
  EXPECT_EQ(Run({"check", "--wrong"}).exit_code, 3);
}

}  // namespace
}  // namespace router::testing
