#include "clients/cli/errors.h"

#include <gtest/gtest.h>

#include "google/rpc/error_details.pb.h"
#include "google/rpc/status.pb.h"
#include "nlohmann/json.hpp"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;

class ErrorsTest : public CliTest {};

TEST_F(ErrorsTest, ExitCodesFollowTheKindOfError) {
  const std::vector<std::pair<grpc::StatusCode, int>> expected = {
      {grpc::StatusCode::INTERNAL, 1},          {grpc::StatusCode::RESOURCE_EXHAUSTED, 1},
      {grpc::StatusCode::DATA_LOSS, 1},         {grpc::StatusCode::INVALID_ARGUMENT, 2},
      {grpc::StatusCode::UNAVAILABLE, 3},       {grpc::StatusCode::DEADLINE_EXCEEDED, 3},
      {grpc::StatusCode::NOT_FOUND, 4},         {grpc::StatusCode::FAILED_PRECONDITION, 5},
      {grpc::StatusCode::ABORTED, 5},           {grpc::StatusCode::ALREADY_EXISTS, 5},
      {grpc::StatusCode::PERMISSION_DENIED, 6}, {grpc::StatusCode::UNAUTHENTICATED, 6},
  };
  for (const auto& [code, exit_code] : expected) {
    router_.admin().Fail(RouterError(code, "it failed", "SOME_REASON"));
    EXPECT_EQ(Run({"status"}).exit_code, exit_code) << code;
  }
}

TEST_F(ErrorsTest, OneLineSaysWhatFailedWhyAndWhatToDo) {
  router_.admin().Fail(RouterError(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full",
                                   "PENDING_QUEUE_FULL", absl::Seconds(2)));
  const CliResult result = Run({"status"});
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(
      result.err,
      "routerctl: cannot get the status: the queue is full [PENDING_QUEUE_FULL]; wait until the "
      "queue has drained: see `routerctl status`; try again in 2s\n");
}

TEST_F(ErrorsTest, JsonErrorsHoldTheDetails) {
  router_.admin().Fail(RouterError(grpc::StatusCode::RESOURCE_EXHAUSTED, "the queue is full",
                                   "PENDING_QUEUE_FULL", absl::Seconds(2)));
  const CliResult result = Run({"status", "-o", "json"});
  EXPECT_EQ(result.out, "");
  const Json error = Json::parse(result.err)["error"];
  EXPECT_EQ(error["code"], "RESOURCE_EXHAUSTED");
  EXPECT_EQ(error["exitCode"], 1);
  EXPECT_EQ(error["task"], "get the status");
  EXPECT_EQ(error["message"], "the queue is full");
  EXPECT_EQ(error["reason"], "PENDING_QUEUE_FULL");
  EXPECT_EQ(error["domain"], "router");
  EXPECT_EQ(error["metadata"]["limit"], "10");
  EXPECT_EQ(error["retryDelay"], "2s");
}

TEST_F(ErrorsTest, NamesTheFieldsThatAreWrong) {
  google::rpc::Status status;
  google::rpc::BadRequest bad_request;
  auto* violation = bad_request.add_field_violations();
  violation->set_field("filter");
  violation->set_description("unknown field at column 3");
  status.add_details()->PackFrom(bad_request);
  router_.admin().Fail(grpc::Status(grpc::StatusCode::INVALID_ARGUMENT, "the filter is wrong",
                                    status.SerializeAsString()));
  const CliResult result = Run({"pending", "ls"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_EQ(
      result.err,
      "routerctl: cannot list the pending operations: the filter is wrong; filter: unknown field "
      "at column 3\n");
  EXPECT_EQ(
      Json::parse(Run({"pending", "ls", "-ojson"}).err)["error"]["fieldViolations"][0]["field"],
      "filter");
}

TEST_F(ErrorsTest, SaysWhereNoRouterAnswers) {
  variables_["ROUTERCTL_ADDRESS"] = "127.0.0.1:1";
  const CliResult result = Run({"status"});
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_NE(result.err.find("no router answers at 127.0.0.1:1 ("), std::string::npos) << result.err;
  EXPECT_NE(result.err.find("is routerd running there?"), std::string::npos) << result.err;
}

TEST_F(ErrorsTest, TheAddressFlagWinsOverTheEnvironment) {
  EXPECT_EQ(Run({"--address", "127.0.0.1:1", "status"}).exit_code, 3);
  variables_["ROUTERCTL_ADDRESS"] = "127.0.0.1:1";
  EXPECT_EQ(Run({"status", "--address", router_.address()}).exit_code, 0);
}

TEST_F(ErrorsTest, ErrorsOfTheRouterCannotControlTheTerminal) {
  router_.admin().Fail(grpc::Status(grpc::StatusCode::INTERNAL, "bad\x1b[2J\nnews"));
  EXPECT_EQ(Run({"status"}).err, "routerctl: cannot get the status: bad\\x1b[2J\\x0anews\n");
}

TEST_F(ErrorsTest, WrongCommandLinesAreUsageErrors) {
  const std::vector<std::vector<std::string>> wrong = {
      {"stauts"},
      {"status", "extra"},
      {"status", "--wach"},
      {"status", "-o", "xml"},
      {"status", "--timeout", "5"},
      {"status", "--address", "nowhere"},
      {"pending", "get"},
      {"pending", "get", "x"},
      {"pending", "retry", "--reason", "r"},
      {"failopen", "enable"},
      {"failopen", "enable", "--ttl", "soon", "--reason", "r"},
      {"failopen", "enable", "--until", "noon", "--reason", "r"},
      {"failopen", "enable", "--ttl", "1h", "--until", "2026-01-31T13:00:00Z", "--reason", "r"},
      {"delivery", "pause"},
      {"delivery", "resume"},
      {"reconnect"},
      {"publish"},
      {"publish", "a"},
      {"publish", "a", "b", "--file", "c"},
      {"publish", "a", "b", "--lines"},
      {"publish", "a", "b", "--header", "novalue"},
      {"publish", "a", "b", "--guarantee", "maybe"},
      {"publish", "a", "b", "--ttl", "1"},
      {"audit", "ls", "--limit", "-1"},
      {"config", "validate"},
      {"pending"},
      {},
  };
  for (const auto& arguments : wrong) {
    const CliResult result = Run(arguments);
    EXPECT_EQ(result.exit_code, 2) << (arguments.empty() ? "" : arguments.back());
    EXPECT_EQ(result.out, "");
    EXPECT_NE(result.err, "");
  }
  EXPECT_TRUE(router_.admin().requests().empty());
  EXPECT_TRUE(router_.publisher().received().empty());
}

TEST_F(ErrorsTest, SuggestsCommandsAndFlags) {
  EXPECT_EQ(Run({"stauts"}).err,
            "routerctl: unknown command \"stauts\" (did you mean \"status\"?)\n");
  EXPECT_EQ(Run({"pending", "list"}).err,
            "routerctl: unknown command \"pending list\" (did you mean \"pending ls\"?)\n");
  EXPECT_EQ(Run({"pendng", "ls"}).err,
            "routerctl: unknown command \"pendng\" (did you mean \"pending\"?)\n");
  EXPECT_EQ(Run({"status", "--wach"}).err,
            "routerctl: unknown flag --wach (did you mean \"--watch\"?)\n");
  EXPECT_EQ(Json::parse(Run({"stauts", "-o", "json"}).err)["error"]["exitCode"], 2);
}

}  // namespace
}  // namespace router::testing
