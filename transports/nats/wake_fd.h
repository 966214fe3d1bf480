#ifndef ROUTER_TRANSPORTS_NATS_WAKE_FD_H_
#define ROUTER_TRANSPORTS_NATS_WAKE_FD_H_

namespace router {

// An eventfd: readable from Signal() until Clear(). Thread-safe. Aborts where the process has no
// file descriptor left when it is made.
class WakeFd {
 public:
  WakeFd();
  ~WakeFd();
  WakeFd(const WakeFd&) = delete;
  WakeFd& operator=(const WakeFd&) = delete;

  int fd() const { return fd_; }
  void Signal();
  void Clear();

 private:
  const int fd_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_WAKE_FD_H_
