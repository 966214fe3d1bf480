// Preloaded into routerd: keeps a journal of everything that is done to the files of one folder,
// and lets writes and syncs there fail. What the journal is for: frame/disk_image.py makes from it
// what a disk would hold if the power failed at any point.
//
//   DISK_FAULTS_FOLDER    the folder, as the program names it. Without it, nothing is done.
//   DISK_FAULTS_JOURNAL   the journal; appended to. Optional.
//   DISK_FAULTS_CONTROL   a file with a `struct Control`, read at every call. Optional.
//
// All changes of the folder pass through one mutex together with their entry of the journal, so
// that the journal has them in the order in which they happened. Only what routerd and SQLite call
// is here; the journal's reader finds out if something is missing.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

enum Kind { kCreate = 1, kWrite, kTruncate, kSync, kSyncFailed, kRename, kUnlink, kLink };

// One entry of the journal; followed by `name_bytes` of name and `data_bytes` of data.
struct Entry {
  uint32_t kind;
  uint32_t name_bytes;
  uint64_t inode;  // 0: the folder itself.
  int64_t offset;  // The new size, for kTruncate.
  uint64_t data_bytes;
  int64_t time_ns;  // Unix time.
};

struct Control {
  int64_t bytes_max;     // Files may not grow beyond this, all together; -1: no limit.
  int64_t sync_fail_at;  // The sync with this number fails, from 1; 0: none.
  int64_t sync_hides;    // Not 0: and the caller is told that it has not.
  int64_t syncs;         // Written here: syncs so far.
};

enum { kFdsMax = 4096 };
// What each descriptor is: 0 nothing of ours, 1 the folder, otherwise the inode.
static uint64_t inodes[kFdsMax];
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static const char* folder;
static size_t folder_bytes;
static int journal = -1;
static struct Control* control;

#define REAL(name, ...) ((__typeof__(&name))dlsym(RTLD_NEXT, #name))(__VA_ARGS__)

__attribute__((constructor)) static void Start(void) {
  folder = getenv("DISK_FAULTS_FOLDER");
  if (folder == NULL) return;
  folder_bytes = strlen(folder);
  const char* path = getenv("DISK_FAULTS_JOURNAL");
  if (path != NULL) {
    journal =
        (int)syscall(SYS_openat, AT_FDCWD, path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (journal < 0) abort();
  }
  path = getenv("DISK_FAULTS_CONTROL");
  if (path != NULL) {
    const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0);
    control = mmap(NULL, sizeof(*control), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd < 0 || control == MAP_FAILED) abort();
    syscall(SYS_close, fd);
  }
}

// The name of a file of the folder; NULL for any other path.
static const char* NameOf(const char* path) {
  if (folder == NULL || strncmp(path, folder, folder_bytes) != 0) return NULL;
  return path[folder_bytes] == '/' && path[folder_bytes + 1] != 0 ? path + folder_bytes + 1 : NULL;
}

static int IsFolder(const char* path) {
  return folder != NULL && strncmp(path, folder, folder_bytes) == 0 &&
         (path[folder_bytes] == 0 || strcmp(path + folder_bytes, "/") == 0);
}

static uint64_t InodeOf(int fd) { return fd >= 0 && fd < kFdsMax ? inodes[fd] : 0; }

static void Note(enum Kind kind, uint64_t inode, int64_t offset, const char* name,
                 size_t name_bytes, const void* data, size_t data_bytes) {
  if (journal < 0) return;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  struct Entry entry = {.kind = kind,
                        .name_bytes = (uint32_t)name_bytes,
                        .inode = inode == 1 ? 0 : inode,
                        .offset = offset,
                        .data_bytes = data_bytes,
                        .time_ns = (int64_t)now.tv_sec * 1000000000 + now.tv_nsec};
  const struct iovec parts[] = {
      {&entry, sizeof(entry)}, {(void*)name, name_bytes}, {(void*)data, data_bytes}};
  const ssize_t written = syscall(SYS_writev, journal, parts, 3);
  if (written != (ssize_t)(sizeof(entry) + name_bytes + data_bytes)) abort();
}

static void NoteNames(enum Kind kind, const char* from, const char* to) {
  const char* const first = NameOf(from);
  const char* const second = NameOf(to);
  if (first == NULL || second == NULL) return;
  char both[1024];
  const int bytes = snprintf(both, sizeof(both), "%s/%s", first, second);
  Note(kind, 0, 0, both, (size_t)bytes, NULL, 0);
}

