// What a queue on disk does when the disk fails or is full: nobody is told OK for what is not
// synced, everything else is kept, and it recovers by itself.
#include <sqlite3.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include <chrono>
#include <ctime>
#include <filesystem>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/server/pending/faulty_vfs.h"
#include "tests/server/pending/sqlite_queue_testing.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class SqlitePendingQueueFaultTest : public SqliteQueueTest {
 protected:
  ~SqlitePendingQueueFaultTest() override { queue_.reset(); }  // Before its disk.

  // Appends one after the other, each until it is accepted.
  void AppendUntilAccepted(const std::vector<Operation*>& operations) {
    for (Operation* operation : operations) {
      ASSERT_TRUE(Eventually([&] { return AppendOne(operation).ok(); }));
    }
  }

  FaultyVfs disk_;
};

TEST_F(SqlitePendingQueueFaultTest, AFailedSyncFailsTheWholeBatchAndNothingOfItStays) {
  Open();
  Append(pool_.MakeMany(2));
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  queue_->Append(pool_.MakeMany(3, "lost"));
  const auto answers = observer_.WaitForAnswers(5);
  ASSERT_EQ(answers.size(), 5u);
  for (size_t i = 2; i < 5; ++i) {
    EXPECT_EQ(answers[i].status.code(), absl::StatusCode::kUnavailable) << answers[i].status;
    EXPECT_EQ(answers[i].operation_id, 0u);
  }
  EXPECT_EQ(disk_.failures(), 1);
  EXPECT_GE(errors_.Count("append"), 1);
  ASSERT_TRUE(WaitUntilHealthy());
  Append(pool_.MakeMany(1, "later"));
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(1, 2, 3));
  EXPECT_EQ(Scan()[2].subject, "later");
  const int errors = errors_.size();
  Open();
  EXPECT_EQ(recovered_.records.size(), 3u);
  EXPECT_EQ(errors_.size(), errors) << errors_.ToString();
}

// Without one, a commit is not durable when it is answered: its journal may come back.
TEST_F(SqlitePendingQueueFaultTest, ADatabaseThatDoesNotGetItsLogIsRefused) {
  int refused = 0;
  for (int nth = 1; nth <= 20; ++nth) {
    options_.directory = absl::StrCat(folder_.path(), "/", nth);
    disk_.Fail(FaultyVfs::Call::kSync, "-journal", SQLITE_IOERR_FSYNC, nth);
    RecordingObserver observer;
    SqlitePendingQueue queue(options_);
    if (!queue.Open(&observer).ok()) {
      ++refused;
      continue;
    }
    EXPECT_EQ(disk_.failures(), 0) << nth;
    EXPECT_TRUE(std::filesystem::exists(options_.directory + "/pending.db-wal")) << nth;
  }
  EXPECT_GT(refused, 0);
  EXPECT_LT(refused, 20);
}

