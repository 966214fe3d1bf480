// Transport is the interface to a broker. The rest of the router knows brokers only through it.
//
// A transport connects, keeps reconnecting until it is stopped, and delivers what it is handed
// while a connection is up. It stores nothing: whatever it cannot confirm it gives back.
//
// Every established connection is an *epoch*, numbered from 1. A confirmation always belongs to the
// epoch in which the message was sent; when an epoch ends, everything unconfirmed is handed back in
// the order in which it was sent. An epoch may move to another server of the same broker, as long
// as nothing in it is unsettled at that moment: a planned move is no loss.
#ifndef ROUTER_TRANSPORTS_TRANSPORT_H_
#define ROUTER_TRANSPORTS_TRANSPORT_H_

#include <chrono>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "transports/message.h"

namespace router {

// Timeouts are measured on the monotonic clock: a jump of the wall clock changes none of them.
using SteadyTime = std::chrono::steady_clock::time_point;

// How one attempt to deliver ended.
enum class Verdict {
  kPending,    // Not settled yet.
  kConfirmed,  // The guarantee that was asked for is proved.
  kRefused,    // The broker refused it and will refuse it again. Not stored.
  kFailed,     // Not delivered, and surely not stored. May be tried again.
  kInDoubt,    // Sent, but never confirmed: it may or may not have been stored. May be tried again
               // with the same message id.
};

// Why an attempt was not confirmed. The names are label values of
// router_nats_publish_failure_reasons_total.
enum class FailureReason {
  kNone,
  kNotConnected,
  kTimeout,
  kConnectionClosed,
  kNoResponders,
  kBrokerError,
  kFaultInjected,
};
// "not_connected", "timeout", …; "" for kNone.
absl::string_view FailureReasonName(FailureReason reason);

// Why a broker refused for good.
enum class Refusal {
  kNone,
  kNoStreamForSubject,
  kMessageTooLarge,
  kOther,  // An expectation that does not hold, or another permanent error of the broker.
};

// One message handed to a transport, and what came of it. Owned by whoever hands it over, who keeps
// it alive until it is settled.
struct Delivery {
  Message message;

  // A hash of the ordering key: deliveries with the same one are meant to be stored in the order of
  // Publish.
  uint64_t key_hash = 0;

  // How many deliveries that were TriedAgain the owner had been told of, by OnSettled, when it
  // handed this one over: so that the transport knows of which failures of its key the owner was
  // aware.
  uint64_t failures_known = 0;

  // Set by the owner. Where no stream takes the subject it will be tried again: one may be made.
  bool waits_for_stream = false;

  // Transient refusals are retried inside the transport until then; past it an unconfirmed delivery
  // is settled as kFailed or kInDoubt.
  SteadyTime deadline;

  // Set by the owner. InfiniteFuture: surely never sent before. Otherwise an earlier attempt may
  // have stored it, not before this time.
  absl::Time first_sent_time = absl::InfiniteFuture();

