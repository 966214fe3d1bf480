#include "transports/nats/wake_fd.h"

#include <sys/eventfd.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>

namespace router {

WakeFd::WakeFd() : fd_(eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)) {
  if (fd_ < 0) {
    std::perror("eventfd");
    std::abort();
  }
}

WakeFd::~WakeFd() { close(fd_); }

void WakeFd::Signal() {
  const uint64_t one = 1;
  // Fails only where the counter is at its maximum, and then it is readable anyway.
  const ssize_t ignored = write(fd_, &one, sizeof(one));
  (void)ignored;
}

void WakeFd::Clear() {
  uint64_t count;
  const ssize_t ignored = read(fd_, &count, sizeof(count));  // Fails where it was not signalled.
  (void)ignored;
}

}  // namespace router
