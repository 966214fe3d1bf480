// What nats.c 3.4.1 does wrong for one thread that must never hang, put right from outside.
//
// The library calls some of its own functions through the dynamic linker. library_guard.cc defines
// functions of the same names, which therefore come first; they call the library's, and differ only
// for the version named here and, but for the first point, only on threads inside a scope below:
//
// - The line that answers CONNECT is read in a loop that knows no error but "closed": a server that
//   falls silent, or resets the connection, after INFO is waited for in a busy loop for ever.
// - The TLS handshake is done in blocking mode, without a timeout.
// - A connect cannot be cancelled.
// - In event-loop mode, reading TLS blocks without a timeout on a record that came in part.
// - natsSubscription_NextMsg drops a "no responders" answer, and with it the subject that says
//   which message is meant.
// - Every destroyed message is handed to a thread that frees it: a lock, a wake-up and a foreign
//   free for each, which more than doubles what a message costs.
//
// With any other version the functions do nothing but call the library's.
#ifndef ROUTER_TRANSPORTS_NATS_LIBRARY_GUARD_H_
#define ROUTER_TRANSPORTS_NATS_LIBRARY_GUARD_H_

#include <string>

#include "transports/transport.h"

namespace router {

// While one exists, every wait of the library on this thread ends at `deadline`, or as soon as
// `cancel_fd` is readable. Scopes do not nest.
class BoundedConnectScope {
 public:
  BoundedConnectScope(SteadyTime deadline, int cancel_fd);
  ~BoundedConnectScope();
  BoundedConnectScope(const BoundedConnectScope&) = delete;
  BoundedConnectScope& operator=(const BoundedConnectScope&) = delete;

  bool timed_out() const { return timed_out_; }
  bool cancelled() const { return cancelled_; }

  // The first bytes that the server sent: its INFO line, or a part of it. The library keeps no
  // server name.
  const std::string& first_bytes() const { return first_bytes_; }

 private:
  friend struct LibraryGuardAccess;

  const SteadyTime deadline_;
  const int cancel_fd_;
  int socket_ = -1;  // The one being connected.
  bool timed_out_ = false;
  bool cancelled_ = false;
  std::string first_bytes_;
};

// While one exists, reading on this thread never waits, natsSubscription_NextMsg returns "no
// responders" answers like any other message, and messages are freed at once. Scopes do not nest.
class EventLoopScope {
 public:
  EventLoopScope();
  ~EventLoopScope();
  EventLoopScope(const EventLoopScope&) = delete;
  EventLoopScope& operator=(const EventLoopScope&) = delete;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_LIBRARY_GUARD_H_
