#include "tests/clients/cli/cli_runner.h"

#include <sstream>

#include "absl/strings/str_cat.h"
#include "clients/cli/app.h"
#include "clients/cli/units.h"

namespace router::testing {
namespace {

absl::Time Noon() {
  return absl::FromCivil(absl::CivilSecond(2026, 1, 31, 12, 0, 0), absl::UTCTimeZone());
}

}  // namespace

CliTest::CliTest() {
  variables_["ROUTERCTL_ADDRESS"] = router_.address();
  router_.admin().SetStatus(HealthyStatus());
}

CliResult CliTest::Run(const std::vector<std::string>& arguments, const std::string& input) {
  std::istringstream in(input);
  std::ostringstream out;
  std::ostringstream err;
  cli::Environment environment{in, out, err};
  environment.in_is_terminal = in_is_terminal_;
  environment.out_is_terminal = out_is_terminal_;
  environment.err_is_terminal = err_is_terminal_;
  environment.variable = [this](const std::string& name) {
    const auto variable = variables_.find(name);
    return variable == variables_.end() ? std::string() : variable->second;
  };
  environment.now = Noon;
  environment.program_folder = program_folder_;
  CliResult result;
  result.exit_code = cli::RunApp(arguments, environment);
  result.out = out.str();
  result.err = err.str();
  return result;
}

v1::RouterStatus CliTest::HealthyStatus() {
  v1::RouterStatus status;
  auto* connection = status.mutable_connection();
  connection->set_state(v1::CONNECTION_STATE_CONNECTED);
  connection->set_transport("nats");
  connection->set_server_url("nats://127.0.0.1:4222");
  connection->set_server_name("n1");
  connection->set_epoch(2);
  connection->set_attempts_max(10);
  connection->set_max_payload_bytes(1 << 20);
  *connection->mutable_since() = cli::ToProto(Noon() - absl::Seconds(192));
  auto* queue = status.mutable_queue();
  queue->set_count_max(1000);
  queue->set_bytes_max(1 << 20);
  queue->set_full_policy("reject");
  queue->set_healthy(true);
  status.mutable_fail_open()->set_actor("config");
  status.mutable_fail_open()->set_etag("e1");
  status.mutable_totals()->set_accepted(12345);
  status.mutable_totals()->set_delivered(12345);
  status.set_version("0.1.0");
  *status.mutable_uptime() = cli::ToProto(absl::Hours(3));
  return status;
}

v1::PendingOperation CliTest::MakeOperation(uint64_t id) {
  v1::PendingOperation operation;
  operation.set_operation_id(id);
  operation.set_message_id(absl::StrCat("m", id));
  operation.set_subject("orders.created");
  operation.set_ordering_key("k");
  operation.set_guarantee(v1::GUARANTEE_STORED);
  *operation.mutable_accept_time() = cli::ToProto(Noon() - absl::Seconds(90));
  operation.set_size_bytes(1536);
  operation.set_attempts(2);
  operation.set_last_error("no responders");
  (*operation.mutable_headers())["trace"] = "4711";
  operation.set_payload("hello");
  return operation;
}

}  // namespace router::testing
