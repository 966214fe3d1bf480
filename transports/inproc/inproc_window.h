#ifndef ROUTER_TRANSPORTS_INPROC_INPROC_WINDOW_H_
#define ROUTER_TRANSPORTS_INPROC_INPROC_WINDOW_H_

#include <deque>
#include <vector>

#include "absl/types/optional.h"
#include "absl/types/span.h"
#include "transports/fault_injector.h"
#include "transports/inproc/inproc_stream.h"
#include "transports/transport.h"

namespace router {

// What one epoch of an InprocTransport was handed and has not settled, in the order of Publish, and
// what happens to it: delivery to the stream, injected faults, deadlines. Borrows all it is given.
// Used by the transport's thread only.
class InprocWindow {
 public:
  // `faults` may be null. `stream_name` must live as long as the transport.
  InprocWindow(InprocStream* stream, absl::string_view stream_name, FaultInjector* faults)
      : stream_(stream), stream_name_(stream_name), faults_(faults) {}

  void Add(absl::Span<Delivery* const> deliveries) {
    waiting_.insert(waiting_.end(), deliveries.begin(), deliveries.end());
  }

  // Delivers and settles whatever can be at `now`; appends what it settled to `settled`. With
  // `hold_acks` messages are stored, but not confirmed until a call without it. Returns false when
  // a fault has closed the connection.
  bool Work(SteadyTime now, bool hold_acks, std::vector<Delivery*>* settled);

  // When Work has something to do again, if nothing is added before.
  absl::optional<SteadyTime> NextWork() const;

  bool empty() const { return sent_.empty() && waiting_.empty(); }

  // Empties the window because the connection is gone: what was sent is in doubt, the rest failed.
  std::vector<Delivery*> TakeUnsettled();

 private:
  struct Sent {
    Delivery* delivery;
    bool answered;  // False: no answer will ever come, it runs into its deadline.
    InprocStream::StoreResult answer;
  };

  absl::optional<Fault> DrawFault(const Delivery& delivery) const;
  bool Send(Delivery* delivery, const absl::optional<Fault>& fault, SteadyTime now, bool hold_acks,
            std::vector<Delivery*>* settled);
  void Settle(const Sent& sent, std::vector<Delivery*>* settled) const;
  void SettleAnswered(std::vector<Delivery*>* settled);
  void SettleExpired(SteadyTime now, std::vector<Delivery*>* settled);

  InprocStream* const stream_;
  const absl::string_view stream_name_;
  FaultInjector* const faults_;

  // All of `sent_` was published before all of `waiting_`.
  std::vector<Sent> sent_;
  std::deque<Delivery*> waiting_;
  absl::optional<SteadyTime> held_until_;  // `waiting_` is held back by a delay its head has drawn.
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_INPROC_INPROC_WINDOW_H_