static int Open(const char* path, int flags, mode_t mode) {
  const char* const name = NameOf(path);
  if (name == NULL && !IsFolder(path)) return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  pthread_mutex_lock(&mutex);
  struct stat before;
  const int existed = stat(path, &before) == 0;
  const int fd = (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
  const int error = errno;
  struct stat info;
  if (fd >= kFdsMax) abort();
  if (fd >= 0 && fstat(fd, &info) == 0) {
    inodes[fd] = name == NULL ? 1 : info.st_ino;
    if (!existed) Note(kCreate, info.st_ino, 0, name, strlen(name), NULL, 0);
    if (existed && (flags & O_TRUNC) && before.st_size > 0) {
      Note(kTruncate, info.st_ino, 0, NULL, 0, NULL, 0);
    }
  }
  pthread_mutex_unlock(&mutex);
  errno = error;
  return fd;
}

static mode_t ModeOf(int flags, va_list arguments) {
  return flags & (O_CREAT | __O_TMPFILE) ? va_arg(arguments, mode_t) : 0;
}

int open(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return Open(path, flags, mode);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const mode_t mode = ModeOf(flags, arguments);
  va_end(arguments);
  return Open(path, flags | O_LARGEFILE, mode);
}

int close(int fd) {
  pthread_mutex_lock(&mutex);
  if (fd >= 0 && fd < kFdsMax) inodes[fd] = 0;
  const int result = (int)syscall(SYS_close, fd);
  pthread_mutex_unlock(&mutex);
  return result;
}

// Whether the files together have room for this one to become so large.
static int HasRoom(int fd, int64_t size) {
  if (control == NULL || control->bytes_max < 0) return 1;
  struct stat info;
  if (fstat(fd, &info) != 0 || size <= info.st_size) return 1;
  int64_t total = size - info.st_size;
  uint64_t seen[kFdsMax];
  size_t seen_count = 0;
  for (int other = 0; other < kFdsMax; ++other) {
    if (inodes[other] <= 1 || fstat(other, &info) != 0) continue;
    size_t i = 0;
    while (i < seen_count && seen[i] != inodes[other]) ++i;
    if (i < seen_count) continue;
    seen[seen_count++] = inodes[other];
    total += info.st_size;
  }
  return total <= control->bytes_max;
}

static ssize_t Write(int fd, const void* data, size_t bytes, int64_t offset, int positioned) {
  const uint64_t inode = InodeOf(fd);
  if (inode == 0) {
    return positioned ? syscall(SYS_pwrite64, fd, data, bytes, offset)
                      : syscall(SYS_write, fd, data, bytes);
  }
  pthread_mutex_lock(&mutex);
  if (!positioned) offset = lseek(fd, 0, fcntl(fd, F_GETFL) & O_APPEND ? SEEK_END : SEEK_CUR);
  ssize_t written = -1;
  int error = ENOSPC;
  if (HasRoom(fd, offset + (int64_t)bytes)) {
    written = positioned ? syscall(SYS_pwrite64, fd, data, bytes, offset)
                         : syscall(SYS_write, fd, data, bytes);
    error = errno;
    if (written > 0) Note(kWrite, inode, offset, NULL, 0, data, (size_t)written);
  }
  pthread_mutex_unlock(&mutex);
  errno = error;
  return written;
}

ssize_t write(int fd, const void* data, size_t bytes) { return Write(fd, data, bytes, 0, 0); }

ssize_t pwrite(int fd, const void* data, size_t bytes, off_t offset) {
  return Write(fd, data, bytes, offset, 1);
}

ssize_t pwrite64(int fd, const void* data, size_t bytes, off64_t offset) {
  return Write(fd, data, bytes, offset, 1);
}

static int Truncate(int fd, int64_t size) {
  const uint64_t inode = InodeOf(fd);
  if (inode == 0) return (int)syscall(SYS_ftruncate, fd, size);
  pthread_mutex_lock(&mutex);
  const int result = (int)syscall(SYS_ftruncate, fd, size);
  const int error = errno;
  if (result == 0) Note(kTruncate, inode, size, NULL, 0, NULL, 0);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

int ftruncate(int fd, off_t size) { return Truncate(fd, size); }
int ftruncate64(int fd, off64_t size) { return Truncate(fd, size); }

static int Sync(int fd, long number) {
  const uint64_t inode = InodeOf(fd);
  if (inode == 0) return (int)syscall(number, fd);
  pthread_mutex_lock(&mutex);
  int result = -1;
  int error = EIO;
  if (control == NULL || ++control->syncs != control->sync_fail_at) {
    result = (int)syscall(number, fd);
    error = errno;
  }
  Note(result == 0 ? kSync : kSyncFailed, inode, 0, NULL, 0, NULL, 0);
  if (control != NULL && control->sync_hides) result = 0;
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

int fsync(int fd) { return Sync(fd, SYS_fsync); }
int fdatasync(int fd) { return Sync(fd, SYS_fdatasync); }

int rename(const char* from, const char* to) {
  pthread_mutex_lock(&mutex);
  const int result = REAL(rename, from, to);
  const int error = errno;
  if (result == 0) NoteNames(kRename, from, to);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

int link(const char* from, const char* to) {
  pthread_mutex_lock(&mutex);
  const int result = REAL(link, from, to);
  const int error = errno;
  if (result == 0) NoteNames(kLink, from, to);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}

int unlink(const char* path) {
  const char* const name = NameOf(path);
  pthread_mutex_lock(&mutex);
  const int result = REAL(unlink, path);
  const int error = errno;
  if (result == 0 && name != NULL) Note(kUnlink, 0, 0, name, strlen(name), NULL, 0);
  pthread_mutex_unlock(&mutex);
  errno = error;
  return result;
}
