// NATS as a transport: JetStream for Guarantee::kStored, core NATS for Guarantee::kReceived.
#ifndef ROUTER_TRANSPORTS_NATS_NATS_TRANSPORT_H_
#define ROUTER_TRANSPORTS_NATS_NATS_TRANSPORT_H_

#include <atomic>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "transports/fault_injector.h"
#include "transports/nats/in_flight_window.h"
#include "transports/nats/key_failures.h"
#include "transports/nats/nats_options.h"
#include "transports/nats/stream_names.h"
#include "transports/nats/supervisor.h"
#include "transports/nats/wake_fd.h"
#include "transports/transport.h"

namespace router {

class NatsConnection;
class NatsSession;

// Delivers to NATS over one connection at a time.
//
// kConfirmed proves, for kStored, that JetStream has answered with a sequence: the server process
// has written the message, which survives the death of that process, and that of its machine as far
// as the stream is replicated. For kReceived, that the server has parsed the message.
//
// One thread does everything: it connects, sends, reads, settles, and waits between attempts. Only
// a lone message, with nothing unsettled before it, is sent by the thread that publishes it, which
// saves it the time that waking the other one takes. Nobody ever waits for a server that is
// connected; a server that takes or sends nothing is given up after `write_deadline` or the ping
// budget. Memory is bounded by the window and one buffer.
//
// A message that the broker refuses for the moment (no responders, stream full, insufficient
// resources) is sent again with the same number and message id until its deadline; those of the
// same subject that were not sent yet wait behind it. A subject that no stream takes is refused for
// good.
//
// When a server announces that it will go away (lame duck), the epoch moves to another server: a
// connection is made there, the window is drained, and what comes next is sent over the new
// connection. Nothing is unsettled at that moment, so the observer has nothing to be told but
// kEstablished, with the number of the epoch that goes on. Handing back what waits in the inbox
// instead would have it queued, or dropped in fail-open mode, though both servers are well.
//
// Host names are looked up with getaddrinfo, which cannot be interrupted: Stop may take as long.
class NatsTransport : public Transport {
 public:
  // Borrows `faults`, which may be null and else must outlive this.
  NatsTransport(NatsOptions options, FaultInjector* faults);
  ~NatsTransport() override;

  absl::Status Start(Observer* observer) override ABSL_LOCKS_EXCLUDED(lifecycle_mutex_);
  void Publish(absl::Span<Delivery* const> deliveries) override
      ABSL_LOCKS_EXCLUDED(inbox_mutex_, session_mutex_);
  void Reconnect() override;
  // Must not be called by the observer's callbacks.
  void Stop(absl::Duration timeout) override ABSL_LOCKS_EXCLUDED(lifecycle_mutex_);
  ConnectionStatus GetStatus() const override { return supervisor_.GetStatus(); }
  int64_t max_payload_bytes() const override {
    return max_payload_bytes_.load(std::memory_order_relaxed);
  }
  int64_t max_in_flight() const override ABSL_NO_THREAD_SAFETY_ANALYSIS {
    return window_.capacity();  // Constant.
  }

 private:
  void Run();
  void RunEpoch(std::unique_ptr<NatsSession> session);
  bool Move(std::unique_ptr<NatsSession>* session);
  void DrainWindow();
  void StopSession();
  void EndEpoch();
  std::unique_ptr<NatsSession> NewSession(std::unique_ptr<NatsConnection> connection);
  void Use(NatsSession* session) ABSL_LOCKS_EXCLUDED(session_mutex_);
  void SetMoving(bool moving) ABSL_LOCKS_EXCLUDED(session_mutex_);
  bool SendAtOnce() ABSL_LOCKS_EXCLUDED(inbox_mutex_, session_mutex_);
  void Iterate(bool send) ABSL_LOCKS_EXCLUDED(inbox_mutex_, session_mutex_);
  void Close(absl::string_view reason) ABSL_LOCKS_EXCLUDED(session_mutex_);
  bool IsClosed() const ABSL_LOCKS_EXCLUDED(session_mutex_);
  bool IsWindowEmpty() const ABSL_LOCKS_EXCLUDED(session_mutex_);
  bool IsAllSettled() const ABSL_LOCKS_EXCLUDED(session_mutex_);
  void Report() ABSL_LOCKS_EXCLUDED(session_mutex_);
  void TakeInbox() ABSL_LOCKS_EXCLUDED(inbox_mutex_) ABSL_EXCLUSIVE_LOCKS_REQUIRED(session_mutex_);
  std::vector<Delivery*> TakeUnsettled() ABSL_LOCKS_EXCLUDED(inbox_mutex_, session_mutex_);

  const NatsOptions options_;
  FaultInjector* const faults_;

  std::atomic<int64_t> max_payload_bytes_;
  WakeFd wake_;  // Something for the thread to look at.
  WakeFd stop_;  // Readable for good once Stop was called.
  std::atomic<bool> stopping_{false};
  std::atomic<int64_t> stop_timeout_ns_{0};
  std::atomic<bool> reconnect_requested_{false};

  Supervisor supervisor_;

  Observer* observer_ = nullptr;  // Of the thread alone, once it runs.

  // Held by the thread while it sends, reads and settles, and by whoever sends a lone message.
  // Before inbox_mutex_.
  mutable absl::Mutex session_mutex_;
  InFlightWindow window_ ABSL_GUARDED_BY(session_mutex_);
  KeyFailures failures_ ABSL_GUARDED_BY(session_mutex_);
  StreamNames stream_names_ ABSL_GUARDED_BY(session_mutex_);
  NatsSession* session_ ABSL_GUARDED_BY(session_mutex_) = nullptr;  // Null between epochs.
  bool moving_ ABSL_GUARDED_BY(session_mutex_) = false;  // To another server: nothing new is sent.
  // Taken from the inbox, not yet sent.
  std::deque<Delivery*> queue_ ABSL_GUARDED_BY(session_mutex_);
  std::vector<Delivery*> arrivals_ ABSL_GUARDED_BY(session_mutex_);  // Scratch of TakeInbox.

  absl::Mutex inbox_mutex_;
  std::vector<Delivery*> inbox_ ABSL_GUARDED_BY(inbox_mutex_);

  absl::Mutex lifecycle_mutex_;
  std::thread thread_ ABSL_GUARDED_BY(lifecycle_mutex_);
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_NATS_TRANSPORT_H_
