// Tells ThreadSanitizer about Abseil's locks.
//
// Debian's Abseil is compiled without ThreadSanitizer, which therefore does not see that
// absl::Mutex and its kin order anything, and reports a race wherever they are used rightly. The
// definitions below take the place of the library's, for the program as well as for the shared
// libraries it loads: each one announces what it is about to do and calls the original.
//
// Between an announcement and its end ThreadSanitizer looks away, so that what a condition reads
// while it is evaluated inside Abseil is not reported.

#include <dlfcn.h>
#include <sanitizer/tsan_interface.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <string>
#include <vector>

#include "absl/base/options.h"
#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"

namespace {

#define ROUTER_TEXT_OF(x) #x
#define ROUTER_TEXT(x) ROUTER_TEXT_OF(x)

// A member function as the library sees it: `this` is an ordinary first argument, and references
// are pointers.
template <typename Result, typename... Args>
using Function = Result (*)(Args...);

// Returns the library's definition of absl::<member>, where `member` is the mangled name that
// follows the namespace.
void* Original(const char* member) {
  const std::string space = ROUTER_TEXT(ABSL_OPTION_INLINE_NAMESPACE_NAME);
  const std::string symbol = "_ZN" + std::string(member[0] == 'K' ? "K" : "") + "4absl" +
                             std::to_string(space.size()) + space +
                             (member[0] == 'K' ? member + 1 : member);
  void* original = dlsym(RTLD_NEXT, symbol.c_str());
  if (original == nullptr) {
    std::fprintf(stderr, "absl_annotations: no %s in Abseil\n", symbol.c_str());
    std::abort();
  }
  return original;
}

// Calls the library's definition of absl::<member>, which is looked up once.
#define ROUTER_ORIGINAL(member, result, ...)                          \
  ([]() -> Function<result, __VA_ARGS__> {                            \
    static void* const original = Original(member);                   \
    return reinterpret_cast<Function<result, __VA_ARGS__>>(original); \
  }())

constexpr unsigned kWriter = 0;
constexpr unsigned kReader = __tsan_mutex_read_lock;

// The mutexes that this thread holds as a reader: what Await gives up and takes again.
std::vector<const void*>& HeldAsReader() {
  thread_local std::vector<const void*> held;
  return held;
}

unsigned ModeHeld(const void* mutex) {
  const std::vector<const void*>& held = HeldAsReader();
  return std::find(held.begin(), held.end(), mutex) == held.end() ? kWriter : kReader;
}

// While one of Abseil's functions calls another of them, only the outer one is announced.
thread_local bool inside_original = false;

class InsideOriginal {
 public:
  InsideOriginal() { inside_original = true; }
  ~InsideOriginal() { inside_original = false; }
};

template <typename Lock>
auto Locking(absl::Mutex* mutex, unsigned mode, Lock lock) {
  if (inside_original) return lock();
  struct Announcement {
    Announcement(absl::Mutex* m, unsigned flags) : mutex(m), mode(flags) {
      __tsan_mutex_pre_lock(mutex, mode);
    }
    ~Announcement() { __tsan_mutex_post_lock(mutex, mode, 0); }
    absl::Mutex* const mutex;
    const unsigned mode;
  };
  const Announcement announcement(mutex, mode);
  const InsideOriginal inside;
  return lock();
}

template <typename Try>
bool Trying(absl::Mutex* mutex, unsigned mode, Try attempt) {
  if (inside_original) return attempt();
  const unsigned flags = mode | __tsan_mutex_try_lock;
  __tsan_mutex_pre_lock(mutex, flags);
  const bool locked = attempt();
  __tsan_mutex_post_lock(mutex, locked ? flags : flags | __tsan_mutex_try_lock_failed, 0);
  return locked;
}

template <typename Unlock>
void Unlocking(absl::Mutex* mutex, unsigned mode, Unlock unlock) {
  if (inside_original) return unlock();
  __tsan_mutex_pre_unlock(mutex, mode);
  {
    const InsideOriginal inside;
    unlock();
  }
  __tsan_mutex_post_unlock(mutex, mode);
}

// For what gives up a mutex that is held, and holds it again at its end.
template <typename Wait>
auto Relocking(absl::Mutex* mutex, Wait wait) {
  if (inside_original) return wait();
  const unsigned mode = ModeHeld(mutex);
  Unlocking(mutex, mode, [] {});
  return Locking(mutex, mode, wait);
}

void HoldAsReader(const absl::Mutex* mutex) {
  if (!inside_original) HeldAsReader().push_back(mutex);
}

// The flag that Notification::HasBeenNotified, which is inline, reads: it follows the mutex.
void* NotifiedFlag(const absl::Notification* notification) {
  return const_cast<char*>(reinterpret_cast<const char*>(notification)) + sizeof(absl::Mutex);
}

}  // namespace

