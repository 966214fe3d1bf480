// Each test shares plain memory between two threads, kept apart by one of Abseil's locks. In a
// build with ThreadSanitizer a test fails when the use of that lock is not seen.

#include <functional>
#include <thread>

#include "absl/synchronization/blocking_counter.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "gtest/gtest.h"

namespace router {
namespace {

constexpr absl::Duration kLong = absl::Seconds(60);
constexpr absl::Duration kShort = absl::Milliseconds(5);

// A number that one thread sets and another waits for.
struct Shared {
  absl::Mutex mutex;
  absl::CondVar changed;
  int value = 0;

  bool IsSet() const { return value != 0; }
};

void Set(Shared* shared) {
  absl::MutexLock lock(&shared->mutex);
  shared->value = 1;
  shared->changed.SignalAll();
}

// Runs `wait`, which must return once the number is set and with it seen, beside a thread that sets
// the number.
void ExpectWaitSeesValue(const std::function<int(Shared*)>& wait) {
  Shared shared;
  std::thread setter(Set, &shared);
  EXPECT_EQ(wait(&shared), 1);
  setter.join();
}

absl::Condition IsSet(Shared* shared) { return absl::Condition(shared, &Shared::IsSet); }

TEST(AbslAnnotationsTest, SeesLockAndUnlock) {
  ExpectWaitSeesValue([](Shared* shared) {
    for (;;) {
      absl::MutexLock lock(&shared->mutex);
      if (shared->value != 0) return shared->value;
    }
  });
}

TEST(AbslAnnotationsTest, SeesTryLock) {
  ExpectWaitSeesValue([](Shared* shared) {
    for (int value = 0;;) {
      if (!shared->mutex.TryLock()) continue;
      value = shared->value;
      shared->mutex.Unlock();
      if (value != 0) return value;
    }
  });
}

TEST(AbslAnnotationsTest, SeesReaderLocks) {
  ExpectWaitSeesValue([](Shared* shared) {
    for (;;) {
      absl::ReaderMutexLock lock(&shared->mutex);
      if (shared->value != 0) return shared->value;
    }
  });
  ExpectWaitSeesValue([](Shared* shared) {
    for (int value = 0;;) {
      if (!shared->mutex.ReaderTryLock()) continue;
      value = shared->value;
      shared->mutex.ReaderUnlock();
      if (value != 0) return value;
    }
  });
}

TEST(AbslAnnotationsTest, SeesLockWhen) {
  ExpectWaitSeesValue([](Shared* shared) {
    absl::MutexLock lock(&shared->mutex, IsSet(shared));
    return shared->value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    shared->mutex.LockWhenWithTimeout(IsSet(shared), kLong);
    const int value = shared->value;
    shared->mutex.Unlock();
    return value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    shared->mutex.LockWhenWithDeadline(IsSet(shared), absl::Now() + kLong);
    const int value = shared->value;
    shared->mutex.Unlock();
    return value;
  });
}

TEST(AbslAnnotationsTest, SeesReaderLockWhen) {
  ExpectWaitSeesValue([](Shared* shared) {
    absl::ReaderMutexLock lock(&shared->mutex, IsSet(shared));
    return shared->value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    shared->mutex.ReaderLockWhenWithTimeout(IsSet(shared), kLong);
    const int value = shared->value;
    shared->mutex.ReaderUnlock();
    return value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    shared->mutex.ReaderLockWhenWithDeadline(IsSet(shared), absl::Now() + kLong);
    const int value = shared->value;
    shared->mutex.ReaderUnlock();
    return value;
  });
}

TEST(AbslAnnotationsTest, SeesAwait) {
  ExpectWaitSeesValue([](Shared* shared) {
    absl::MutexLock lock(&shared->mutex);
    shared->mutex.Await(IsSet(shared));
    return shared->value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    absl::MutexLock lock(&shared->mutex);
    shared->mutex.AwaitWithTimeout(IsSet(shared), kLong);
    return shared->value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    absl::ReaderMutexLock lock(&shared->mutex);
    shared->mutex.AwaitWithDeadline(IsSet(shared), absl::Now() + kLong);
    return shared->value;
  });
}

TEST(AbslAnnotationsTest, SeesCondVarWaits) {
  ExpectWaitSeesValue([](Shared* shared) {
    absl::MutexLock lock(&shared->mutex);
    while (shared->value == 0) shared->changed.Wait(&shared->mutex);
    return shared->value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    absl::MutexLock lock(&shared->mutex);
    while (shared->value == 0) shared->changed.WaitWithTimeout(&shared->mutex, kShort);
    return shared->value;
  });
  ExpectWaitSeesValue([](Shared* shared) {
    absl::MutexLock lock(&shared->mutex);
    while (shared->value == 0) {
      shared->changed.WaitWithDeadline(&shared->mutex, absl::Now() + kShort);
    }
    return shared->value;
  });
}

TEST(AbslAnnotationsTest, HoldsMutexAfterTimedOutWait) {
  Shared shared;
  absl::MutexLock lock(&shared.mutex);
  EXPECT_FALSE(shared.mutex.AwaitWithTimeout(IsSet(&shared), kShort));
  EXPECT_TRUE(shared.changed.WaitWithTimeout(&shared.mutex, kShort));
  shared.mutex.AssertHeld();
}

// Runs `wait`, which must return once `done` has been notified, beside a thread that notifies.
void ExpectNotificationSeen(const std::function<void(absl::Notification*)>& wait) {
  absl::Notification done;
  int value = 0;
  std::thread notifier([&] {
    value = 1;
    done.Notify();
  });
  wait(&done);
  EXPECT_EQ(value, 1);
  notifier.join();
}

TEST(AbslAnnotationsTest, SeesNotification) {
  ExpectNotificationSeen([](absl::Notification* done) { done->WaitForNotification(); });
  ExpectNotificationSeen(
      [](absl::Notification* done) { EXPECT_TRUE(done->WaitForNotificationWithTimeout(kLong)); });
  ExpectNotificationSeen([](absl::Notification* done) {
    EXPECT_TRUE(done->WaitForNotificationWithDeadline(absl::Now() + kLong));
  });
  ExpectNotificationSeen([](absl::Notification* done) {
    while (!done->HasBeenNotified()) std::this_thread::yield();
  });
}

TEST(AbslAnnotationsTest, SeesBlockingCounter) {
  absl::BlockingCounter left(2);
  int values[2] = {0, 0};
  const auto count = [&](int index) {
    values[index] = 1;
    left.DecrementCount();
  };
  std::thread first(count, 0);
  std::thread second(count, 1);
  left.Wait();
  EXPECT_EQ(values[0] + values[1], 2);
  first.join();
  second.join();
}

}  // namespace
}  // namespace router
