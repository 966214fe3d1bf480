// Ctrl-C as an event: a command that goes on until somebody stops it ends in order.
#ifndef ROUTER_CLIENTS_CLI_INTERRUPT_H_
#define ROUTER_CLIENTS_CLI_INTERRUPT_H_

#include <signal.h>

#include <functional>
#include <thread>

namespace router::cli {

// While it lives, the first SIGINT or SIGTERM calls `on_interrupt` on a thread of its own instead
// of ending the process; a second one of its kind ends the process as ever. One at a time in a
// process.
class Interrupt {
 public:
  explicit Interrupt(std::function<void()> on_interrupt);
  ~Interrupt();

  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  int pipe_[2];
  struct sigaction old_int_;
  struct sigaction old_term_;
  std::thread thread_;
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_INTERRUPT_H_