TEST_F(SqlitePendingQueueFaultTest, IsUnhealthyAndRefusesWhileTheDiskFails) {
  Open();
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC, 1, 1000);
  const absl::Time start = absl::Now();
  EXPECT_EQ(AppendOne().code(), absl::StatusCode::kUnavailable);
  EXPECT_FALSE(queue_->GetStats().healthy);
  EXPECT_EQ(AppendOne().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->Claim(0, 1, 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->Scan(0, 1, false).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(queue_->Purge({1}).status().code(), absl::StatusCode::kUnavailable);
  // It goes on trying, and not in a busy loop: after 100 ms, then after 200 ms more.
  EXPECT_TRUE(Eventually([this] { return disk_.failures() >= 3; }));
  EXPECT_GE(absl::Now() - start, absl::Milliseconds(300));
  disk_.Heal();
  ASSERT_TRUE(WaitUntilHealthy());
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_EQ(Scan().size(), 1u);
}

TEST_F(SqlitePendingQueueFaultTest, AFullDiskIsResourceExhausted) {
  Open();
  disk_.Fail(FaultyVfs::Call::kWrite, "-wal", SQLITE_FULL);
  const absl::Status status = AppendOne();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  ASSERT_TRUE(WaitUntilHealthy());
  EXPECT_TRUE(AppendOne().ok());
}

// Every write and every sync of a run fails once, one run each.
class EveryCallFails : public SqlitePendingQueueFaultTest,
                       public ::testing::WithParamInterface<std::tuple<FaultyVfs::Call, int>> {};

TEST_P(EveryCallFails, AcceptedOnesAreThereAndRefusedOnesAreNot) {
  Open();
  const auto [call, nth] = GetParam();
  disk_.Fail(call, "", call == FaultyVfs::Call::kSync ? SQLITE_IOERR_FSYNC : SQLITE_IOERR_WRITE,
             nth, 2);
  std::vector<std::string> accepted;
  uint64_t last = 0;
  for (int i = 0; i < 12; ++i) {
    OperationSpec spec;
    spec.payload = absl::StrCat(i, std::string(20000, 'x'));
    Operation* const operation = pool_.Make(spec);
    if (!AppendOne(operation).ok()) {
      ASSERT_TRUE(WaitUntilHealthy());
      continue;
    }
    EXPECT_EQ(operation->operation_id, ++last);
    accepted.push_back(spec.payload);
  }
  ASSERT_TRUE(WaitUntilHealthy());
  EXPECT_THAT(PayloadsOf(Scan()), ::testing::ElementsAreArray(accepted));
  disk_.Heal();
  Open();
  EXPECT_THAT(PayloadsOf(Scan()), ::testing::ElementsAreArray(accepted));
}

INSTANTIATE_TEST_SUITE_P(Syncs, EveryCallFails,
                         ::testing::Combine(::testing::Values(FaultyVfs::Call::kSync),
                                            ::testing::Range(1, 14)));
INSTANTIATE_TEST_SUITE_P(Writes, EveryCallFails,
                         ::testing::Combine(::testing::Values(FaultyVfs::Call::kWrite),
                                            ::testing::Range(1, 60, 5)));

TEST_F(SqlitePendingQueueFaultTest, RemovalsThatFailedAreTriedAgain) {
  Open();
  Append(pool_.MakeMany(3));
  Claim();
  disk_.Fail(FaultyVfs::Call::kWrite, "-wal", SQLITE_IOERR_WRITE);
  queue_->Remove({1, 2});
  EXPECT_TRUE(Eventually([this] { return queue_->GetStats().removed_total == 2; }));
  EXPECT_EQ(disk_.failures(), 1);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(3));
  EXPECT_TRUE(queue_->GetStats().healthy);
}

// The removal is on disk with the next commit that is: the sync that fails is that one's.
TEST_F(SqlitePendingQueueFaultTest, RemovalsDoNotWaitForTheDisk) {
  Open();
  Append(pool_.MakeMany(3));
  Claim();
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  queue_->Remove({1, 2});
  EXPECT_TRUE(Eventually([this] { return queue_->GetStats().removed_total == 2; }));
  EXPECT_EQ(disk_.failures(), 0);
  EXPECT_FALSE(AppendOne().ok());
  EXPECT_EQ(disk_.failures(), 1);
  // The failed sync may have been that of the removals: they are taken back, and made once more.
  EXPECT_TRUE(Eventually([this] {
    const PendingQueueStats stats = queue_->GetStats();
    return stats.healthy && stats.removed_total == 2;
  }));
  EXPECT_EQ(queue_->GetStats().count, 1);
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(3));
}

// Retries come after 100 ms and more: five of them take over two seconds.
TEST_F(SqlitePendingQueueFaultTest, ADiskThatGoesOnFailingKeepsNoCoreBusy) {
  Open();
  Append(pool_.MakeMany(1));
  disk_.Fail(FaultyVfs::Call::kSync, "", SQLITE_IOERR_FSYNC, /*nth=*/1, /*times=*/1000000);
  const auto start = std::chrono::steady_clock::now();
  const std::clock_t cpu_start = std::clock();
  EXPECT_FALSE(AppendOne().ok());
  ASSERT_TRUE(Eventually([this] { return disk_.failures() >= 6; }));
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - start;
  const double cpu_seconds = static_cast<double>(std::clock() - cpu_start) / CLOCKS_PER_SEC;
  EXPECT_LT(cpu_seconds, took.count() / 10);  // An eighth of it where every wait ends at once.
}

