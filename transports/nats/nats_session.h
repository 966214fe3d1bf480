#ifndef ROUTER_TRANSPORTS_NATS_NATS_SESSION_H_
#define ROUTER_TRANSPORTS_NATS_NATS_SESSION_H_

#include <chrono>
#include <cstdint>
#include <deque>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "transports/fault_injector.h"
#include "transports/nats/hold_back.h"
#include "transports/nats/in_flight_window.h"
#include "transports/nats/key_failures.h"
#include "transports/nats/key_lanes.h"
#include "transports/nats/liveness.h"
#include "transports/nats/nats_connection.h"
#include "transports/nats/nats_options.h"
#include "transports/nats/stored_search.h"
#include "transports/nats/stream_names.h"
#include "transports/transport.h"

namespace router {

// One epoch: what is sent over one connection, and what the answers mean. Puts what it sends into
// the window and takes out what it settles; what is left there at the end of the epoch is handed
// back by TakeWindow. Never waits. Not thread-safe.
//
// Core messages are confirmed by fences: an empty message to our own inbox, sent behind them. The
// server handles what one client sends in order, so the echo proves that it has parsed everything
// before.
class NatsSession {
 public:
  // What outlives a session. `faults` may be null. The window must be empty at the start.
  struct Shared {
    InFlightWindow* window;
    KeyFailures* failures;
    StreamNames* stream_names;
    FaultInjector* faults;
  };

  // Borrows all but the connection.
  NatsSession(const NatsOptions& options, std::unique_ptr<NatsConnection> connection,
              const Shared& shared);

  // Settles what must not be sent, because one before it of its key has failed. To be called with
  // everything that was handed over before the last settled ones were reported; does nothing while
  // some are not.
  void FailOvertaking(std::deque<Delivery*>* queue);

  // Sends from the front of `queue` as much as the window and one buffer hold.
  void Send(std::deque<Delivery*>* queue, SteadyTime now);

  // What to sleep for: until the socket is ready or it is time for Tick.
  struct Sleep {
    int socket = -1;  // Closed: nothing to wait for.
    bool for_write = false;
    std::chrono::milliseconds longest{0};  // Zero while more of the queue can be sent.
  };
  // Gives what was sent to the socket.
  Sleep WriteOut(const std::deque<Delivery*>& queue);

  // Handles what has come in. Call when the socket is readable; does nothing once this is closed.
  void ReadIn(SteadyTime now);

  // Whether there is something that only the thread of the session does: what is settled and not
  // reported, not sent, or not taken by the socket.
  bool NeedsAttention() const {
    return closed_ || !settled_.empty() || connection_->wants_write() || delayed_until_.has_value();
  }

  // Deadlines, of the window and of `queue`; probes; the health of the connection. It has something
  // to do every 20 ms.
  void Tick(std::deque<Delivery*>* queue, SteadyTime now);

  // Settled since the last call.
  std::vector<Delivery*> TakeSettled() { return std::exchange(settled_, {}); }

  // Ends the epoch. What has arrived already is still handled. The first reason stays.
  void Close(absl::string_view reason);
  // The same, but what has arrived is not looked at.
  void Abort(absl::string_view reason);
  bool closed() const { return closed_; }
  const std::string& close_reason() const { return close_reason_; }

  // Takes everything out of the window, in the order of sending, with a verdict. After Close.
  std::vector<Delivery*> TakeWindow();

  const NatsConnection& connection() const { return *connection_; }

 private:
  void SendHead(std::deque<Delivery*>* queue, SteadyTime now);
  bool SendFaulty(const Fault& fault, std::deque<Delivery*>* queue, SteadyTime now);
  void SendNew(Delivery* delivery);
  void Admit(uint64_t number);
  void AdmitFreed();
  void Transmit(uint64_t number);
  NatsConnection::SendResult Hand(const InFlight& entry, uint64_t number);
  void TransmitAll(const std::vector<uint64_t>& numbers);
  void SendFence(SteadyTime now);
  void SendFenceWhereUseful(SteadyTime now);
  void Ask(absl::string_view subject);
  void HandleSearch(const NatsConnection::Reply& reply, SteadyTime now);
  void AskSearch();
  void HandleSearchResults();

  std::chrono::milliseconds SleepTime(const std::deque<Delivery*>& queue) const;
  void WriteNow(SteadyTime now);
  void HandleReplies(SteadyTime now);
  void HandleAck(const NatsConnection::Reply& reply, SteadyTime now);
  void HandleUnusualAck(uint64_t number, absl::string_view data, SteadyTime now);
  void HandleFence(uint64_t number, SteadyTime now);
  void HandleAnswer(const NatsConnection::Reply& reply);
  void RefuseDenied(SteadyTime now);
  void HoldBackEntry(uint64_t number, FailureReason reason, std::string error, SteadyTime now);

  void ExpireWindow(SteadyTime now);
  void ExpireQueue(std::deque<Delivery*>* queue, SteadyTime now);
  void ConfirmReceived(uint64_t number);
  void Confirm(uint64_t number, absl::string_view stream, uint64_t sequence, bool duplicate);
  void Refuse(uint64_t number, Refusal refusal, std::string error);
  void Settle(uint64_t number, Verdict verdict, FailureReason reason, std::string error);
  void SettleUnsent(Delivery* delivery, FailureReason reason, std::string error);
  // `reason` is that of the one it would overtake.
  void SettleOvertaking(Delivery* delivery, FailureReason reason);
  void LeaveLane(const Delivery& delivery, uint64_t number);
  void FailBehind(const Delivery& delivery, uint64_t number);

  const int64_t buffer_bytes_max_;
  const bool strict_order_;
  const std::unique_ptr<NatsConnection> connection_;
  InFlightWindow* const window_;
  KeyFailures* const failures_;
  StreamNames* const stream_names_;
  FaultInjector* const faults_;

  Liveness liveness_;
  HoldBack hold_back_;
  KeyLanes lanes_;
  std::vector<uint64_t> freed_keys_;  // Something of their lanes may be sent now.
  StoredSearch search_;
  std::vector<Delivery*> settled_;
  SteadyTime earliest_deadline_ = SteadyTime::max();  // No unsettled one is earlier.
  SteadyTime next_tick_;
  SteadyTime next_queue_scan_;
  int64_t buffered_bytes_ = 0;                // About as much stands in the connection's buffer.
  absl::optional<SteadyTime> delayed_until_;  // The head of the queue has drawn a delay.

  std::deque<uint64_t> fences_;   // On their way, oldest first.
  uint64_t confirmed_below_;      // All core messages below this number have passed a fence.
  int64_t core_since_fence_ = 0;  // Sent since the last fence.
  // Core messages below this number were sent at the same time as one that the server did not let
  // through. The library keeps only the last such complaint, so for these a fence proves nothing.
  uint64_t suspect_below_ = 0;

  bool closed_ = false;
  std::string close_reason_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_NATS_SESSION_H_
