// What a queue on disk accepts as its folder, and what it says otherwise.
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "server/pending/high_water_mark.h"
#include "tests/server/pending/sqlite_queue_testing.h"

namespace router {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class SqlitePendingQueueOpenTest : public SqliteQueueTest {
 protected:
  void ExpectRefused(absl::StatusCode code, const std::string& because) {
    const absl::Status status = TryOpen();
    EXPECT_EQ(status.code(), code) << status;
    EXPECT_THAT(std::string(status.message()), AllOf(HasSubstr(directory_), HasSubstr(because)));
  }

  // Takes away what format 2 has added. Rows with ids that callers chose have checksums of
  // format 2.
  void MakeFormat1() {
    for (const char* table : {"pending", "dead_letters", "damaged"}) {
      RunSql(absl::StrCat("ALTER TABLE ", table, " DROP COLUMN first_sent_at_ms;", "ALTER TABLE ",
                          table, " DROP COLUMN content_hash;"));
    }
    RunSql(
        "ALTER TABLE dead_letters DROP COLUMN first_error;"
        "ALTER TABLE queue_state DROP COLUMN sending_through; PRAGMA user_version = 1");
  }

  void RunSql(const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(db_path().c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
};

TEST_F(SqlitePendingQueueOpenTest, CreatesItsFolderForThisUserOnly) {
  options_.directory = directory_ + "/deeper/still";
  Open();
  struct stat info;
  ASSERT_EQ(stat(options_.directory.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0700u);
  for (const auto& file : std::filesystem::directory_iterator(options_.directory)) {
    ASSERT_EQ(stat(file.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << file.path();
  }
}

TEST_F(SqlitePendingQueueOpenTest, RefusesAFolderThatIsOpenAndNamesTheProcess) {
  Open();
  Append(pool_.MakeMany(1));
  SqlitePendingQueue second(options_);
  const absl::Status status = second.Open(&observer_).status();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(directory_), HasSubstr(absl::StrCat("process ", getpid()))));
  EXPECT_TRUE(AppendOne().ok());
  Open();
  EXPECT_EQ(recovered_.records.size(), 2u);
}

// Nobody may create files there, not even root.
TEST_F(SqlitePendingQueueOpenTest, RefusesAFolderThatItMayNotWrite) {
  options_.directory = "/sys/kernel";
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("/sys/kernel"));
}

TEST_F(SqlitePendingQueueOpenTest, RefusesAPathThatIsAFile) {
  WriteFile(directory_, "not a folder");
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "Not a directory");
}

TEST_F(SqlitePendingQueueOpenTest, RefusesADatabaseOfSomethingElseAndLeavesItAlone) {
  std::filesystem::create_directories(directory_);
  RunSql("CREATE TABLE theirs(x)");
  const std::string content = ReadFile(db_path());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "something else");
  EXPECT_EQ(ReadFile(db_path()), content);
}

TEST_F(SqlitePendingQueueOpenTest, RefusesANewerFormat) {
  Open();
  Append(pool_.MakeMany(1));
  queue_.reset();
  RunSql("PRAGMA user_version = 99");
  ASSERT_TRUE(HighWaterMark(mark_path()).Write({1, 1, 1, 99}, true).ok());
  ExpectRefused(absl::StatusCode::kFailedPrecondition, "format 99 of a newer router");
  RunSql("PRAGMA user_version = 3");
  Open();
  EXPECT_EQ(recovered_.records.size(), 1u);
}

TEST_F(SqlitePendingQueueOpenTest, ReadsFormat1AndTakesEverythingInItForSent) {
  Open();
  const std::vector<Operation*> operations = pool_.MakeMany(3);
  Append(operations);
  Claim(1);
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).ok());
  queue_.reset();
  MakeFormat1();
  Open();
  EXPECT_EQ(errors_.size(), 0) << errors_.ToString();
  EXPECT_EQ(recovered_.dead_letters, 1);
  Append(pool_.MakeMany(1));
  const std::vector<PendingRecord> records = Claim();
  ASSERT_EQ(records.size(), 3u);
  EXPECT_EQ(records[0].payload, "1");
  EXPECT_EQ(records[0].first_sent_time, operations[0]->accept_time);
  EXPECT_EQ(records[1].first_sent_time, operations[0]->accept_time);
  EXPECT_EQ(records[2].first_sent_time, absl::InfiniteFuture());
  ASSERT_TRUE(queue_->MoveToDeadLetters(2, {"refused", "no", 1}).ok());
}

