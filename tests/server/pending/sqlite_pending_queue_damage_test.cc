// Damage is always noticed, what is damaged is kept aside, and the rest is served.
#include <sys/stat.h>

#include <filesystem>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/server/pending/sqlite_queue_testing.h"

namespace router {
namespace {

using ::testing::AnyOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr int64_t kFirstPageBytes = 4096;
constexpr char kNeedle[] = "THE-PAYLOAD-THAT-WILL-BE-DAMAGED";

class SqlitePendingQueueDamageTest : public SqliteQueueTest {
 protected:
  Operation* MakeNeedle() {
    OperationSpec spec;
    spec.payload = kNeedle;
    return pool_.Make(spec);
  }

  // Also appends more than SQLite keeps in memory, so that these are read from the disk again.
  void AppendAndForgetFirst(const std::vector<Operation*>& first) {
    Open();
    Append(first);
    OperationSpec spec;
    spec.payload = std::string(100000, 'x');
    for (int i = 0; i < 10; ++i) {
      std::vector<Operation*> batch;
      for (int j = 0; j < 20; ++j) batch.push_back(pool_.Make(spec));
      Append(batch);
    }
  }

  // Where the needle's payload is in the database file.
  int64_t FindNeedle() const {
    const size_t at = ReadFile(db_path()).find(kNeedle);
    EXPECT_NE(at, std::string::npos);
    return static_cast<int64_t>(at);
  }

  bool KeepsADamagedLog(const std::string& directory) const {
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      if (absl::StrContains(file.path().string(), "pending.db-wal.damaged-")) return true;
    }
    return false;
  }

  std::string KeptDatabase(const std::string& directory) const {
    for (const auto& file : std::filesystem::directory_iterator(directory)) {
      const std::string path = file.path();
      if (absl::StrContains(path, "pending.db.damaged-") && !absl::EndsWith(path, "-wal")) {
        return path;
      }
    }
    return "";
  }

