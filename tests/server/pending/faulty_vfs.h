#ifndef ROUTER_TESTS_SERVER_PENDING_FAULTY_VFS_H_
#define ROUTER_TESTS_SERVER_PENDING_FAULTY_VFS_H_

#include <sqlite3.h>

#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/strings/string_view.h"
#include "absl/synchronization/mutex.h"

namespace router {

// The disk as SQLite sees it, failing on request. While one exists, databases that are opened use
// it. One at a time; thread-safe.
class FaultyVfs {
 public:
  enum class Call { kWrite, kSync, kRead };

  FaultyVfs();
  ~FaultyVfs();
  FaultyVfs(const FaultyVfs&) = delete;
  FaultyVfs& operator=(const FaultyVfs&) = delete;

  // From the `nth` such call on, counted from 1, `times` calls on files whose name ends so fail
  // with a SQLite error. A failing sync syncs nothing; a failing write writes nothing.
  void Fail(Call call, absl::string_view name_end, int sqlite_error, int nth = 1, int times = 1);
  void Heal();

  // Calls that have failed since the last Fail.
  int failures() const;

  // For the C functions: SQLITE_OK, or the error that the call has to fail with.
  int Judge(Call call, const std::string& name);

 private:
  mutable absl::Mutex mutex_;
  Call call_ ABSL_GUARDED_BY(mutex_) = Call::kSync;
  std::string name_end_ ABSL_GUARDED_BY(mutex_);
  int error_ ABSL_GUARDED_BY(mutex_) = SQLITE_OK;
  int skip_ ABSL_GUARDED_BY(mutex_) = 0;
  int left_ ABSL_GUARDED_BY(mutex_) = 0;
  int failures_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_PENDING_FAULTY_VFS_H_
