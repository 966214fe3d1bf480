// What a rotation of the audit log loses when one of its calls to the system fails: nothing.
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/audit/audit_log.h"
#include "server/errors/errors.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/base/temp_folder.h"

namespace {

// Calls of the test's thread that still go well, and how many fail after them.
thread_local int calls_left = -1;
thread_local int failures_left = 0;
thread_local int failures = 0;

bool Fails() {
  if (calls_left < 0) return false;
  if (calls_left > 0) {
    --calls_left;
    return false;
  }
  if (failures_left == 0) return false;
  --failures_left;
  ++failures;
  errno = EIO;
  return true;
}

}  // namespace

// In place of the C library's.
extern "C" {

int rename(const char* from, const char* to) noexcept {
  return Fails() ? -1 : renameat(AT_FDCWD, from, AT_FDCWD, to);
}

int fsync(int fd) { return Fails() ? -1 : static_cast<int>(syscall(SYS_fsync, fd)); }

int fdatasync(int fd) { return Fails() ? -1 : static_cast<int>(syscall(SYS_fdatasync, fd)); }

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const int mode = (flags & O_CREAT) != 0 ? va_arg(arguments, int) : 0;
  va_end(arguments);
  return Fails() ? -1 : openat(AT_FDCWD, path, flags, mode);
}

}  // extern "C"

namespace router {
namespace {

using Numbers = std::vector<int>;

class AuditRotationTest : public ::testing::Test {
 protected:
  AuditRotationTest() {
    options_.file_bytes_max = 2000;
    options_.memory_events_max = 1;  // So that files are what is listed.
  }

  void Open(const std::string& dir) {
    log_ = nullptr;
    options_.dir = folder_.File(dir);
    auto log = AuditLog::Open(options_, &clock_,
                              [](absl::string_view what) { ADD_FAILURE() << "damage: " << what; });
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }

  absl::Status Record(int number) {
    AuditEvent event;
    event.reason = absl::StrCat(number);
    return log_->Record(std::move(event)).status();
  }

  // Newest first.
  Numbers Listed() {
    const auto page = log_->List(1000, "", [](const AuditEvent&) { return true; });
    EXPECT_TRUE(page.ok()) << page.status();
    Numbers numbers;
    for (const AuditEvent& event : page->events) numbers.push_back(std::stoi(event.reason));
    return numbers;
  }

  // Two files, the newer one so full that the next event rotates it. Returns the last number.
  int Fill(const std::string& dir) {
    const std::string path = absl::StrCat(dir, "/audit.log");
    int number = 0;
    while (!folder_.Has(path + ".1")) EXPECT_TRUE(Record(++number).ok());
    const size_t line_bytes = folder_.Read(path).size();
    while (folder_.Read(path).size() + line_bytes <= 2000) EXPECT_TRUE(Record(++number).ok());
    return number;
  }

  // How many events a file holds.
  static int CountIn(const std::string& content) {
    return static_cast<int>(std::count(content.begin(), content.end(), '\n'));
  }

  TempFolder folder_;
  FakeClock clock_;
  AuditLogOptions options_;
  std::unique_ptr<AuditLog> log_;
};

// Until so many calls go well that none is left to fail.
TEST_F(AuditRotationTest, NoFailureOfAStepLosesAnEvent) {
  for (const int count : {1, 2, 3, 6}) {
    bool has_failed = true;
    for (int calls = 0; has_failed; ++calls) {
      SCOPED_TRACE(absl::StrCat(count, " failures after ", calls, " calls"));
      const std::string dir = absl::StrCat("state-", count, "-", calls);
      Open(dir);
      int number = Fill(dir);
      const int kept = CountIn(folder_.Read(dir + "/audit.log"));
      Numbers expected;
      for (int i = number; i > number - kept; --i) expected.push_back(i);

      calls_left = calls;
      failures_left = count;
      failures = 0;
      for (int i = 0; i < 8; ++i) {
        const absl::Status status = Record(++number);
        if (status.ok()) {
          expected.insert(expected.begin(), number);
        } else {
          EXPECT_EQ(error::ReasonOf(status), "STATE_IO_ERROR") << status;
        }
      }
      calls_left = -1;
      has_failed = failures > 0;
      EXPECT_TRUE(Record(++number).ok());
      expected.insert(expected.begin(), number);
      EXPECT_EQ(Listed(), expected);
      Open(dir);
      EXPECT_EQ(Listed(), expected) << "after a restart";
      EXPECT_FALSE(folder_.Has(dir + "/audit.log.new"));
    }
  }
}

// As if it crashed there.
TEST_F(AuditRotationTest, RestartAfterAnyStepLosesNothing) {
  bool has_failed = true;
  for (int calls = 0; has_failed; ++calls) {
    SCOPED_TRACE(absl::StrCat("no call goes well after ", calls));
    const std::string dir = absl::StrCat("state-", calls);
    Open(dir);
    int number = Fill(dir);
    Numbers expected;
    const int kept = CountIn(folder_.Read(dir + "/audit.log"));
    for (int i = number; i > number - kept; --i) expected.push_back(i);
    calls_left = calls;
    failures_left = 1000;
    failures = 0;
    if (Record(++number).ok()) expected.insert(expected.begin(), number);
    calls_left = -1;
    has_failed = failures > 0;
    Open(dir);
    Numbers listed = Listed();
    ASSERT_GE(listed.size(), expected.size());
    listed.resize(expected.size());  // The file before is there or is not.
    EXPECT_EQ(listed, expected);
    EXPECT_TRUE(Record(++number).ok());
    EXPECT_EQ(Listed().front(), number);
  }
}

}  // namespace
}  // namespace router