  // Opens what a crash would have left, with one byte turned over. Returns whether all `count`
  // records are there, or whatever is missing was reported.
  void ExpectNoticed(const std::string& file, int64_t offset, size_t count) {
    const std::string crashed = folder_.path() + "/crashed";
    CopyFiles(crashed);
    FlipByte(absl::StrCat(crashed, "/", file), offset);
    ErrorLog errors;
    SqlitePendingQueue::Options options = options_;
    options.directory = crashed;
    options.on_error = [&errors](absl::string_view op, const std::string& error) {
      errors.Add(op, error);
    };
    RecordingObserver observer;
    SqlitePendingQueue queue(options);
    const absl::StatusOr<RecoveredQueue> recovered = queue.Open(&observer);
    ASSERT_TRUE(recovered.ok()) << file << " at " << offset << ": " << recovered.status();
    if (errors.size() == 0) {
      ASSERT_EQ(recovered->records.size(), count) << file << " at " << offset;
    }
    absl::StatusOr<std::vector<PendingRecord>> records = queue.Scan(0, 1000, true);
    ASSERT_TRUE(records.ok()) << file << " at " << offset << ": " << records.status();
    EXPECT_EQ(records->size(), recovered->records.size()) << file << " at " << offset;
    for (const PendingRecord& record : *records) {
      EXPECT_EQ(record.payload, absl::StrCat(record.sequence - 1)) << file << " at " << offset;
    }
    // Whatever happened, sequences are not given twice.
    OperationPool pool;
    Operation* const next = pool.MakeMany(1)[0];
    AppendAll(&queue, &observer, {next});
    EXPECT_GT(next->operation_id, count) << file << " at " << offset;
  }
};

TEST_F(SqlitePendingQueueDamageTest, ADamagedRowIsSetAsideWhenTheQueueIsOpened) {
  Open();
  Append({pool_.Make({}), MakeNeedle(), pool_.Make({})});
  queue_.reset();
  FlipByte(db_path(), FindNeedle() + 3);
  Open();
  EXPECT_EQ(errors_.Count("read"), 1) << errors_.ToString();
  EXPECT_THAT(errors_.ToString(), HasSubstr("record 2 of"));
  ASSERT_EQ(recovered_.records.size(), 2u);
  EXPECT_EQ(queue_->GetStats().count, 2);
  EXPECT_THAT(SequencesOf(Claim()), ElementsAre(1, 3));
  EXPECT_TRUE(AppendOne().ok());

  Open();
  EXPECT_EQ(errors_.size(), 1) << errors_.ToString();
  EXPECT_EQ(recovered_.records.size(), 3u);
}

TEST_F(SqlitePendingQueueDamageTest, ADamagedRowIsSetAsideWhenItIsRead) {
  Operation* const needle = MakeNeedle();
  AppendAndForgetFirst({pool_.Make({}), needle, pool_.Make({})});
  FlipByte(db_path(), FindNeedle() + 3);
  EXPECT_THAT(SequencesOf(Claim(2)), ElementsAre(1, 3));
  EXPECT_EQ(errors_.Count("read"), 1) << errors_.ToString();
  const auto removals = observer_.WaitForRemovals(1);
  ASSERT_EQ(removals.size(), 1u);
  EXPECT_EQ(removals[0].record.sequence, 2u);
  EXPECT_EQ(removals[0].record.key_hash, needle->key_hash);
  EXPECT_EQ(removals[0].record.size_bytes, needle->size_bytes);
  EXPECT_EQ(removals[0].cause, RemovalCause::kDamaged);
  EXPECT_EQ(queue_->GetStats().count, 202);
}

// How far before the payload of the needle: its texts, and the numbers that the books go by.
class DamagedBooksTest : public SqlitePendingQueueDamageTest,
                         public ::testing::WithParamInterface<int> {};

TEST_P(DamagedBooksTest, TheBooksStayRightWhateverIsDamagedInARow) {
  OperationSpec spec;
  spec.ordering_key = "the-key-of-the-needle";
  spec.payload = kNeedle;
  Operation* const needle = pool_.Make(spec);
  AppendAndForgetFirst({pool_.Make({}), needle, pool_.Make({})});
  const int64_t bytes = queue_->GetStats().bytes;
  FlipByte(db_path(), FindNeedle() - GetParam());
  EXPECT_THAT(SequencesOf(Claim(2)), ElementsAre(1, 3));
  const auto removals = observer_.WaitForRemovals(1);
  ASSERT_EQ(removals.size(), 1u);
  EXPECT_THAT(removals[0].record.key_hash, AnyOf(needle->key_hash, kUnknownKeyHash));
  EXPECT_EQ(removals[0].record.size_bytes, needle->size_bytes);
  EXPECT_EQ(queue_->GetStats().bytes, bytes - needle->size_bytes);
}

INSTANTIATE_TEST_SUITE_P(Offsets, DamagedBooksTest, ::testing::Values(1, 25, 33, 34, 38, 46));

TEST_F(SqlitePendingQueueDamageTest, DamageInTheMiddleOfTheLogIsReportedAndTheLogKept) {
  Open();
  for (Operation* operation : pool_.MakeMany(10)) Append({operation});
  options_.directory = folder_.path() + "/crashed";
  CopyFiles(options_.directory);
  const std::string log = options_.directory + "/pending.db-wal";
  FlipByte(log, std::filesystem::file_size(log) / 2);
  Open();
  EXPECT_EQ(errors_.Count("open"), 1) << errors_.ToString();
  EXPECT_TRUE(KeepsADamagedLog(options_.directory));
  EXPECT_LT(recovered_.records.size(), 10u);
  EXPECT_EQ(queue_->GetStats().damage.records + recovered_.records.size(), 10u);
  EXPECT_EQ(Scan().size(), recovered_.records.size());
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan()), Contains(11));

  Open();
  EXPECT_EQ(errors_.size(), 1) << "reported once: " << errors_.ToString();
}

TEST_F(SqlitePendingQueueDamageTest, NoByteOfTheLogIsDamagedSilently) {
  Open();
  for (Operation* operation : pool_.MakeMany(10)) Append({operation});
  const int64_t size = std::filesystem::file_size(log_path());
  for (int64_t offset = 0; offset < size; offset += size / 40) {
    ExpectNoticed("pending.db-wal", offset, 10);
  }
}