  // Set by the transport before it reports the delivery; never touched by it afterwards.
  Verdict verdict = Verdict::kPending;
  FailureReason reason = FailureReason::kNone;
  Refusal refusal = Refusal::kNone;
  absl::string_view
      stream;             // Where it is stored (kStored). Interned: valid as long as the transport.
  uint64_t sequence = 0;  // Its sequence there, from 1.
  bool duplicate = false;  // The broker had it already; a confirmation like any other.
  bool possible_duplicate =
      false;  // It was sent again, and nobody can know whether the first time had stored it.
  std::string error;  // For people. Empty when confirmed. Never holds payload or secrets.
};

// Whether a settled delivery is to be tried again, so that what comes behind it of its key must not
// overtake it.
inline bool TriedAgain(const Delivery& delivery) {
  return delivery.verdict == Verdict::kFailed || delivery.verdict == Verdict::kInDoubt ||
         (delivery.refusal == Refusal::kNoStreamForSubject && delivery.waits_for_stream);
}

enum class ConnectionState {
  kDisconnected,  // Never connected.
  kConnected,
  kReconnecting,  // Lost, or failed to start, and inside the attempt budget after having been up.
  kExhausted,     // The attempt budget ran out. Attempts go on at the longest delay.
  kStopped,
};
absl::string_view ConnectionStateName(ConnectionState state);  // "connected", …

// A consistent snapshot for status pages.
struct ConnectionStatus {
  ConnectionState state = ConnectionState::kDisconnected;
  std::string server_url;  // Without credentials. Empty when not connected.
  std::string server_name;
  uint64_t epoch = 0;      // The present one, or the last one. 0: never connected.
  int attempts = 0;        // Attempts since the last stable connection.
  std::string last_error;  // Of the last failed attempt or lost connection.
  absl::Time since;        // When `state` was entered, wall clock.
};

// Something happened to the connection. Fields that do not belong to the kind are empty.
struct ConnectionEvent {
  enum class Kind {
    kEstablished,       // url, server_name, epoch
    kLost,              // reason, attempts (0)
    kReconnectAttempt,  // attempt, max_attempts, delay: an attempt after a loss or a failed start,
                        // reported when its delay begins
    kAttemptFailed,     // attempt, reason, is_reconnect
    kExhausted,         // attempts. Once per outage
    kRestored,          // attempts, outage; follows kEstablished when an earlier one was lost
  };
  Kind kind;
  std::string url;
  std::string server_name;
  uint64_t epoch = 0;
  int attempts = 0;           // `attempt` for the kinds that have one; counted from 1.
  int max_attempts = 0;       // <= 0: no budget.
  bool is_reconnect = false;  // False only for the very first attempt after Start.
  absl::Duration delay;
  absl::Duration outage;
  std::string reason;
};

class Transport {
 public:
  // What the owner of a transport is told. Calls come from the transport's own thread, one at a
  // time, and never while the transport holds a lock that Publish needs.
  class Observer {
   public:
    virtual ~Observer() = default;

    // From now on Publish is taken for this epoch.
    virtual void OnUp(uint64_t epoch) = 0;

    // The epoch has ended. `take_unsettled` returns everything handed over and not settled, in the
    // order of Publish, each with its verdict (kInDoubt where it may have been sent, else kFailed).
    // The observer calls it exactly once, inside this call, and from that moment on hands nothing
    // over until the next OnUp.
    virtual void OnDown(absl::FunctionRef<std::vector<Delivery*>()> take_unsettled) = 0;

    // These deliveries are settled; ownership is the observer's again.
    virtual void OnSettled(absl::Span<Delivery* const> deliveries) = 0;

    // For metrics and logs. kEstablished comes before OnUp, kLost after OnDown.
    virtual void OnConnectionEvent(const ConnectionEvent& event) = 0;
  };

  virtual ~Transport() = default;

  // Starts connecting in the background and returns at once; a broker that cannot be reached is not
  // an error. INVALID_ARGUMENT for settings that can never work, such as an unreadable file of
  // credentials. Borrows `observer`, which must outlive the transport. Call once.
  virtual absl::Status Start(Observer* observer) = 0;

  // Hands deliveries over, in order. Those of one key are stored in this order, and where one of
  // them is to be TriedAgain, those behind it that have not been sent yet are settled as kFailed.
  // Unless the transport sends one of a key at a time, the broker may still refuse one and take
  // another that was sent behind it. Thread-safe, never blocks, makes no callback. Only between
  // OnUp and OnDown, and never more than `max_in_flight` unsettled ones in all: the caller counts.
  virtual void Publish(absl::Span<Delivery* const> deliveries) = 0;

  // Drops the connection, if there is one, and connects again at once; ends a running backoff.
  virtual void Reconnect() = 0;

  // Takes no more, waits up to `timeout` for what is unsettled, then ends the epoch (OnDown) and
  // the transport's threads. Idempotent. The destructor does the same with no wait.
  virtual void Stop(absl::Duration timeout) = 0;

  // Thread-safe; cheap enough for a status page, not for every message.
  virtual ConnectionStatus GetStatus() const = 0;

  // Most bytes of payload and headers in one message, as the broker last said; a default before the
  // first connection. Thread-safe, wait-free.
  virtual int64_t max_payload_bytes() const = 0;

  // Most deliveries that may be unsettled at a time. Constant.
  virtual int64_t max_in_flight() const = 0;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_TRANSPORT_H_