TEST_F(SqlitePendingQueueFaultTest, ATrimThatFailedHasRemovedNothing) {
  Open();
  Append(pool_.MakeMany(3));
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  queue_->TrimOldest(1, 1 << 30, /*keep_dropped=*/false);
  EXPECT_TRUE(Eventually([this] { return disk_.failures() == 1; }));
  ASSERT_TRUE(Eventually([this] { return queue_->Scan(0, 1, false).ok(); }));
  EXPECT_EQ(Scan().size(), 3u);
  EXPECT_THAT(observer_.removals(), IsEmpty());
}

TEST_F(SqlitePendingQueueFaultTest, APurgeAndADeadLetterThatFailedHaveRemovedNothing) {
  Open();
  Append(pool_.MakeMany(3));
  Claim(1);
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  EXPECT_EQ(queue_->Purge({2}).status().code(), absl::StatusCode::kUnavailable);
  ASSERT_TRUE(WaitUntilHealthy());
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC);
  EXPECT_EQ(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).code(),
            absl::StatusCode::kUnavailable);
  ASSERT_TRUE(WaitUntilHealthy());
  EXPECT_EQ(Scan().size(), 3u);
  EXPECT_TRUE(Scan()[0].claimed);
  EXPECT_EQ(queue_->GetStats().dead_letters, 0);
  EXPECT_THAT(observer_.removals(), IsEmpty());
}

TEST_F(SqlitePendingQueueFaultTest, AFailedCheckpointIsReportedAndLosesNothing) {
  Open();
  disk_.Fail(FaultyVfs::Call::kSync, "pending.db", SQLITE_IOERR_FSYNC);
  OperationSpec spec;
  spec.payload = std::string(1 << 20, 'x');
  std::vector<Operation*> operations;
  for (int i = 0; i < 12; ++i) operations.push_back(pool_.Make(spec));
  AppendUntilAccepted(operations);
  EXPECT_EQ(errors_.Count("checkpoint"), 1) << errors_.ToString();
  EXPECT_EQ(queue_->GetStats().count, 12);
  Open();
  EXPECT_EQ(recovered_.records.size(), 12u);
}

TEST_F(SqlitePendingQueueFaultTest, OpensOnADiskThatDoesNotSyncAndServesOnceItDoes) {
  Open();
  Append(pool_.MakeMany(2));
  options_.directory = folder_.path() + "/crashed";
  CopyFiles(options_.directory);
  disk_.Fail(FaultyVfs::Call::kSync, "", SQLITE_IOERR_FSYNC, 1, 3);
  Open();
  EXPECT_EQ(recovered_.records.size(), 2u);
  EXPECT_FALSE(queue_->GetStats().healthy);
  ASSERT_TRUE(WaitUntilHealthy());
  EXPECT_EQ(Scan().size(), 2u);
  EXPECT_EQ(queue_->GetStats().count, 2);
}

TEST_F(SqlitePendingQueueFaultTest, CloseAnswersEverythingWhileTheDiskFails) {
  Open();
  disk_.Fail(FaultyVfs::Call::kSync, "-wal", SQLITE_IOERR_FSYNC, 1, 1000);
  queue_->Append(pool_.MakeMany(5));
  queue_->Close();
  ASSERT_EQ(observer_.answers().size(), 5u);
  EXPECT_EQ(observer_.answers()[4].status.code(), absl::StatusCode::kUnavailable);
  disk_.Heal();
  Open();
  EXPECT_THAT(recovered_.records, IsEmpty());
}