TEST_F(SqlitePendingQueueDamageTest, NoByteOfTheDatabaseIsDamagedSilently) {
  Open();
  Append(pool_.MakeMany(100));
  Open();
  Append({});
  const int64_t size = std::filesystem::file_size(db_path());
  for (int64_t offset = 0; offset < size; offset += size / 100) {
    ExpectNoticed("pending.db", offset, 100);
  }
}

TEST_F(SqlitePendingQueueDamageTest, NoByteOfTheFirstPageKeepsTheQueueFromOpening) {
  Open();
  Append(pool_.MakeMany(20));
  Open();
  for (int64_t offset = 0; offset < kFirstPageBytes; offset += offset < 108 ? 3 : 331) {
    ExpectNoticed("pending.db", offset, 20);
  }
  // The page size, the versions of reading and writing, and that of the format.
  for (int64_t offset : {16, 17, 18, 19, 60, 61, 62, 63}) ExpectNoticed("pending.db", offset, 20);
}

TEST_F(SqlitePendingQueueDamageTest, ADatabaseWithoutItsFirstPageIsKeptAndReadAround) {
  Open();
  const std::vector<Operation*> operations = pool_.MakeMany(200);
  Append(operations);
  Claim(1);
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).ok());
  queue_.reset();
  const std::string damaged =
      std::string(kFirstPageBytes, '\0') + ReadFile(db_path()).substr(kFirstPageBytes);
  WriteFile(db_path(), damaged);
  Open();
  EXPECT_EQ(errors_.Count("open"), 1) << errors_.ToString();
  EXPECT_THAT(errors_.ToString(), HasSubstr("199 queued messages could be read from it, 0 are"));
  EXPECT_EQ(recovered_.records.size(), 199u);
  EXPECT_EQ(recovered_.dead_letters, 1);
  EXPECT_EQ(Scan().front().first_sent_time, operations[0]->accept_time);
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan(200)), ElementsAre(201));
  int kept = 0;
  for (const auto& file : std::filesystem::directory_iterator(directory_)) {
    const std::string name = file.path().filename();
    EXPECT_FALSE(absl::StrContains(name, "salvage")) << name;
    if (!absl::StrContains(name, "pending.db.damaged-")) continue;
    ++kept;
    EXPECT_EQ(ReadFile(file.path()), damaged);
  }
  EXPECT_EQ(kept, 1);
}

TEST_F(SqlitePendingQueueDamageTest, AFileThatIsNoDatabaseIsKeptAndTheMissingAreCounted) {
  Open();
  Append(pool_.MakeMany(7));
  queue_->Remove(SequencesOf(Claim(3)));
  queue_.reset();
  WriteFile(db_path(), std::string(10000, 'x'));
  Open();
  EXPECT_THAT(errors_.ToString(), HasSubstr("0 queued messages could be read from it, 4 are"));
  EXPECT_THAT(recovered_.records, IsEmpty());
  EXPECT_EQ(queue_->GetStats().damage.records, 4);
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(8));
}

TEST_F(SqlitePendingQueueDamageTest, DamageIsSaidUntilItsLogIsMovedAway) {
  Open();
  Append({pool_.Make({}), MakeNeedle(), pool_.Make({})});
  EXPECT_FALSE(queue_->GetStats().damage.any());
  queue_.reset();
  FlipByte(db_path(), FindNeedle() + 3);
  Open();
  const QueueDamage damage = queue_->GetStats().damage;
  EXPECT_EQ(damage.records, 1);
  EXPECT_EQ(damage.since, clock_.WallNow());
  EXPECT_EQ(damage.log_path, directory_ + "/damage.log");
  EXPECT_THAT(ReadFile(damage.log_path), HasSubstr("\t1\tdamaged records of " + db_path()));

  clock_.Advance(absl::Hours(1));
  Open();
  EXPECT_EQ(queue_->GetStats().damage.records, 1);
  EXPECT_EQ(queue_->GetStats().damage.since, damage.since);

  std::filesystem::rename(damage.log_path, directory_ + "/seen");
  EXPECT_TRUE(Eventually([this] { return !queue_->GetStats().damage.any(); }));
  EXPECT_EQ(queue_->GetStats().damage.records, 0);
  Open();
  EXPECT_FALSE(queue_->GetStats().damage.any());
}

