#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "nlohmann/json.hpp"
#include "tests/clients/cli/cli_runner.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;

class DeadLetterTest : public CliTest {
 protected:
  DeadLetterTest() {
    Add(7);
    Add(8);
  }

  void Add(uint64_t id) {
    const v1::PendingOperation operation = MakeOperation(id);
    v1::DeadLetter dead_letter;
    dead_letter.set_operation_id(id);
    dead_letter.set_message_id(operation.message_id());
    dead_letter.set_subject(operation.subject());
    dead_letter.set_ordering_key(operation.ordering_key());
    dead_letter.set_guarantee(operation.guarantee());
    *dead_letter.mutable_accept_time() = operation.accept_time();
    *dead_letter.mutable_dead_time() = operation.accept_time();
    dead_letter.set_size_bytes(operation.size_bytes());
    dead_letter.set_reason("attempts");
    dead_letter.set_attempts(3);
    dead_letter.set_first_error("timeout");
    dead_letter.set_last_error("no responders");
    *dead_letter.mutable_headers() = operation.headers();
    dead_letter.set_payload(operation.payload());
    router_.admin().AddDeadLetter(dead_letter);
  }
};

TEST_F(DeadLetterTest, ListsATable) {
  const CliResult result = Run({"dlq", "ls", "--filter", "reason = attempts"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out,
            "ID  SUBJECT         MESSAGE ID  KEY  REASON    DEAD FOR  SIZE     ATTEMPTS  "
            "LAST ERROR\n"
            "7   orders.created  m7          k    attempts  1m30s     1.5 KiB  3         "
            "no responders\n"
            "8   orders.created  m8          k    attempts  1m30s     1.5 KiB  3         "
            "no responders\n");
  EXPECT_EQ(router_.admin().requests(),
            std::vector<std::string>(
                {"ListDeadLettersRequest {filter: \"reason = attempts\" page_size: 100}"}));
}

TEST_F(DeadLetterTest, ListsAllPagesAsOneAnswer) {
  for (uint64_t id = 9; id < 2007; ++id) Add(id);
  const Json list = Json::parse(Run({"dlq", "ls", "--limit", "0", "-o", "json"}).out);
  EXPECT_EQ(list["deadLetters"].size(), 2000u);
  EXPECT_EQ(list["deadLetters"][1999]["operationId"], "2006");
  const CliResult first = Run({"dlq", "ls", "--limit", "1"});
  EXPECT_EQ(first.err, "There is more: --limit 0 for all, or --page-token 1 to go on here.\n");
}

TEST_F(DeadLetterTest, GetsOne) {
  EXPECT_EQ(Run({"dlq", "get", "7"}).out,
            "Operation     7\n"
            "Subject       orders.created\n"
            "Message id    m7\n"
            "Ordering key  k\n"
            "Guarantee     STORED\n"
            "Accepted      2026-01-31T11:58:30Z (1m30s ago)\n"
            "Size          1.5 KiB\n"
            "Reason        attempts\n"
            "Dead since    2026-01-31T11:58:30Z (1m30s ago)\n"
            "Attempts      3\n"
            "First error   timeout\n"
            "Last error    no responders\n");
  EXPECT_NE(Run({"dlq", "get", "7", "--content"}).out.find("Payload       5 B\n\nhello\n"),
            std::string::npos);
  EXPECT_EQ(Run({"dlq", "get", "7", "--raw"}).out, "hello");
  EXPECT_EQ(Json::parse(Run({"dlq", "get", "8", "-ojson"}).out)["deadLetter"]["firstError"],
            "timeout");
}

TEST_F(DeadLetterTest, OneThatIsGoneIsNotFound) {
  const CliResult result = Run({"dlq", "get", "99"});
  EXPECT_EQ(result.exit_code, 4);
  EXPECT_EQ(result.err,
            "routerctl: cannot get the dead letter 99: there is no such dead letter "
            "[DEAD_LETTER_NOT_FOUND]; see `routerctl dlq ls`\n");
  EXPECT_EQ(Run({"dlq", "get", "seven"}).exit_code, 2);
}

TEST_F(DeadLetterTest, RedrivesAll) {
  const CliResult result =
      Run({"dlq", "redrive", "--all", "--reason", "stream created", "--request-id", "r1"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "2 dead letters put back into the queue.\n");
  EXPECT_EQ(result.err, "") << "no progress where there is no terminal";
  EXPECT_EQ(router_.admin().requests(),
            std::vector<std::string>(
                {"RedriveDeadLettersRequest {filter: \"*\" reason: \"stream created\" "
                 "request_id: \"r1\"}"}));
}

TEST_F(DeadLetterTest, RedriveNeedsAReasonAndASelection) {
  EXPECT_EQ(Run({"dlq", "redrive", "--all"}).exit_code, 2);
  EXPECT_EQ(Run({"dlq", "redrive", "--reason", "r"}).exit_code, 2);
  EXPECT_EQ(Run({"dlq", "redrive", "--all", "--reason", "r", "--limit", "-1"}).exit_code, 2);
  EXPECT_TRUE(router_.admin().requests().empty());
}

TEST_F(DeadLetterTest, RedriveGoesOnAtTheRateOfTheRouter) {
  for (uint64_t id = 9; id < 16; ++id) Add(id);
  router_.admin().LimitRedrives(4, absl::ZeroDuration());
  err_is_terminal_ = true;
  const CliResult result = Run({"dlq", "redrive", "--all", "--reason", "r"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.out, "9 dead letters put back into the queue.\n");
  EXPECT_EQ(result.err,
            "\r4 of 9 back in the queue\r8 of 9 back in the queue\r9 of 9 back in the queue\n");
}

TEST_F(DeadLetterTest, RedriveStopsAtItsLimit) {
  for (uint64_t id = 9; id < 16; ++id) Add(id);
  router_.admin().LimitRedrives(4, absl::ZeroDuration());
  const CliResult result = Run({"dlq", "redrive", "--all", "--reason", "r", "--limit", "5"});
  EXPECT_EQ(result.out, "5 dead letters put back into the queue.\n");
  EXPECT_EQ(result.err, "4 that match are still dead letters.\n");
}

TEST_F(DeadLetterTest, RedriveDoesNotWaitForWhatFailsAgain) {
  router_.admin().LimitRedrives(1, absl::ZeroDuration());
  const CliResult result = Run({"dlq", "redrive", "--all", "--reason", "r", "-o", "json"});
  const Json total = Json::parse(result.out);
  EXPECT_EQ(total["redrivenCount"], "2");
  EXPECT_EQ(total["auditEventId"], "a2");
  // Two that were moved and two that were told to wait, at most: no call beyond the last one.
  EXPECT_EQ(router_.admin().requests().size(), 3u);
}

TEST_F(DeadLetterTest, RedriveThatBreaksOffSaysWhatItDid) {
  router_.admin().LimitRedrives(1, absl::ZeroDuration());
  router_.admin().FailRedrivesAfter(
      1, RouterError(grpc::StatusCode::UNAVAILABLE, "the disk is broken", "SPOOL_IO_ERROR"));
  const CliResult result = Run({"dlq", "redrive", "--all", "--reason", "r"});
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "1 dead letter put back into the queue.\n");
  EXPECT_NE(result.err.find("the disk is broken [SPOOL_IO_ERROR]"), std::string::npos)
      << result.err;
  const CliResult nothing = Run({"dlq", "redrive", "--all", "--reason", "r"});
  EXPECT_EQ(nothing.exit_code, 3);
  EXPECT_EQ(nothing.out, "");
}

TEST_F(DeadLetterTest, RedriveSaysWhatIsRefused) {
  router_.admin().RefuseRedrive(17, "subject \"a b\" is not valid");
  router_.admin().LimitRedrives(1, absl::ZeroDuration());
  const std::vector<std::string> redrive = {"dlq", "redrive", "--all", "--reason", "r"};
  const std::string refused =
      "1 dead letter refused, as publishing them would be now:\n"
      "  17: subject \"a b\" is not valid\n";
  std::vector<std::string> dry_run = redrive;
  dry_run.push_back("--dry-run");
  const CliResult preview = Run(dry_run);
  EXPECT_EQ(preview.exit_code, 7);
  EXPECT_EQ(preview.err, refused);
  const CliResult result = Run(redrive);
  EXPECT_EQ(result.exit_code, 7);
  EXPECT_EQ(result.out, "2 dead letters put back into the queue.\n");
  EXPECT_EQ(result.err, refused + "1 that match are still dead letters.\n");
  std::vector<std::string> json = redrive;
  json.insert(json.end(), {"-o", "json"});
  const CliResult again = Run(json);
  EXPECT_EQ(again.exit_code, 7);
  EXPECT_EQ(Json::parse(again.out)["refusedSample"][0]["operationId"], "17");
}

TEST_F(DeadLetterTest, RedriveCanBeTriedOut) {
  const CliResult result = Run({"dlq", "redrive", "--all", "--reason", "r", "--dry-run"});
  EXPECT_EQ(result.out.rfind("2 dead letters would be put back into the queue.\nID  SUBJECT", 0),
            0u)
      << result.out;
}

TEST_F(DeadLetterTest, PurgeShowsThenAsksThenRemoves) {
  const CliResult look = Run({"dlq", "purge", "--all", "--reason", "r"});
  EXPECT_EQ(look.out.rfind("2 dead letters would be purged.\nID  SUBJECT", 0), 0u) << look.out;
  EXPECT_EQ(look.err, "Nothing was removed; --force removes.\n");

  const std::vector<std::string> purge = {"dlq", "purge", "--all", "--reason", "r", "--force"};
  const size_t asked = router_.admin().requests().size();
  EXPECT_EQ(Run(purge).exit_code, 2) << "there is no terminal to ask at";
  EXPECT_EQ(router_.admin().requests().size(), asked);

  in_is_terminal_ = true;
  const CliResult declined = Run(purge, "no\n");
  EXPECT_EQ(declined.exit_code, 1);
  EXPECT_EQ(declined.err,
            "2 dead letters that match \"*\" will be thrown away for good. Type \"yes\" to go on: "
            "routerctl: nothing was changed\n");
  EXPECT_EQ(Run(purge, "yes\n").out, "2 dead letters purged.\n");
}

}  // namespace
}  // namespace router::testing
