#ifndef ROUTER_TRANSPORTS_NATS_KEY_FAILURES_H_
#define ROUTER_TRANSPORTS_NATS_KEY_FAILURES_H_

#include <cstdint>

#include "absl/container/flat_hash_map.h"
#include "transports/transport.h"

namespace router {

// The keys of which a delivery has failed of late, so that those that were already on their way
// here do not overtake it: their owner could not know. Not thread-safe.
class KeyFailures {
 public:
  bool empty() const { return last_of_key_.empty(); }

  // A delivery that is TriedAgain is about to be reported by OnSettled.
  void Add(const Delivery& delivery) {
    last_of_key_[delivery.key_hash] = {++count_, delivery.reason};
  }

  // Whether a delivery of its key has failed that the owner did not know of.
  bool IsOvertaking(const Delivery& delivery) const {
    const auto found = last_of_key_.find(delivery.key_hash);
    return found != last_of_key_.end() && delivery.failures_known < found->second.number;
  }

  // Why the last one of its key has failed. IsOvertaking(delivery) must be true.
  FailureReason reason(const Delivery& delivery) const {
    return last_of_key_.find(delivery.key_hash)->second.reason;
  }

  // The owner knows of all, and what it handed over before has been looked at.
  void ForgetAll() { last_of_key_.clear(); }

 private:
  struct Failure {
    uint64_t number;
    FailureReason reason;
  };
  uint64_t count_ = 0;  // In step with Delivery::failures_known.
  absl::flat_hash_map<uint64_t, Failure> last_of_key_;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_KEY_FAILURES_H_
