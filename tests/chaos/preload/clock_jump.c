// Preloaded into routerd: moves its wall clock by as much as a file says, while it runs. Monotonic
// clocks go on as they are, as they do when somebody sets the time of a machine.
//
//   CLOCK_JUMP_CONTROL   a file with one int64_t: nanoseconds to be added. Without it, nothing is
//   done.
//
// Waiting for a moment of the wall clock in the kernel (futex and condition variables) is emulated
// in short slices, so that a wait under way gets longer or shorter with a jump as a real one does.
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static const int64_t kSecond = 1000000000;
static const int64_t kSlice = 5000000;

static const volatile int64_t* jump_ns;

__attribute__((constructor)) static void Start(void) {
  const char* const path = getenv("CLOCK_JUMP_CONTROL");
  if (path == NULL) return;
  const int fd = open(path, O_RDONLY | O_CLOEXEC);
  void* const at = mmap(NULL, sizeof(int64_t), PROT_READ, MAP_SHARED, fd, 0);
  if (fd < 0 || at == MAP_FAILED) abort();
  jump_ns = at;
  close(fd);
}

static int64_t Jump(void) { return jump_ns == NULL ? 0 : *jump_ns; }
static int64_t ToNs(const struct timespec* t) { return t->tv_sec * kSecond + t->tv_nsec; }

static struct timespec FromNs(int64_t ns) {
  struct timespec t = {ns / kSecond, ns % kSecond};
  return t;
}

// The machine's own time, without the jump.
static int64_t TrueNow(void) {
  struct timespec now;
  syscall(SYS_clock_gettime, CLOCK_REALTIME, &now);
  return ToNs(&now);
}

int clock_gettime(clockid_t clock, struct timespec* time) {
  static int (*real)(clockid_t, struct timespec*);
  if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, "clock_gettime");
  const int result = real(clock, time);
  if (result == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
    *time = FromNs(ToNs(time) + Jump());
  }
  return result;
}

int gettimeofday(struct timeval* restrict time, void* restrict zone) {
  (void)zone;
  const int64_t now = TrueNow() + Jump();
  time->tv_sec = now / kSecond;
  time->tv_usec = now % kSecond / 1000;
  return 0;
}

time_t time(time_t* result) {
  const time_t now = (TrueNow() + Jump()) / kSecond;
  if (result != NULL) *result = now;
  return now;
}

// The true time until which to wait now, for a deadline of the moved clock: a slice, or what is
// left.
static struct timespec NextSlice(int64_t deadline_ns) {
  const int64_t now = TrueNow();
  const int64_t left = deadline_ns - Jump() - now;
  return FromNs(now + (left < kSlice ? left : kSlice));
}

static int HasCome(int64_t deadline_ns) { return TrueNow() + Jump() >= deadline_ns; }

static long WaitOnFutex(int* word, int operation, int value, const struct timespec* deadline,
                        void* word2, int value3) {
  const int64_t deadline_ns = ToNs(deadline);
  while (1) {
    const struct timespec slice = NextSlice(deadline_ns);
    const long result = syscall(SYS_futex, word, operation, value, &slice, word2, value3);
    if (result == 0 || errno != ETIMEDOUT || HasCome(deadline_ns)) return result;
  }
}

// Abseil calls the kernel by this function.
long syscall(long number, ...) {
  static long (*real)(long, ...);
  if (real == NULL) real = (__typeof__(real))dlsym(RTLD_NEXT, "syscall");
  va_list arguments;
  va_start(arguments, number);
  long a[6];
  for (int i = 0; i < 6; ++i) a[i] = va_arg(arguments, long);
  va_end(arguments);
  static __thread int inside;
  const int operation = (int)a[1];
  if (number == SYS_futex && !inside && (operation & FUTEX_CLOCK_REALTIME) && a[3] != 0) {
    inside = 1;
    const long result = WaitOnFutex((int*)a[0], operation, (int)a[2], (const struct timespec*)a[3],
                                    (void*)a[4], (int)a[5]);
    inside = 0;
    return result;
  }
  return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
}

int pthread_cond_timedwait(pthread_cond_t* restrict condition, pthread_mutex_t* restrict mutex,
                           const struct timespec* restrict deadline) {
  static __typeof__(&pthread_cond_timedwait) real;
  if (real == NULL)
    real = (__typeof__(real))dlvsym(RTLD_NEXT, "pthread_cond_timedwait", "GLIBC_2.3.2");
  const int64_t deadline_ns = ToNs(deadline);
  // Whose clock is monotonic, and has nothing to do with this: its deadlines are far in the past.
  if (deadline_ns < TrueNow() / 2) return real(condition, mutex, deadline);
  while (1) {
    const struct timespec slice = NextSlice(deadline_ns);
    const int result = real(condition, mutex, &slice);
    if (result != ETIMEDOUT || HasCome(deadline_ns)) return result;
  }
}
