#include <gtest/gtest.h>
#include <signal.h>

#include <algorithm>
#include <fstream>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "nlohmann/json.hpp"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;
using List = std::vector<std::string>;

class PublishTest : public CliTest {
 protected:
  List ReceivedPayloads() {
    List payloads;
    for (const auto& message : router_.publisher().received())
      payloads.push_back(message.payload());
    return payloads;
  }

  static std::vector<Json> JsonLines(const std::string& text) {
    std::vector<Json> lines;
    for (const auto line : absl::StrSplit(text, '\n', absl::SkipEmpty())) {
      lines.push_back(Json::parse(std::string(line)));
    }
    return lines;
  }
};

TEST_F(PublishTest, SendsAMessageWithEverythingThatWasAskedFor) {
  const CliResult result =
      Run({"publish", "demo.hello", "hi there", "--header", "trace=47=11", "-H", "b=", "--id", "m1",
           "--key", "k1", "--guarantee", "received", "--ttl", "90s"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "Outcome     DELIVERED\nMessage id  m1\nStream      DEMO\nSequence    1\n");
  EXPECT_EQ(result.err, "");
  const auto received = router_.publisher().received();
  ASSERT_EQ(received.size(), 1u);
  const v1::Message& message = received[0];
  EXPECT_EQ(message.subject(), "demo.hello");
  EXPECT_EQ(message.payload(), "hi there");
  EXPECT_EQ(message.headers().at("trace"), "47=11");
  EXPECT_EQ(message.headers().at("b"), "");
  EXPECT_EQ(message.message_id(), "m1");
  EXPECT_EQ(message.ordering_key(), "k1");
  EXPECT_EQ(message.guarantee(), v1::GUARANTEE_RECEIVED);
  EXPECT_EQ(message.ttl().seconds(), 90);
}

TEST_F(PublishTest, TellsTheOtherOutcomes) {
  EXPECT_EQ(Run({"publish", "queue.a", "x", "--id", "m"}).out,
            "Outcome     QUEUED\nMessage id  m\nOperation   1\n");
  const CliResult dropped = Run({"publish", "drop.a", "x", "--id", "m"});
  EXPECT_EQ(dropped.exit_code, 0);
  EXPECT_EQ(dropped.out, "Outcome     DROPPED\nMessage id  m\n");
  EXPECT_EQ(dropped.err, "Fail-open mode is on: 1 message was accepted and thrown away.\n");
  EXPECT_NE(Run({"publish", "duplicate.a", "x"}).out.find("Duplicate   yes"), std::string::npos);
}

TEST_F(PublishTest, JsonIsTheAnswer) {
  const Json answer = Json::parse(Run({"publish", "demo.hello", "hi", "-o", "json"}).out);
  EXPECT_EQ(answer["result"]["outcome"], "PUBLISH_OUTCOME_DELIVERED");
  EXPECT_EQ(answer["result"]["sequence"], "1");
}

TEST_F(PublishTest, ARejectionIsAnError) {
  const CliResult result = Run({"publish", "reject.me", "hi"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(result.out, "");
  EXPECT_EQ(
      result.err.rfind("routerctl: cannot publish: the queue is full [PENDING_QUEUE_FULL]; ", 0),
      0u)
      << result.err;
}

TEST_F(PublishTest, AllOfStdinIsOneMessageByteForByte) {
  const std::string input("two\nlines\0and more\n", 19);
  EXPECT_EQ(Run({"publish", "demo.hello", "-"}, input).exit_code, 0);
  EXPECT_EQ(ReceivedPayloads(), List({input}));
}

TEST_F(PublishTest, ReadsAFile) {
  const std::string path = ::testing::TempDir() + "/payload";
  std::ofstream(path) << "from a file";
  EXPECT_EQ(Run({"publish", "demo.hello", "--file", path}).exit_code, 0);
  EXPECT_EQ(ReceivedPayloads(), List({"from a file"}));
  const CliResult missing = Run({"publish", "demo.hello", "-f", path + ".none"});
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_NE(missing.err.find("No such file or directory"), std::string::npos);
  EXPECT_EQ(Run({"publish", "demo.hello", "--file", ::testing::TempDir()}).exit_code, 1)
      << "a folder";
}

TEST_F(PublishTest, EveryLineIsAMessage) {
  const CliResult result =
      Run({"publish", "demo.hello", "-", "--lines", "--id", "batch"}, "a\n\nb\nc");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "OUTCOME    MESSAGES\nDELIVERED  3\n");
  EXPECT_EQ(ReceivedPayloads(), List({"a", "b", "c"}));
  EXPECT_EQ(router_.publisher().received()[2].message_id(), "batch-4") << "by number of the line";
}

TEST_F(PublishTest, LinesInJsonSayWhichLineTheyAnswer) {
  const auto lines =
      JsonLines(Run({"publish", "demo.hello", "-", "--lines", "-ojson"}, "a\n\nb\n").out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["number"], "1");
  EXPECT_EQ(lines[1]["number"], "3");
  EXPECT_EQ(lines[1]["result"]["outcome"], "PUBLISH_OUTCOME_DELIVERED");
}

TEST_F(PublishTest, ManyLinesAreSeveralBatches) {
  std::string input;
  for (int i = 0; i < 2500; ++i) absl::StrAppend(&input, i, "\n");
  EXPECT_EQ(Run({"publish", "demo.hello", "-", "--lines"}, input).out,
            "OUTCOME    MESSAGES\nDELIVERED  2,500\n");
  const List payloads = ReceivedPayloads();
  ASSERT_EQ(payloads.size(), 2500u);
  for (int i = 0; i < 2500; ++i) EXPECT_EQ(payloads[i], absl::StrCat(i));
}

TEST_F(PublishTest, SomeFailedBatchesArePartial) {
  std::string input;
  for (int i = 0; i < 2500; ++i) absl::StrAppend(&input, i, "\n");
  router_.publisher().FailNextCalls(
      {grpc::Status::OK, RouterError(grpc::StatusCode::INTERNAL, "broken", "SPOOL_IO_ERROR")});
  const CliResult result = Run({"publish", "demo.hello", "-", "--lines"}, input);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "OUTCOME    MESSAGES\nDELIVERED  1,000\nREJECTED   1,000\n");
  EXPECT_NE(result.err.find("line 1001: cannot publish: broken [SPOOL_IO_ERROR]"),
            std::string::npos);
  EXPECT_NE(result.err.find("More failures are only counted.\n"), std::string::npos);
  EXPECT_NE(result.err.find("Stopped at line 2000; nothing behind it was published.\n"),
            std::string::npos);
}

TEST_F(PublishTest, NothingAcceptedIsTheError) {
  const CliResult result = Run({"publish", "reject.me", "-", "--lines", "-o", "json"}, "a\nb\n");
  EXPECT_EQ(result.exit_code, 1);
  const auto lines = JsonLines(result.out);
  ASSERT_EQ(lines.size(), 2u);
  EXPECT_EQ(lines[0]["result"]["outcome"], "PUBLISH_OUTCOME_REJECTED");
  EXPECT_EQ(lines[0]["result"]["error"]["details"][0]["reason"], "PENDING_QUEUE_FULL");
}

TEST_F(PublishTest, NoLinesAreNoError) {
  EXPECT_EQ(Run({"publish", "demo.hello", "-", "--lines"}, "").exit_code, 0);
  EXPECT_EQ(Run({"publish", "demo.hello", "-", "--stream"}, "\n").exit_code, 0);
}

class PublishStreamTest : public PublishTest {};

TEST_F(PublishStreamTest, PublishesEveryLineOnce) {
  std::string input;
  for (int i = 0; i < 5000; ++i) absl::StrAppend(&input, i, "\n");
  const CliResult result = Run({"publish", "demo.hello", "-", "--stream"}, input);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "OUTCOME    MESSAGES\nDELIVERED  5,000\n");
  EXPECT_EQ(result.err, "") << "no progress off a terminal";
  EXPECT_EQ(ReceivedPayloads().size(), 5000u);
  EXPECT_EQ(router_.publisher().streams(), 1);
}

