#include "server/audit/audit_file.h"

#include <signal.h>
#include <sys/resource.h>

#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/server/base/temp_folder.h"

namespace router {
namespace {

// For its lifetime, no file of this process gets larger: writes beyond are cut short, then fail.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) {
    signal(SIGXFSZ, SIG_IGN);
    getrlimit(RLIMIT_FSIZE, &before_);
    rlimit limit = before_;
    limit.rlim_cur = bytes;
    setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() { setrlimit(RLIMIT_FSIZE, &before_); }

 private:
  rlimit before_;
};

class AuditFileTest : public ::testing::Test {
 protected:
  absl::Status Open(AuditFile* file) { return file->Open(folder_.File("log"), &was_torn_); }

  std::vector<std::string> ReadBackward() {
    BackwardLineReader reader;
    EXPECT_TRUE(reader.Open(folder_.File("log")).ok());
    std::vector<std::string> lines;
    std::string line;
    while (true) {
      const absl::StatusOr<bool> has_line = reader.Next(&line);
      EXPECT_TRUE(has_line.ok()) << has_line.status();
      if (!has_line.ok() || !*has_line) return lines;
      lines.push_back(line);
    }
  }

  TempFolder folder_;
  bool was_torn_ = false;
};

TEST_F(AuditFileTest, AppendsAlsoAfterReopening) {
  for (const char* line : {"one\n", "two\n"}) {
    AuditFile file;
    ASSERT_TRUE(Open(&file).ok());
    EXPECT_FALSE(was_torn_);
    ASSERT_TRUE(file.Append(line).ok());
    EXPECT_EQ(file.size_bytes(), static_cast<int64_t>(folder_.Read("log").size()));
  }
  EXPECT_EQ(folder_.Read("log"), "one\ntwo\n");
}

TEST_F(AuditFileTest, TornLastLineIsClosedOff) {
  folder_.Write("log", "one\ntw");
  AuditFile file;
  ASSERT_TRUE(Open(&file).ok());
  EXPECT_TRUE(was_torn_);
  ASSERT_TRUE(file.Append("three\n").ok());
  EXPECT_EQ(folder_.Read("log"), "one\ntw\nthree\n");
}

TEST_F(AuditFileTest, LineThatWasWrittenInPartIsTakenBack) {
  AuditFile file;
  ASSERT_TRUE(Open(&file).ok());
  ASSERT_TRUE(file.Append("one\n").ok());
  {
    FileSizeLimit limit(8);
    EXPECT_TRUE(absl::IsResourceExhausted(file.Append("a line for which there is no room\n")));
  }
  EXPECT_EQ(folder_.Read("log"), "one\n");
  EXPECT_EQ(file.size_bytes(), 4);
  ASSERT_TRUE(file.Append("two\n").ok());
  EXPECT_EQ(folder_.Read("log"), "one\ntwo\n");
}

TEST_F(AuditFileTest, FolderThatIsNotThereIsAnError) {
  AuditFile file;
  EXPECT_FALSE(file.Open(folder_.File("no/log"), &was_torn_).ok());
}

TEST_F(AuditFileTest, ReadsLinesFromTheEnd) {
  EXPECT_TRUE(ReadBackward().empty()) << "no such file";
  folder_.Write("log", "");
  EXPECT_TRUE(ReadBackward().empty());
  folder_.Write("log", "one\n");
  EXPECT_EQ(ReadBackward(), std::vector<std::string>({"one"}));
  folder_.Write("log", "one\n\ntwo\nthr");
  EXPECT_EQ(ReadBackward(), std::vector<std::string>({"thr", "two", "", "one"}));
}

TEST_F(AuditFileTest, ReadsLinesAcrossChunks) {
  std::string content;
  std::vector<std::string> backward;
  for (int i = 0; i < 5000; ++i) {
    const std::string line = std::to_string(i) + std::string(static_cast<size_t>(i % 97), 'x');
    content += line + "\n";
    backward.insert(backward.begin(), line);
  }
  backward.insert(backward.begin(), std::string(200000, 'y'));
  folder_.Write("log", content + backward.front() + "\n");
  EXPECT_EQ(ReadBackward(), backward);
}

TEST_F(AuditFileTest, LineThatNeverEndsIsReadInPieces) {
  folder_.Write("log", "first\n" + std::string(3 << 20, 'z') + "\nlast\n");
  const std::vector<std::string> lines = ReadBackward();
  EXPECT_EQ(lines.front(), "last");
  EXPECT_EQ(lines.back(), "first");
  for (const std::string& line : lines) EXPECT_LT(line.size(), 400000u);
}

TEST_F(AuditFileTest, ReaderSeesTheFileAsItWasWhenOpened) {
  AuditFile file;
  ASSERT_TRUE(Open(&file).ok());
  ASSERT_TRUE(file.Append("one\n").ok());
  BackwardLineReader reader;
  ASSERT_TRUE(reader.Open(folder_.File("log")).ok());
  ASSERT_TRUE(file.Append("two\n").ok());
  std::filesystem::rename(folder_.File("log"), folder_.File("log.1"));
  std::string line;
  ASSERT_TRUE(*reader.Next(&line));
  EXPECT_EQ(line, "one");
  EXPECT_FALSE(*reader.Next(&line));
}

}  // namespace
}  // namespace router