TEST_F(SqlitePendingQueueDamageTest, ADatabaseWithADamagedPageIsRebuiltFromTheOthers) {
  Open();
  const std::vector<Operation*> operations = pool_.MakeMany(2000);
  Append(operations);
  Claim(1);
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).ok());
  queue_.reset();
  // The header of a page in the middle of the rows.
  const int64_t pages = std::filesystem::file_size(db_path()) / kFirstPageBytes;
  for (int64_t i = 0; i < 8; ++i) FlipByte(db_path(), pages / 2 * kFirstPageBytes + i);
  Open();
  EXPECT_GE(errors_.Count("open"), 1) << errors_.ToString();
  EXPECT_GT(recovered_.records.size(), 1900u);
  EXPECT_LT(recovered_.records.size(), 1999u);
  EXPECT_EQ(recovered_.records.back().sequence, 2000u);
  EXPECT_EQ(queue_->GetStats().damage.records + recovered_.records.size(), 1999u);
  EXPECT_EQ(recovered_.dead_letters, 1);
  for (const PendingRecord& record : Scan()) {
    EXPECT_EQ(record.payload, operations[record.sequence - 1]->message.payload);
  }
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan(2000)), ElementsAre(2001));

  const int errors = errors_.size();
  Open();
  EXPECT_EQ(errors_.size(), errors) << errors_.ToString();
}

TEST_F(SqlitePendingQueueDamageTest, AMarkThatIsLostOrDamagedIsReported) {
  Open();
  Append(pool_.MakeMany(3));
  queue_.reset();
  std::filesystem::remove(mark_path());
  Open();
  EXPECT_EQ(errors_.Count("open"), 1) << errors_.ToString();
  EXPECT_EQ(recovered_.records.size(), 3u);
  queue_.reset();
  WriteFile(mark_path(), std::string(8192, '\xff'));
  Open();
  EXPECT_EQ(errors_.Count("open"), 2) << errors_.ToString();
  Open();
  EXPECT_EQ(errors_.Count("open"), 2) << errors_.ToString();
}

TEST_F(SqlitePendingQueueDamageTest, SequencesAreNotReusedWithoutTheMark) {
  Open();
  Append(pool_.MakeMany(3));
  queue_->Remove(SequencesOf(Claim()));
  queue_.reset();
  std::filesystem::remove(mark_path());
  Open();
  EXPECT_THAT(recovered_.records, IsEmpty());
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(4));
}

TEST_F(SqlitePendingQueueDamageTest, ADatabaseThatIsCutShortIsReadFromItsLog) {
  Open();
  Append(pool_.MakeMany(20));
  const std::string crashed = folder_.path() + "/crashed";
  for (int64_t size : {61, 100, 4096, 8192, 11003, 12288}) {
    std::filesystem::remove_all(crashed);
    CopyFiles(crashed);
    std::filesystem::resize_file(crashed + "/pending.db", size);
    ErrorLog errors;
    SqlitePendingQueue::Options options = options_;
    options.directory = crashed;
    options.on_error = [&errors](absl::string_view op, const std::string& error) {
      errors.Add(op, error);
    };
    RecordingObserver observer;
    SqlitePendingQueue queue(options);
    const absl::StatusOr<RecoveredQueue> recovered = queue.Open(&observer);
    ASSERT_TRUE(recovered.ok()) << size << ": " << recovered.status();
    EXPECT_EQ(recovered->records.size(), 20) << size;
    EXPECT_GE(errors.Count("open"), 1) << size;
  }
}

TEST_F(SqlitePendingQueueDamageTest, ADatabaseThatIsGoneIsReported) {
  Open();
  Append(pool_.MakeMany(3));
  queue_.reset();
  std::filesystem::remove(db_path());
  Open();
  EXPECT_EQ(errors_.Count("open"), 1) << errors_.ToString();
  EXPECT_THAT(recovered_.records, IsEmpty());
  EXPECT_EQ(queue_->GetStats().damage.records, 3);
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan()), ElementsAre(4));
}

