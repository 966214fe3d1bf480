#include "tests/server/pending/faulty_vfs.h"

#include <new>

#include "absl/strings/match.h"

namespace router {
namespace {

FaultyVfs* g_faults = nullptr;
sqlite3_vfs* g_real = nullptr;

// What SQLite has for an open file: ours in front, the real one behind it.
struct FaultyFile {
  sqlite3_file base;
  std::string* name;
  sqlite3_file* real() { return reinterpret_cast<sqlite3_file*>(this + 1); }
};

FaultyFile* Of(sqlite3_file* file) { return reinterpret_cast<FaultyFile*>(file); }
sqlite3_file* Real(sqlite3_file* file) { return Of(file)->real(); }

int Close(sqlite3_file* file) {
  delete Of(file)->name;
  return Real(file)->pMethods->xClose(Real(file));
}

int Read(sqlite3_file* file, void* data, int size, sqlite3_int64 offset) {
  const int error = g_faults->Judge(FaultyVfs::Call::kRead, *Of(file)->name);
  if (error != SQLITE_OK) return error;
  return Real(file)->pMethods->xRead(Real(file), data, size, offset);
}

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  const int error = g_faults->Judge(FaultyVfs::Call::kWrite, *Of(file)->name);
  if (error != SQLITE_OK) return error;
  return Real(file)->pMethods->xWrite(Real(file), data, size, offset);
}

int Truncate(sqlite3_file* file, sqlite3_int64 size) {
  return Real(file)->pMethods->xTruncate(Real(file), size);
}

int Sync(sqlite3_file* file, int flags) {
  const int error = g_faults->Judge(FaultyVfs::Call::kSync, *Of(file)->name);
  if (error != SQLITE_OK) return error;
  return Real(file)->pMethods->xSync(Real(file), flags);
}

int FileSize(sqlite3_file* file, sqlite3_int64* size) {
  return Real(file)->pMethods->xFileSize(Real(file), size);
}

int Lock(sqlite3_file* file, int level) { return Real(file)->pMethods->xLock(Real(file), level); }

int Unlock(sqlite3_file* file, int level) {
  return Real(file)->pMethods->xUnlock(Real(file), level);
}

int CheckReservedLock(sqlite3_file* file, int* result) {
  return Real(file)->pMethods->xCheckReservedLock(Real(file), result);
}

int FileControl(sqlite3_file* file, int op, void* argument) {
  return Real(file)->pMethods->xFileControl(Real(file), op, argument);
}

int SectorSize(sqlite3_file* file) { return Real(file)->pMethods->xSectorSize(Real(file)); }

int DeviceCharacteristics(sqlite3_file* file) {
  return Real(file)->pMethods->xDeviceCharacteristics(Real(file));
}

const sqlite3_io_methods kMethods = {1, Close, Read, Write, Truncate, Sync, FileSize, Lock, Unlock,
                                     CheckReservedLock, FileControl, SectorSize,
                                     DeviceCharacteristics,
                                     // Version 1: no shared memory, no mapping.
                                     nullptr, nullptr, nullptr, nullptr, nullptr, nullptr};

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  FaultyFile* const faulty = Of(file);
  faulty->base.pMethods = nullptr;
  const int result = g_real->xOpen(g_real, name, faulty->real(), flags, out_flags);
  if (result != SQLITE_OK) return result;
  faulty->name = new std::string(name == nullptr ? "" : name);
  faulty->base.pMethods = &kMethods;
  return SQLITE_OK;
}

sqlite3_vfs* Vfs() {
  static sqlite3_vfs* const vfs = [] {
    g_real = sqlite3_vfs_find(nullptr);
    auto* faulty = new sqlite3_vfs(*g_real);
    faulty->zName = "faulty";
    faulty->szOsFile = g_real->szOsFile + static_cast<int>(sizeof(FaultyFile));
    faulty->xOpen = Open;
    return faulty;
  }();
  return vfs;
}

}  // namespace

FaultyVfs::FaultyVfs() {
  sqlite3_vfs* const vfs = Vfs();
  g_faults = this;
  sqlite3_vfs_register(vfs, /*makeDflt=*/1);
}

FaultyVfs::~FaultyVfs() {
  sqlite3_vfs_unregister(Vfs());
  sqlite3_vfs_register(g_real, /*makeDflt=*/1);
  g_faults = nullptr;
}

void FaultyVfs::Fail(Call call, absl::string_view name_end, int sqlite_error, int nth, int times) {
  absl::MutexLock lock(&mutex_);
  call_ = call;
  name_end_ = std::string(name_end);
  error_ = sqlite_error;
  skip_ = nth - 1;
  left_ = times;
  failures_ = 0;
}

void FaultyVfs::Heal() {
  absl::MutexLock lock(&mutex_);
  left_ = 0;
}

int FaultyVfs::failures() const {
  absl::MutexLock lock(&mutex_);
  return failures_;
}

int FaultyVfs::Judge(Call call, const std::string& name) {
  absl::MutexLock lock(&mutex_);
  if (left_ == 0 || call != call_ || !absl::EndsWith(name, name_end_)) return SQLITE_OK;
  if (skip_ > 0) {
    --skip_;
    return SQLITE_OK;
  }
  --left_;
  ++failures_;
  return error_;
}

}  // namespace router
