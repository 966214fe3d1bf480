#ifndef ROUTER_TRANSPORTS_NATS_LAME_DUCK_H_
#define ROUTER_TRANSPORTS_NATS_LAME_DUCK_H_

#include <atomic>
#include <cstdint>

namespace router {

// Raised by the library when a server announces that it is going away.
//
// The library calls back on a thread of its own, possibly after the connection was destroyed, and
// has no last call after which a closure may be freed. So the closure is a number, looked up in a
// table of the flags that still exist; a late call finds nothing.
class LameDuckFlag {
 public:
  LameDuckFlag();
  ~LameDuckFlag();
  LameDuckFlag(const LameDuckFlag&) = delete;
  LameDuckFlag& operator=(const LameDuckFlag&) = delete;

  bool raised() const { return raised_.load(std::memory_order_relaxed); }

  // The closure for the library's callback.
  void* closure() const;
  // Raises the flag that `closure` stands for, if it still exists. Thread-safe.
  static void Raise(void* closure);

 private:
  std::atomic<bool> raised_{false};
  const uint64_t number_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_LAME_DUCK_H_
