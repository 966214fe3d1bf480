#include "clients/cli/interrupt.h"

#include <fcntl.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <utility>

namespace router::cli {
namespace {

// A signal handler can reach nothing else.
std::atomic<int> signal_pipe{-1};

void HandleSignal(int) {
  const int saved = errno;
  const char signalled = 's';
  // A full pipe has the news already.
  [[maybe_unused]] const ssize_t written = write(signal_pipe.load(), &signalled, 1);
  errno = saved;
}

char ReadOne(int descriptor) {
  char byte = 0;
  while (read(descriptor, &byte, 1) < 0 && errno == EINTR) {
  }
  return byte;
}

}  // namespace

Interrupt::Interrupt(std::function<void()> on_interrupt) {
  if (pipe2(pipe_, O_CLOEXEC) != 0) pipe_[0] = pipe_[1] = -1;
  signal_pipe.store(pipe_[1]);
  thread_ = std::thread([this, on_interrupt = std::move(on_interrupt)] {
    if (ReadOne(pipe_[0]) != 's') return;
    on_interrupt();
    // Further signals change nothing; the end is told by another letter.
    while (ReadOne(pipe_[0]) == 's') {
    }
  });
  struct sigaction action = {};
  action.sa_handler = HandleSignal;
  action.sa_flags = SA_RESETHAND;
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, &old_int_);
  sigaction(SIGTERM, &action, &old_term_);
}

Interrupt::~Interrupt() {
  sigaction(SIGINT, &old_int_, nullptr);
  sigaction(SIGTERM, &old_term_, nullptr);
  const char end = 'e';
  [[maybe_unused]] const ssize_t written = write(pipe_[1], &end, 1);
  thread_.join();
  signal_pipe.store(-1);
  close(pipe_[0]);
  close(pipe_[1]);
}

}  // namespace router::cli
