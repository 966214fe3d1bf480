#include <gtest/gtest.h>

#include "clients/cli/pending_view.h"
#include "nlohmann/json.hpp"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;

class PendingTest : public CliTest {
 protected:
  PendingTest() {
    router_.admin().AddOperation(MakeOperation(7));
    router_.admin().AddOperation(MakeOperation(8));
  }
};

TEST_F(PendingTest, ListsATable) {
  const CliResult result = Run({"pending", "ls", "--filter", "subject:orders."});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "");
  EXPECT_EQ(result.out,
            "ID  SUBJECT         MESSAGE ID  KEY  GUARANTEE  AGE    SIZE     STATE    ATTEMPTS  "
            "LAST ERROR\n"
            "7   orders.created  m7          k    STORED     1m30s  1.5 KiB  waiting  2         no "
            "responders\n"
            "8   orders.created  m8          k    STORED     1m30s  1.5 KiB  waiting  2         no "
            "responders\n");
  EXPECT_EQ(router_.admin().requests(),
            std::vector<std::string>(
                {"ListPendingOperationsRequest {filter: \"subject:orders.\" page_size: 100}"}));
}

TEST_F(PendingTest, ListStopsAtItsLimitAndSaysHowToGoOn) {
  const CliResult result = Run({"pending", "ls", "--limit", "1"});
  EXPECT_NE(result.out.find("\n7 "), std::string::npos);
  EXPECT_EQ(result.out.find("\n8 "), std::string::npos);
  EXPECT_EQ(result.err, "There is more: --limit 0 for all, or --page-token 1 to go on here.\n");
  EXPECT_NE(Run({"pending", "ls", "--page-token", "1"}).out.find("\n8 "), std::string::npos);
}

TEST_F(PendingTest, ListsAllPagesAsOneAnswer) {
  for (uint64_t id = 9; id < 2007; ++id) router_.admin().AddOperation(MakeOperation(id));
  const CliResult result = Run({"pending", "ls", "--limit", "0", "-o", "json"});
  const Json list = Json::parse(result.out);
  EXPECT_EQ(list["operations"].size(), 2000u);
  EXPECT_EQ(list["operations"][1999]["operationId"], "2006");
  EXPECT_EQ(list["nextPageToken"], "");
  EXPECT_EQ(router_.admin().requests().size(), 2u);
}

TEST_F(PendingTest, GetsOneOperation) {
  EXPECT_EQ(Run({"pending", "get", "7"}).out,
            "Operation     7\n"
            "Subject       orders.created\n"
            "Message id    m7\n"
            "Ordering key  k\n"
            "Guarantee     STORED\n"
            "Accepted      2026-01-31T11:58:30Z (1m30s ago)\n"
            "Size          1.5 KiB\n"
            "State         waiting\n"
            "Attempts      2\n"
            "Last error    no responders\n");
  EXPECT_EQ(Json::parse(Run({"pending", "get", "7", "-ojson"}).out)["operation"]["sizeBytes"],
            "1536");
}

TEST_F(PendingTest, AnOperationThatIsGoneIsNotFound) {
  const CliResult result = Run({"pending", "get", "99"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.err,
            "routerctl: cannot get the pending operation 99: there is no such operation "
            "[OPERATION_NOT_FOUND]; see `routerctl pending ls`\n");
}

TEST_F(PendingTest, PeeksAtTheHeadWithItsPayload) {
  const CliResult result = Run({"pending", "peek"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_NE(result.out.find("Operation     7\n"), std::string::npos);
  EXPECT_NE(result.out.find("Header        trace: 4711\nPayload       5 B\n\nhello\n"),
            std::string::npos)
      << result.out;
}

TEST_F(PendingTest, PeeksAtABinaryPayload) {
  v1::PendingOperation operation = MakeOperation(9);
  operation.set_payload(std::string("\x1b[2J\x00z", 6));
  router_.admin().AddOperation(operation);
  EXPECT_NE(Run({"pending", "peek", "9"})
                .out.find("00000000  1b 5b 32 4a 00 7a                                |.[2J.z|\n"),
            std::string::npos);
  EXPECT_EQ(Run({"pending", "peek", "9", "--raw"}).out, operation.payload());
}

TEST_F(PendingTest, PeekingIntoAnEmptyQueueIsNotFound) {
  ASSERT_EQ(Run({"pending", "purge", "--all", "--reason", "r", "--force", "--yes"}).exit_code, 0);
  EXPECT_EQ(Run({"pending", "peek"}).exit_code, 4);
}

TEST_F(PendingTest, Retries) {
  const CliResult result =
      Run({"pending", "retry", "--all", "--reason", "stream created", "--request-id", "r1"});
  EXPECT_EQ(result.out, "2 operations retried now.\n");
  EXPECT_EQ(router_.admin().requests()[0],
            "RetryPendingOperationsRequest {filter: \"*\" reason: \"stream created\" request_id: "
            "\"r1\"}");
  EXPECT_EQ(Run({"pending", "retry", "--all", "--reason", "r", "--dry-run"}).out,
            "2 operations would be retried.\n");
}

TEST_F(PendingTest, PurgeWithoutForceShowsWhatWouldGo) {
  const CliResult result = Run({"pending", "purge", "--filter", "subject:orders", "--reason", "r"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out.rfind("2 operations would be purged.\nID  SUBJECT", 0), 0u) << result.out;
  EXPECT_EQ(result.err, "Nothing was removed; --force removes.\n");
}

TEST_F(PendingTest, PurgeOffATerminalNeedsYes) {
  const std::vector<std::string> purge = {"pending", "purge", "--all", "--reason", "r", "--force"};
  const CliResult refused = Run(purge);
  EXPECT_EQ(refused.exit_code, 2);
  EXPECT_NE(refused.err.find("say --yes"), std::string::npos);
  EXPECT_TRUE(router_.admin().requests().empty()) << "nothing is asked of the router";
  std::vector<std::string> with_yes = purge;
  with_yes.push_back("--yes");
  EXPECT_EQ(Run(with_yes).out, "2 operations purged.\n");
  EXPECT_EQ(router_.admin().requests(),
            std::vector<std::string>(
                {"PurgePendingOperationsRequest {filter: \"*\" reason: \"r\" force: true}"}));
}

TEST_F(PendingTest, PurgeOnATerminalAsksWithTheNumber) {
  in_is_terminal_ = true;
  const std::vector<std::string> purge = {"pending", "purge", "--all", "--reason", "r", "--force"};
  const CliResult declined = Run(purge, "no\n");
  EXPECT_EQ(declined.exit_code, 1);
  EXPECT_EQ(declined.err,
            "2 operations that match \"*\" will be thrown away for good. Type \"yes\" to go on: "
            "routerctl: nothing was changed\n");
  EXPECT_EQ(router_.admin().requests().size(), 1u) << "only the count was asked for";
  EXPECT_EQ(Run(purge, "").exit_code, 1) << "the end of the input is no yes";
  const CliResult confirmed = Run(purge, "yes\n");
  EXPECT_EQ(confirmed.exit_code, 0) << confirmed.err;
  EXPECT_EQ(confirmed.out, "2 operations purged.\n");
}

TEST(HexDumpTest, HasSixteenBytesOnALine) {
  EXPECT_EQ(cli::HexDump("0123456789abcdefX"),
            "00000000  30 31 32 33 34 35 36 37 38 39 61 62 63 64 65 66  |0123456789abcdef|\n"
            "00000010  58                                               |X|\n");
}

}  // namespace
}  // namespace router::testing