TEST_F(SqlitePendingQueueDamageTest, ALogWithoutItsDatabaseIsKeptAndRead) {
  Open();
  Append(pool_.MakeMany(3));
  const std::string log = ReadFile(log_path());
  const std::string missing = folder_.path() + "/missing";
  const std::string empty = folder_.path() + "/empty";
  CopyFiles(missing);
  std::filesystem::remove(missing + "/pending.db");
  CopyFiles(empty);
  WriteFile(empty + "/pending.db", "");
  for (const std::string& directory : {missing, empty}) {
    options_.directory = directory;
    const int errors = errors_.Count("open");
    Open();
    EXPECT_EQ(errors_.Count("open"), errors + 1) << errors_.ToString();
    EXPECT_EQ(recovered_.records.size(), 3u);
    EXPECT_TRUE(queue_->GetStats().damage.any());
    EXPECT_EQ(ReadFile(KeptDatabase(directory) + "-wal"), log);
  }
}

TEST_F(SqlitePendingQueueDamageTest, ADatabaseThatIsRebuiltIsKeptAsItWas) {
  Open();
  Append(pool_.MakeMany(2000));
  Open();
  Append(pool_.MakeMany(10));
  options_.directory = folder_.path() + "/crashed";
  CopyFiles(options_.directory);
  const std::string database = options_.directory + "/pending.db";
  FlipByte(database, ReadFile(database).size() / kFirstPageBytes / 2 * kFirstPageBytes);
  const std::string content = ReadFile(database);
  const std::string log = ReadFile(database + "-wal");
  Open();
  EXPECT_GT(recovered_.records.size(), 1900u);
  EXPECT_EQ(ReadFile(KeptDatabase(options_.directory)), content);
  EXPECT_EQ(ReadFile(KeptDatabase(options_.directory) + "-wal"), log);
}

TEST_F(SqlitePendingQueueDamageTest, WithoutMarkAndFirstPageItIsReadToItsEnd) {
  Open();
  Append(pool_.MakeMany(2000));
  queue_.reset();
  std::filesystem::remove(mark_path());
  std::string content = ReadFile(db_path());
  content.replace(0, kFirstPageBytes, kFirstPageBytes, '\0');
  const int64_t pages = content.size() / kFirstPageBytes;
  content.replace(pages / 2 * kFirstPageBytes, 8, 8, '\xff');
  WriteFile(db_path(), content);
  Open();
  EXPECT_GT(recovered_.records.size(), 1900u);
  EXPECT_LT(recovered_.records.size(), 2000u);
  ASSERT_FALSE(recovered_.records.empty());
  EXPECT_EQ(recovered_.records.back().sequence, 2000u);
  EXPECT_TRUE(AppendOne().ok());
  EXPECT_THAT(SequencesOf(Scan(2000)), ElementsAre(2001));
}

TEST_F(SqlitePendingQueueDamageTest, ADamagedListOfFreePagesIsFoundByAnAppendAndRebuilt) {
  Open();
  OperationSpec spec;
  spec.payload = std::string(20000, 'x');
  std::vector<Operation*> operations = {pool_.Make({})};
  for (int i = 0; i < 50; ++i) operations.push_back(pool_.Make(spec));
  Append(operations);
  std::vector<uint64_t> large;
  for (uint64_t i = 2; i <= 51; ++i) large.push_back(i);
  ASSERT_EQ(*queue_->Purge(large), 50);
  queue_.reset();
  const std::string content = ReadFile(db_path());
  const auto byte = [&](int i) { return static_cast<unsigned char>(content[32 + i]); };
  const int64_t trunk = byte(0) << 24 | byte(1) << 16 | byte(2) << 8 | byte(3);
  ASSERT_GT(trunk, 1);
  for (int64_t i = 0; i < 16; ++i) FlipByte(db_path(), (trunk - 1) * kFirstPageBytes + i);
  Open();
  EXPECT_FALSE(AppendOne(pool_.Make(spec)).ok());
  ASSERT_TRUE(Eventually([&] { return AppendOne(pool_.Make(spec)).ok(); })) << errors_.ToString();
  EXPECT_TRUE(queue_->GetStats().damage.any());
  EXPECT_EQ(queue_->GetStats().damage.records, 0);
  EXPECT_FALSE(KeptDatabase(directory_).empty());
  EXPECT_EQ(Scan().size(), 2u);
  EXPECT_EQ(queue_->GetStats().count, 2);
}

}  // namespace
}  // namespace router
