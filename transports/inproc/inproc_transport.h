#ifndef ROUTER_TRANSPORTS_INPROC_INPROC_TRANSPORT_H_
#define ROUTER_TRANSPORTS_INPROC_INPROC_TRANSPORT_H_

#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "transports/fault_injector.h"
#include "transports/inproc/inproc_options.h"
#include "transports/inproc/inproc_stream.h"
#include "transports/inproc/inproc_window.h"
#include "transports/transport.h"

namespace router {

// A broker inside the process and the transport to it, with the semantics of NATS JetStream: for
// trying the router out without a broker, and for tests, which can take the broker down and make it
// withhold its confirmations.
//
// A confirmation proves no more than that the message is in this process's memory; it is gone when
// the transport is destroyed. A message of Guarantee::kReceived is stored as well, since the stream
// takes every subject, but its confirmation says nothing of the stream.
//
// Thread-safe. One thread of its own, which makes all callbacks; Stop must not be called from one.
class InprocTransport final : public Transport {
 public:
  // Borrows `faults`, which may be null and must outlive the transport.
  InprocTransport(InprocOptions options, FaultInjector* faults);
  ~InprocTransport() override;

  InprocTransport(const InprocTransport&) = delete;
  InprocTransport& operator=(const InprocTransport&) = delete;

  absl::Status Start(Observer* observer) override;
  void Publish(absl::Span<Delivery* const> deliveries) override;
  void Reconnect() override;
  void Stop(absl::Duration timeout) override;
  ConnectionStatus GetStatus() const override;
  int64_t max_payload_bytes() const override { return options_.max_payload_bytes; }
  int64_t max_in_flight() const override { return options_.max_in_flight; }

  // The broker is up from the start. Taking it down ends the epoch; what it stored is kept. Once it
  // is up again the next attempt to connect finds it.
  void SetBrokerUp(bool up);

  // While held, the broker stores what it gets but confirms nothing. Released, it confirms what is
  // unsettled still, in order.
  void HoldAcks(bool hold);

  // What the broker keeps, oldest first.
  std::vector<InprocStoredMessage> Messages() const { return stream_.Messages(); }

 private:
  void Run();
  bool ConnectUntilUp();                // False when the transport is to stop.
  bool TryConnect(std::string* error);  // One attempt; enters kConnected.
  void ReportFailedAttempt(bool is_reconnect, const std::string& error);
  void ReportUp();
  std::string Serve();  // Until the epoch is to end; returns why.
  void EndEpoch(const std::string& reason);
  std::vector<Delivery*> TakeUnsettled();

  absl::Duration DelayBeforeAttempt();
  bool WasStable() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  ConnectionEvent MakeEvent(ConnectionEvent::Kind kind) const;
  bool IsStopping() const;
  void Pause(absl::Duration duration);  // Until Stop or Reconnect at most.
  void WaitUntil(absl::optional<SteadyTime> time) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::string_view WhyToEnd() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void EnterState(ConnectionState state) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const InprocOptions options_;
  const std::string url_;
  FaultInjector* const faults_;
  Observer* observer_ = nullptr;  // Set by Start, before the thread is there.

  InprocStream stream_;

  // The thread's own.
  InprocWindow window_;
  bool attempted_ = false;                 // At least once since Start.
  int attempts_ = 0;                       // To reconnect, since the last stable connection.
  bool exhausted_ = false;                 // Since the last stable connection.
  bool next_at_once_ = false;              // The next attempt has no delay.
  bool closes_at_once_ = false;            // An injected fault closes the new connection.
  absl::optional<SteadyTime> lost_since_;  // When the last connection was lost.

  absl::Mutex stop_mutex_;  // Held for the whole of Stop; taken before mutex_.
  std::thread thread_ ABSL_GUARDED_BY(stop_mutex_);

  mutable absl::Mutex mutex_;
  absl::CondVar changed_;
  std::vector<Delivery*> inbox_ ABSL_GUARDED_BY(mutex_);
  std::vector<Delivery*> late_ ABSL_GUARDED_BY(mutex_);  // Published after Stop was called.
  ConnectionStatus status_ ABSL_GUARDED_BY(mutex_);
  SteadyTime up_since_ ABSL_GUARDED_BY(mutex_);  // Of the present connection, or the last one.
  bool started_ ABSL_GUARDED_BY(mutex_) = false;
  bool reconnect_requested_ ABSL_GUARDED_BY(mutex_) = false;
  absl::optional<SteadyTime> stop_deadline_ ABSL_GUARDED_BY(mutex_);  // Set: stopping.
  bool broker_up_ ABSL_GUARDED_BY(mutex_) = true;
  bool broker_lost_us_ ABSL_GUARDED_BY(mutex_) = false;  // It went down since we connected.
  bool hold_acks_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_INPROC_INPROC_TRANSPORT_H_