namespace absl {
ABSL_NAMESPACE_BEGIN

Mutex::~Mutex() {
  __tsan_mutex_destroy(this, __tsan_mutex_not_static);
  ROUTER_ORIGINAL("5MutexD1Ev", void, Mutex*)(this);
}

void Mutex::Lock() {
  Locking(this, kWriter, [this] { ROUTER_ORIGINAL("5Mutex4LockEv", void, Mutex*)(this); });
}

void Mutex::Unlock() {
  Unlocking(this, kWriter, [this] { ROUTER_ORIGINAL("5Mutex6UnlockEv", void, Mutex*)(this); });
}

bool Mutex::TryLock() {
  return Trying(this, kWriter,
                [this] { return ROUTER_ORIGINAL("5Mutex7TryLockEv", bool, Mutex*)(this); });
}

void Mutex::ReaderLock() {
  Locking(this, kReader, [this] { ROUTER_ORIGINAL("5Mutex10ReaderLockEv", void, Mutex*)(this); });
  HoldAsReader(this);
}

void Mutex::ReaderUnlock() {
  std::vector<const void*>& held = HeldAsReader();
  const auto found = std::find(held.begin(), held.end(), this);
  if (found != held.end()) held.erase(found);
  Unlocking(this, kReader, [this] {
    ROUTER_ORIGINAL("5Mutex12ReaderUnlockEv", void, Mutex*)(this);
  });
}

bool Mutex::ReaderTryLock() {
  const bool locked = Trying(this, kReader, [this] {
    return ROUTER_ORIGINAL("5Mutex13ReaderTryLockEv", bool, Mutex*)(this);
  });
  if (locked) HoldAsReader(this);
  return locked;
}

void Mutex::LockWhen(const Condition& condition) {
  Locking(this, kWriter, [&] {
    ROUTER_ORIGINAL("5Mutex8LockWhenERKNS0_9ConditionE", void, Mutex*, const Condition*)
    (this, &condition);
  });
}

bool Mutex::LockWhenWithTimeout(const Condition& condition, Duration timeout) {
  return Locking(this, kWriter, [&] {
    return ROUTER_ORIGINAL("5Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE", bool,
                           Mutex*, const Condition*, Duration)(this, &condition, timeout);
  });
}

bool Mutex::LockWhenWithDeadline(const Condition& condition, Time deadline) {
  return Locking(this, kWriter, [&] {
    return ROUTER_ORIGINAL("5Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool, Mutex*,
                           const Condition*, Time)(this, &condition, deadline);
  });
}

void Mutex::ReaderLockWhen(const Condition& condition) {
  Locking(this, kReader, [&] {
    ROUTER_ORIGINAL("5Mutex14ReaderLockWhenERKNS0_9ConditionE", void, Mutex*, const Condition*)
    (this, &condition);
  });
  HoldAsReader(this);
}

bool Mutex::ReaderLockWhenWithTimeout(const Condition& condition, Duration timeout) {
  const bool holds = Locking(this, kReader, [&] {
    return ROUTER_ORIGINAL("5Mutex25ReaderLockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE",
                           bool, Mutex*, const Condition*, Duration)(this, &condition, timeout);
  });
  HoldAsReader(this);
  return holds;
}

bool Mutex::ReaderLockWhenWithDeadline(const Condition& condition, Time deadline) {
  const bool holds = Locking(this, kReader, [&] {
    return ROUTER_ORIGINAL("5Mutex26ReaderLockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool,
                           Mutex*, const Condition*, Time)(this, &condition, deadline);
  });
  HoldAsReader(this);
  return holds;
}

void Mutex::Await(const Condition& condition) {
  Relocking(this, [&] {
    ROUTER_ORIGINAL("5Mutex5AwaitERKNS0_9ConditionE", void, Mutex*, const Condition*)
    (this, &condition);
  });
}

bool Mutex::AwaitWithTimeout(const Condition& condition, Duration timeout) {
  return Relocking(this, [&] {
    return ROUTER_ORIGINAL("5Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE", bool, Mutex*,
                           const Condition*, Duration)(this, &condition, timeout);
  });
}

bool Mutex::AwaitWithDeadline(const Condition& condition, Time deadline) {
  return Relocking(this, [&] {
    return ROUTER_ORIGINAL("5Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE", bool, Mutex*,
                           const Condition*, Time)(this, &condition, deadline);
  });
}

void CondVar::Wait(Mutex* mutex) {
  Relocking(mutex, [&] {
    ROUTER_ORIGINAL("7CondVar4WaitEPNS0_5MutexE", void, CondVar*, Mutex*)(this, mutex);
  });
}

bool CondVar::WaitWithTimeout(Mutex* mutex, Duration timeout) {
  return Relocking(mutex, [&] {
    return ROUTER_ORIGINAL("7CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE", bool, CondVar*,
                           Mutex*, Duration)(this, mutex, timeout);
  });
}

bool CondVar::WaitWithDeadline(Mutex* mutex, Time deadline) {
  return Relocking(mutex, [&] {
    return ROUTER_ORIGINAL("7CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE", bool, CondVar*,
                           Mutex*, Time)(this, mutex, deadline);
  });
}

void Notification::Notify() {
  __tsan_release(NotifiedFlag(this));
  ROUTER_ORIGINAL("12Notification6NotifyEv", void, Notification*)(this);
}

void Notification::WaitForNotification() const {
  ROUTER_ORIGINAL("K12Notification19WaitForNotificationEv", void, const Notification*)(this);
  __tsan_acquire(NotifiedFlag(this));
}

bool Notification::WaitForNotificationWithTimeout(Duration timeout) const {
  const bool notified =
      ROUTER_ORIGINAL("K12Notification30WaitForNotificationWithTimeoutENS0_8DurationE", bool,
                      const Notification*, Duration)(this, timeout);
  if (notified) __tsan_acquire(NotifiedFlag(this));
  return notified;
}

bool Notification::WaitForNotificationWithDeadline(Time deadline) const {
  const bool notified =
      ROUTER_ORIGINAL("K12Notification31WaitForNotificationWithDeadlineENS0_4TimeE", bool,
                      const Notification*, Time)(this, deadline);
  if (notified) __tsan_acquire(NotifiedFlag(this));
  return notified;
}

bool BlockingCounter::DecrementCount() {
  __tsan_release(this);
  return ROUTER_ORIGINAL("15BlockingCounter14DecrementCountEv", bool, BlockingCounter*)(this);
}

void BlockingCounter::Wait() {
  ROUTER_ORIGINAL("15BlockingCounter4WaitEv", void, BlockingCounter*)(this);
  __tsan_acquire(this);
}

ABSL_NAMESPACE_END
}  // namespace absl
