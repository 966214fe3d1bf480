#include <filesystem>
#include <fstream>
#include <iterator>
#include <map>

#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "server/base/clock.h"
#include "server/pending/sqlite_pending_queue.h"
#include "tests/clients/cli/cli_runner.h"
#include "tests/server/pending/pending_testing.h"

namespace router::testing {
namespace {

using Json = nlohmann::json;
using ::testing::HasSubstr;

std::string Read(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  return std::string(std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>());
}

class SpoolTest : public CliTest {
 protected:
  SpoolTest() { Open(); }

  void Open() {
    SqlitePendingQueue::Options options;
    options.directory = folder_.path();
    options.min_free_disk_bytes = 0;
    options.clock = SystemClock();
    queue_ = std::make_unique<SqlitePendingQueue>(options);
    ASSERT_TRUE(queue_->Open(&observer_).ok());
  }

  void Append() {
    OperationSpec spec;
    spec.message_id = "mine";
    spec.caller_chose_id = true;
    spec.ordering_key = "customer-7";
    spec.headers = {{"Key", "value"}};
    spec.payload = "THE-FIRST-PAYLOAD";
    std::vector<Operation*> operations = pool_.MakeMany(5);
    operations.insert(operations.begin(), pool_.Make(spec));
    AppendAll(queue_.get(), &observer_, operations);
  }

  CliResult Verify() { return Run({"spool", "verify", "--pending_dir", folder_.path()}); }

  void DamageTheFirstPayload() {
    const std::string path = folder_.path() + "/pending.db";
    std::string content = Read(path);
    const size_t at = content.find("THE-FIRST-PAYLOAD");
    ASSERT_NE(at, std::string::npos);
    content[at] = 'X';
    std::ofstream(path, std::ios::binary | std::ios::trunc) << content;
  }

  std::map<std::string, std::string> Files() const {
    std::map<std::string, std::string> files;
    for (const auto& file : std::filesystem::directory_iterator(folder_.path())) {
      files[file.path().filename()] = Read(file.path());
    }
    return files;
  }

  TemporaryFolder folder_;
  OperationPool pool_;
  RecordingObserver observer_;
  std::unique_ptr<SqlitePendingQueue> queue_;
};

TEST_F(SpoolTest, AWholeQueueIsWholeAndIsLeftAsItIs) {
  Append();
  ASSERT_TRUE(queue_->Claim(0, 1, 1 << 20).ok());
  ASSERT_TRUE(queue_->MoveToDeadLetters(1, {"refused", "no", 1}).ok());
  queue_.reset();
  const auto before = Files();
  const CliResult result = Verify();
  EXPECT_EQ(result.exit_code, 0) << result.err << result.out;
  EXPECT_EQ(result.out, "");
  EXPECT_THAT(result.err, HasSubstr("whole: 5 records, "));
  EXPECT_THAT(result.err, HasSubstr("the first 2, the last given 6, 1 dead letters"));
  EXPECT_EQ(Files(), before);
}

TEST_F(SpoolTest, SeesWhatIsInTheLogOnly) {
  Append();
  const auto crashed = Files();
  queue_.reset();
  TemporaryFolder copy;
  for (const auto& [name, content] : crashed) {
    std::ofstream(copy.path() + "/" + name, std::ios::binary) << content;
  }
  ASSERT_GT(std::filesystem::file_size(copy.path() + "/pending.db-wal"), 0u);
  const CliResult result = Run({"spool", "verify", "--pending_dir", copy.path(), "-o", "json"});
  EXPECT_EQ(result.exit_code, 0) << result.err << result.out;
  EXPECT_EQ(Json::parse(result.out)["records"], 6);
}

TEST_F(SpoolTest, RefusesAFolderThatARouterHasOpen) {
  Append();
  for (const char* command : {"verify", "dump"}) {
    const CliResult result = Run({"spool", command, "--pending_dir", folder_.path()});
    EXPECT_NE(result.exit_code, 0);
    EXPECT_EQ(result.out, "");
    EXPECT_THAT(result.err, HasSubstr("is in use by the process"));
  }
  EXPECT_TRUE(queue_->GetStats().healthy);
}

TEST_F(SpoolTest, AFolderWithoutAQueueIsNotFound) {
  TemporaryFolder empty;
  const CliResult result = Run({"spool", "verify", "--pending_dir", empty.path()});
  EXPECT_EQ(result.exit_code, 4) << result.err;
  EXPECT_TRUE(std::filesystem::is_empty(empty.path()));
}

TEST_F(SpoolTest, TheFolderHasToBeNamed) { EXPECT_EQ(Run({"spool", "verify"}).exit_code, 2); }

TEST_F(SpoolTest, NamesADamagedRecord) {
  Append();
  queue_.reset();
  DamageTheFirstPayload();
  const CliResult result = Verify();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("record 1  its checksum does not match\n"));
  EXPECT_THAT(result.err, HasSubstr("NOT WHOLE: "));
}

TEST_F(SpoolTest, KnowsLostCommitsByTheHighWaterMark) {
  Append();
  queue_.reset();
  std::ofstream(folder_.path() + "/pending.db", std::ios::binary | std::ios::trunc);
  const CliResult result = Verify();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("messages 1 to 6 may be missing"));
}

TEST_F(SpoolTest, TellsOfDamageThatNobodyHasAcknowledged) {
  Append();
  queue_.reset();
  DamageTheFirstPayload();
  Open();
  queue_.reset();
  CliResult result = Verify();
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.out, HasSubstr("damage.log"));
  EXPECT_THAT(result.err, HasSubstr("1 set aside as damaged"));
  std::filesystem::remove(folder_.path() + "/damage.log");
  EXPECT_EQ(Verify().exit_code, 0);
}

TEST_F(SpoolTest, DumpsOneObjectALine) {
  Append();
  queue_.reset();
  const CliResult result = Run({"spool", "dump", "--pending_dir", folder_.path()});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(result.err, "6 records\n");
  const std::vector<std::string> lines = absl::StrSplit(result.out, '\n');
  ASSERT_EQ(lines.size(), 7u);
  EXPECT_EQ(Json::parse(lines[0]), (Json{{"sequence", 1},
                                         {"subject", "orders.eu"},
                                         {"message_id", "mine"},
                                         {"caller_chose_id", true},
                                         {"ordering_key", "customer-7"},
                                         {"guarantee", "stored"},
                                         {"accept_time", "2026-01-01T00:00:00.123+00:00"},
                                         {"size_bytes", 112},
                                         {"headers", {{"Key", "value"}}}}));
  EXPECT_EQ(Json::parse(lines[5])["sequence"], 6);
}

TEST_F(SpoolTest, DumpsPayloadsOnlyWhenAsked) {
  Append();
  queue_.reset();
  const CliResult result = Run({"spool", "dump", "--pending_dir", folder_.path(), "--payload"});
  const std::string first = result.out.substr(0, result.out.find('\n'));
  EXPECT_EQ(Json::parse(first)["payload"], "VEhFLUZJUlNULVBBWUxPQUQ=");
}

TEST_F(SpoolTest, LeavesDamagedRecordsOutOfADumpAndSaysSo) {
  Append();
  queue_.reset();
  DamageTheFirstPayload();
  const CliResult result = Run({"spool", "dump", "--pending_dir", folder_.path()});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_EQ(Json::parse(result.out.substr(0, result.out.find('\n')))["sequence"], 2);
  EXPECT_THAT(result.err, HasSubstr("1 damaged records were left out"));
}

}  // namespace
}  // namespace router::testing
