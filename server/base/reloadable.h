#ifndef ROUTER_SERVER_BASE_RELOADABLE_H_
#define ROUTER_SERVER_BASE_RELOADABLE_H_

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "server/base/file_stamp.h"

namespace router {

enum class ReloadOutcome { kUnchanged, kReloaded, kFailed };

// What is made of some files as a whole, and made anew when they change: all or nothing. Files that
// cannot be used leave everything as it was.
//
// `current`, `is_stale` and Read are thread-safe; the others are for one thread at a time.
template <typename T>
class Reloadable {
 public:
  // Reads the files and makes a T of them. Its errors are for people, and name the file.
  using Loader = std::function<absl::StatusOr<std::shared_ptr<const T>>()>;

  Reloadable(std::vector<std::string> paths, Loader loader)
      : paths_(std::move(paths)), loader_(std::move(loader)) {}

  // What was read, and is not in use yet.
  struct Loaded {
    std::vector<FileStamp> stamps;
    std::shared_ptr<const T> value;
  };

  // Reads the files, changed or not.
  absl::StatusOr<Loaded> Read() const {
    Loaded loaded{StampsOf(paths_), nullptr};
    absl::StatusOr<std::shared_ptr<const T>> value = loader_();
    if (!value.ok()) return value.status();
    loaded.value = *std::move(value);
    return loaded;
  }

  void Use(Loaded loaded) {
    loaded_stamps_ = std::move(loaded.stamps);
    failed_stamps_.clear();
    absl::MutexLock lock(&mutex_);
    current_ = std::move(loaded.value);
    is_stale_ = false;
  }

  // For the first time. Nothing is there after an error.
  absl::Status Load() {
    absl::StatusOr<Loaded> loaded = Read();
    if (loaded.ok()) Use(*std::move(loaded));
    return loaded.status();
  }

  // Loads again if a file has changed since the last time that it went well. Files that were found
  // wrong are tried again with each call, as they may be half written, or not valid yet; `*error`
  // says what is wrong, and only once for the same files: kFailed, and kUnchanged from then on.
  ReloadOutcome Poll(absl::Status* error) {
    const std::vector<FileStamp> stamps = StampsOf(paths_);
    if (stamps == loaded_stamps_) {
      SetStale(false);
      return ReloadOutcome::kUnchanged;
    }
    *error = Load();
    if (error->ok()) return ReloadOutcome::kReloaded;
    SetStale(true);
    if (stamps == failed_stamps_) return ReloadOutcome::kUnchanged;
    failed_stamps_ = stamps;
    return ReloadOutcome::kFailed;
  }

  // Null before Load.
  std::shared_ptr<const T> current() const {
    absl::MutexLock lock(&mutex_);
    return current_;
  }

  // Whether the last Poll found files that cannot be used: what is there is older than they are.
  bool is_stale() const {
    absl::MutexLock lock(&mutex_);
    return is_stale_;
  }

 private:
  void SetStale(bool is_stale) {
    absl::MutexLock lock(&mutex_);
    is_stale_ = is_stale;
  }

  const std::vector<std::string> paths_;
  const Loader loader_;
  std::vector<FileStamp> loaded_stamps_;
  std::vector<FileStamp> failed_stamps_;

  mutable absl::Mutex mutex_;
  std::shared_ptr<const T> current_ ABSL_GUARDED_BY(mutex_);
  bool is_stale_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace router

#endif  // ROUTER_SERVER_BASE_RELOADABLE_H_
