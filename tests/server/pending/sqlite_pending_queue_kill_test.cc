// The process dies without warning, again and again, and nothing that it has accepted is lost.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "tests/server/pending/sqlite_queue_testing.h"

extern char** environ;

namespace router {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// append_helper, writing to a pipe.
class Appender {
 public:
  explicit Appender(const std::string& directory) {
    const char* const program = getenv("APPEND_HELPER");
    int ends[2];
    if (program == nullptr || pipe2(ends, O_CLOEXEC) != 0) abort();
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::string path = program;
    std::string argument = directory;
    char* argv[] = {&path[0], &argument[0], nullptr};
    EXPECT_EQ(posix_spawn(&pid_, program, &actions, nullptr, argv, environ), 0) << program;
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    output_ = ends[0];
  }

  ~Appender() {
    Kill();
    close(output_);
  }

  pid_t pid() const { return pid_; }

  // The next sequence that was accepted; 0 when there are no more.
  uint64_t ReadAccepted() {
    while (buffer_.find('\n') == std::string::npos) {
      char chunk[4096];
      const ssize_t size = read(output_, chunk, sizeof(chunk));
      if (size <= 0) return 0;
      buffer_.append(chunk, size);
    }
    const size_t end = buffer_.find('\n');
    uint64_t sequence = 0;
    EXPECT_TRUE(absl::SimpleAtoi(buffer_.substr(0, end), &sequence)) << buffer_;
    buffer_.erase(0, end + 1);
    return sequence;
  }

  void Kill() {
    if (pid_ <= 0) return;
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    pid_ = 0;
  }

 private:
  pid_t pid_ = 0;
  int output_ = -1;
  std::string buffer_;
};

using SqlitePendingQueueKillTest = SqliteQueueTest;

TEST_F(SqlitePendingQueueKillTest, WhatWasAcceptedIsThereAfterKillMinusNine) {
  size_t known = 0;
  for (int round = 0; round < 12; ++round) {
    uint64_t accepted = known;
    {
      Appender appender(directory_);
      for (int i = 0; i < 100 + 37 * round; ++i) {
        const uint64_t sequence = appender.ReadAccepted();
        ASSERT_EQ(sequence, accepted + 1) << "round " << round;
        accepted = sequence;
      }
      appender.Kill();
      while (const uint64_t sequence = appender.ReadAccepted()) accepted = sequence;
    }
    Open();
    EXPECT_EQ(errors_.size(), 0) << errors_.ToString();
    ASSERT_GE(recovered_.records.size(), accepted) << "round " << round;
    for (size_t i = 0; i < recovered_.records.size(); ++i) {
      ASSERT_EQ(recovered_.records[i].sequence, i + 1) << "round " << round;
    }
    known = recovered_.records.size();
    queue_.reset();
  }
}

TEST_F(SqlitePendingQueueKillTest, ASecondProcessIsRefusedUntilTheFirstIsGone) {
  Appender appender(directory_);
  ASSERT_EQ(appender.ReadAccepted(), 1u);
  const absl::Status status = TryOpen();
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()),
              AllOf(HasSubstr(directory_), HasSubstr(absl::StrCat("process ", appender.pid()))));
  appender.Kill();
  Open();
}

}  // namespace
}  // namespace router
