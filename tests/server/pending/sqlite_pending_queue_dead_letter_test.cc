// Dead letters on disk: crashes, failing disks, damage, and databases of older versions.
#include <sqlite3.h>

#include "absl/strings/str_cat.h"
#include "tests/server/pending/faulty_vfs.h"
#include "tests/server/pending/sqlite_queue_testing.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class SqlitePendingQueueDeadLetterTest : public SqliteQueueTest {
 protected:
  ~SqlitePendingQueueDeadLetterTest() override { queue_.reset(); }

  // Messages 1 to `count` are dead letters.
  void OpenAndBury(int count) {
    Open();
    Append(pool_.MakeMany(count));
    std::vector<DeadLetterVerdict> verdicts;
    for (const PendingRecord& record : Claim()) {
      verdicts.push_back({record.sequence, {"refused", "last", 1, "first"}});
    }
    ASSERT_TRUE(queue_->MoveToDeadLetters(verdicts).ok());
  }

  std::vector<uint64_t> DeadSequences() {
    const absl::StatusOr<std::vector<DeadLetter>> dead_letters =
        queue_->ScanDeadLetters(0, 1000, true);
    EXPECT_TRUE(dead_letters.ok()) << dead_letters.status();
    std::vector<uint64_t> sequences;
    if (!dead_letters.ok()) return sequences;
    for (const DeadLetter& dead_letter : *dead_letters) {
      sequences.push_back(dead_letter.record.sequence);
    }
    return sequences;
  }

  // On the closed database.
  void RunSql(const std::string& sql) {
    queue_.reset();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open_v2(db_path().c_str(), &database, SQLITE_OPEN_READWRITE, "unix"),
              SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }

  void CrashAndOpen() {
    options_.directory = folder_.path() + "/crashed";
    CopyFiles(options_.directory);
    Open();
  }

  FaultyVfs disk_;
};

TEST_F(SqlitePendingQueueDeadLetterTest, ARedriveIsOnDiskBeforeItIsAnswered) {
  OpenAndBury(3);
  ASSERT_EQ(*queue_->RedriveDeadLetters({1, 3}), 2);
  CrashAndOpen();
  EXPECT_EQ(errors_.size(), 0) << errors_.ToString();
  EXPECT_THAT(DeadSequences(), ElementsAre(2));
  EXPECT_THAT(PayloadsOf(Claim()), ElementsAre("0", "2"));
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(4, 5, 6));
}

TEST_F(SqlitePendingQueueDeadLetterTest, APurgeIsOnDiskBeforeItIsAnswered) {
  OpenAndBury(3);
  ASSERT_EQ(*queue_->PurgeDeadLetters({1, 3}), 2);
  CrashAndOpen();
  EXPECT_THAT(DeadSequences(), ElementsAre(2));
  EXPECT_EQ(recovered_.dead_letters, 1);
}

TEST_F(SqlitePendingQueueDeadLetterTest, WhatFailedOnDiskHasMovedNothing) {
  OpenAndBury(3);
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  EXPECT_EQ(queue_->RedriveDeadLetters({1, 2}).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(WaitUntilHealthy());
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  EXPECT_EQ(queue_->PurgeDeadLetters({1, 2}).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(WaitUntilHealthy());
  EXPECT_THAT(DeadSequences(), ElementsAre(1, 2, 3));
  EXPECT_THAT(Scan(), IsEmpty());
  EXPECT_THAT(observer_.redriven(), IsEmpty());
  EXPECT_THAT(observer_.dead_letter_removals(), IsEmpty());
  EXPECT_EQ(queue_->GetStats().dead_letters, 3);
  ASSERT_EQ(*queue_->RedriveDeadLetters({1, 2, 3}), 3);
  EXPECT_THAT(PayloadsOf(Claim()), ElementsAre("0", "1", "2"));
  queue_.reset();  // Before its disk.
}

TEST_F(SqlitePendingQueueDeadLetterTest, ADamagedOneIsSetAsideAndNeverRedriven) {
  OpenAndBury(3);
  RunSql("UPDATE dead_letters SET payload = 'other' WHERE sequence = 2");
  Open();
  EXPECT_EQ(recovered_.dead_letters, 3);
  ASSERT_EQ(*queue_->RedriveDeadLetters({1, 2}), 1);
  EXPECT_EQ(errors_.Count("read"), 1) << errors_.ToString();
  EXPECT_THAT(PayloadsOf(Claim()), ElementsAre("0"));
  const auto told = observer_.dead_letter_removals();
  ASSERT_EQ(told.size(), 1u);
  EXPECT_EQ(told[0].record.sequence, 2u);
  EXPECT_EQ(told[0].cause, RemovalCause::kDamaged);
  EXPECT_THAT(DeadSequences(), ElementsAre(3));
  EXPECT_EQ(queue_->GetStats().dead_letters, 1);
  EXPECT_EQ(queue_->GetStats().damage.records, 1);
}

TEST_F(SqlitePendingQueueDeadLetterTest, ADamagedOneIsSetAsideWhenItIsListed) {
  OpenAndBury(3);
  RunSql("UPDATE dead_letters SET subject = 'other' WHERE sequence = 2");
  Open();
  EXPECT_THAT(DeadSequences(), ElementsAre(1, 3));
  EXPECT_EQ(observer_.dead_letter_removals().size(), 1u);
  EXPECT_EQ(queue_->GetStats().dead_letters, 2);
  Open();
  EXPECT_EQ(recovered_.dead_letters, 2);
  EXPECT_EQ(errors_.size(), 1) << "reported once: " << errors_.ToString();
  EXPECT_EQ(queue_->GetStats().damage.records, 1);
}

TEST_F(SqlitePendingQueueDeadLetterTest, ReadsFormat2) {
  OpenAndBury(2);
  Append(pool_.MakeMany(1));
  RunSql("ALTER TABLE dead_letters DROP COLUMN first_error; PRAGMA user_version = 2");
  Open();
  EXPECT_EQ(errors_.size(), 0) << errors_.ToString();
  const std::vector<DeadLetter> dead_letters = *queue_->ScanDeadLetters(0, 10, true);
  ASSERT_EQ(dead_letters.size(), 2u);
  EXPECT_EQ(dead_letters[0].reason.error, "last");
  EXPECT_EQ(dead_letters[0].reason.first_error, "");
  ASSERT_EQ(*queue_->RedriveDeadLetters({1, 2}), 2);
  EXPECT_THAT(PayloadsOf(Claim()), ElementsAre("0", "0", "1"));
}

}  // namespace
}  // namespace router