TEST_F(PublishStreamTest, ShowsProgressOnATerminal) {
  err_is_terminal_ = true;
  const CliResult result = Run({"publish", "demo.hello", "-", "--stream"}, "a\nb\n");
  EXPECT_NE(result.err.find("\r2 answered, 0 failed, "), std::string::npos) << result.err;
}

TEST_F(PublishStreamTest, GoesOnAfterABrokenStream) {
  router_.publisher().BreakNextStream(2, grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down"));
  const CliResult result =
      Run({"publish", "demo.hello", "-", "--stream", "--id", "x"}, "a\nb\nc\n");
  EXPECT_EQ(result.exit_code, 0) << result.err;
  std::set<std::string> ids;
  for (const auto& message : router_.publisher().received()) ids.insert(message.message_id());
  EXPECT_EQ(ids, std::set<std::string>({"x-1", "x-2", "x-3"}));
}

TEST_F(PublishStreamTest, ALineThatIsTooLargeIsPartial) {
  const CliResult result = Run({"publish", "demo.hello", "-", "--stream"},
                               absl::StrCat("a\n", std::string(5'000'000, 'x'), "\nb\n"));
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "OUTCOME    MESSAGES\nDELIVERED  2\nREJECTED   1\n");
  EXPECT_EQ(result.err.rfind("line 2: cannot publish: ", 0), 0u) << result.err;
}

TEST_F(PublishStreamTest, ASilentRouterLeavesTheOutcomeUnknown) {
  router_.publisher().HoldAnswers();
  const CliResult result =
      Run({"publish", "demo.hello", "-", "--stream", "--timeout", "200ms"}, "a\n");
  EXPECT_EQ(result.exit_code, 3);
  EXPECT_EQ(result.out, "OUTCOME  MESSAGES\nUNKNOWN  1\n");
}

TEST_F(PublishStreamTest, EndsOnCtrlC) {
  router_.publisher().HoldAnswers();
  // More lines than the window takes.
  std::string input;
  for (int i = 0; i < 200'000; ++i) absl::StrAppend(&input, i, "\n");
  CliResult result;
  std::thread publishing([&] {
    result = Run({"publish", "demo.hello", "-", "--stream", "--timeout", "1s"}, input);
  });
  EXPECT_TRUE(router_.publisher().WaitForReceived(1));
  kill(getpid(), SIGINT);
  publishing.join();
  EXPECT_EQ(result.exit_code, 3) << "no outcome is known";
  EXPECT_NE(result.err.find("Interrupted after line "), std::string::npos) << result.err;
  EXPECT_EQ(result.err.find("Interrupted after line 200000"), std::string::npos);
}

}  // namespace
}  // namespace router::testing