TEST_F(SqlitePendingQueueOpenTest, AnUpgradedDatabaseWithoutItsFirstPageHasItsDeadLetters) {
  Open();
  const std::vector<Operation*> operations = pool_.MakeMany(4);
  Append(operations);
  Claim(2);
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"refused", "first", 1}).ok());
  queue_.reset();
  MakeFormat1();
  Open();
  Claim(1);
  ASSERT_TRUE(queue_->MoveToDeadLetters(2, {"expired", "second", 2, "why"}).ok());
  queue_.reset();
  const std::string content = ReadFile(db_path());
  WriteFile(db_path(), std::string(4096, '\0') + content.substr(4096));
  Open();
  EXPECT_EQ(recovered_.records.size(), 2u);
  EXPECT_EQ(queue_->GetStats().damage.records, 0) << errors_.ToString();
  EXPECT_THAT(errors_.ToString(), HasSubstr("2 dead letters are copied, 0 damaged"));
  const std::vector<DeadLetter> dead_letters = *queue_->ScanDeadLetters(0, 10, true);
  ASSERT_EQ(dead_letters.size(), 2u);
  EXPECT_EQ(dead_letters[0].record.payload, "0");
  EXPECT_EQ(dead_letters[0].reason.error, "first");
  EXPECT_EQ(dead_letters[0].reason.attempts, 1);
  EXPECT_EQ(dead_letters[1].reason.reason, "expired");
  EXPECT_EQ(dead_letters[1].reason.first_error, "why");
  EXPECT_EQ(dead_letters[1].record.first_sent_time, operations[1]->accept_time);
}

TEST_F(SqlitePendingQueueOpenTest, WhatIsBeingSentIsInDoubtAfterACrash) {
  Open();
  Append(pool_.MakeMany(3));
  ASSERT_TRUE(queue_->NoteSending(3).ok());
  options_.directory = folder_.path() + "/crashed";
  CopyFiles(options_.directory);
  Open();
  for (const PendingRecord& record : Claim()) {
    EXPECT_EQ(record.first_sent_time, record.accept_time);
  }
}

TEST_F(SqlitePendingQueueOpenTest, NotesWhatIsBeingSentWithFewCommits) {
  std::atomic<int> commits{0};
  options_.on_commit = [&commits](absl::Duration) { ++commits; };
  Open();
  const int before = commits;
  for (uint64_t through = 1; through <= 100000; ++through) {
    ASSERT_TRUE(queue_->NoteSending(through).ok());
  }
  EXPECT_GE(commits - before, 1);
  EXPECT_LE(commits - before, 100000 / 5000);
  queue_.reset();  // It commits once more when it is closed.
}

TEST_F(SqlitePendingQueueOpenTest, IsReadableWithSql) {
  Open();
  OperationSpec spec;
  spec.subject = "orders.eu";
  spec.payload = "hello";
  Append({pool_.Make(spec)});
  queue_.reset();
  RunSql(
      "CREATE TEMP TABLE expected AS SELECT 1/(count(*) = 1) FROM pending WHERE sequence = 1 AND"
      " accepted_at_ms = 1767225600123 AND expires_at_ms IS NULL AND guarantee = 1 AND"
      " caller_chose_id = 0 AND message_id = 'id' AND subject = 'orders.eu' AND"
      " ordering_key = 'orders.eu' AND payload = CAST('hello' AS BLOB);"
      "SELECT json(CASE WHEN (SELECT * FROM expected) = 1 THEN '1' ELSE 'wrong' END)");
}

TEST_F(SqlitePendingQueueOpenTest, StartsWhereTheLastOneEndedWithALogLeftBehind) {
  Open();
  Append(pool_.MakeMany(3));
  options_.directory = folder_.path() + "/crashed";
  CopyFiles(options_.directory);
  ASSERT_GT(std::filesystem::file_size(options_.directory + "/pending.db-wal"), 0u);
  Open();
  EXPECT_EQ(errors_.size(), 0) << errors_.ToString();
  EXPECT_THAT(PayloadsOf(Claim()), ElementsAre("0", "1", "2"));
}

}  // namespace
}  // namespace router