TEST_F(SqlitePendingQueueFaultTest, CloseTriesRemovalsThatFailedOnceMore) {
  Open();
  Append(pool_.MakeMany(3));
  Claim();
  disk_.Fail(FaultyVfs::Call::kWrite, "-wal", SQLITE_IOERR_WRITE);
  queue_->Remove({1, 2});
  EXPECT_TRUE(Eventually([this] { return disk_.failures() == 1; }));
  queue_->Close();
  Open();
  ASSERT_EQ(recovered_.records.size(), 1u);
  EXPECT_EQ(recovered_.records[0].sequence, 3u);
}

TEST_F(SqlitePendingQueueFaultTest, AReadErrorIsReportedAndTheNextReadServes) {
  Open();
  OperationSpec spec;
  spec.payload = std::string(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) Append({pool_.Make(spec)});
  disk_.Fail(FaultyVfs::Call::kRead, "pending.db", SQLITE_IOERR_READ);
  EXPECT_EQ(queue_->Claim(0, 1, 1).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(errors_.Count("read"), 1) << errors_.ToString();
  EXPECT_THAT(SequencesOf(Claim(1)), ElementsAre(1));
}

TEST_F(SqlitePendingQueueFaultTest, RefusesBelowTheFreeDiskItHasToLeave) {
  options_.min_free_disk_bytes = int64_t{1} << 60;
  Open();
  const absl::Status status = AppendOne();
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr(options_.directory));
  EXPECT_TRUE(queue_->GetStats().healthy);
  EXPECT_EQ(errors_.size(), 0);
}

TEST_F(SqlitePendingQueueFaultTest, RefusesBeyondItsFileAndAcceptsAgainWhenDrained) {
  options_.max_file_bytes = 2 << 20;
  Open();
  OperationSpec spec;
  spec.payload = std::string(3000, 'x');
  size_t accepted = 0;
  absl::Status status;
  while ((status = AppendOne(pool_.Make(spec))).ok()) ++accepted;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  EXPECT_GT(accepted, 200u);
  EXPECT_TRUE(queue_->GetStats().healthy);
  queue_->Remove(SequencesOf(Claim()));
  EXPECT_TRUE(Eventually([&] { return AppendOne(pool_.Make(spec)).ok(); }));
  EXPECT_LE(std::filesystem::file_size(db_path()), 2u << 20);
  EXPECT_EQ(errors_.size(), 0) << errors_.ToString();
}

TEST_F(SqlitePendingQueueFaultTest, ADiskThatIsReallyFullIsResourceExhaustedUntilThereIsRoom) {
  const std::string disk = folder_.path() + "/disk";
  std::filesystem::create_directories(disk);
  if (mount("tmpfs", disk.c_str(), "tmpfs", 0, "size=8m") != 0) {
    GTEST_SKIP() << "may not mount a small disk here";
  }
  absl::Cleanup unmount = [&] {
    queue_.reset();
    umount(disk.c_str());
  };
  options_.directory = disk + "/queue";
  Open();
  Append(pool_.MakeMany(3));
  WriteFile(disk + "/filler", "");
  {
    const std::string chunk(65536, 'x');
    FILE* const filler = fopen((disk + "/filler").c_str(), "w");
    while (fwrite(chunk.data(), chunk.size(), 1, filler) == 1 && fflush(filler) == 0) {
    }
    fclose(filler);
  }
  OperationSpec spec;
  spec.payload = std::string(1 << 20, 'x');
  const absl::Status status = AppendOne(pool_.Make(spec));
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
  std::filesystem::remove(disk + "/filler");
  EXPECT_TRUE(Eventually([&] { return AppendOne(pool_.Make(spec)).ok(); }));
  EXPECT_EQ(Scan().size(), 4u);
}

TEST_F(SqlitePendingQueueFaultTest, GivesTheDiskBackWhenTheBacklogIsGone) {
  Open();
  OperationSpec spec;
  spec.payload = std::string(1 << 20, 'x');
  for (int i = 0; i < 40; ++i) Append({pool_.Make(spec)});
  queue_->Remove(SequencesOf(Claim()));
  EXPECT_TRUE(Eventually([this] { return std::filesystem::file_size(db_path()) < (18u << 20); }));
}

}  // namespace
}  // namespace router
