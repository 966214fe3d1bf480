// A broker with one stream, as JetStream has it: it stores messages in the order in which they
// reach it, numbers them from 1, and takes an id only once within its duplicate window. Beside it
// the network: what was sent and has not reached it yet. Both outlive the router.
#ifndef ROUTER_TESTS_SIMULATION_SIM_BROKER_H_
#define ROUTER_TESTS_SIMULATION_SIM_BROKER_H_

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "tests/simulation/sim_message.h"
#include "transports/transport.h"

namespace router {

// A message on its way.
struct SentMessage {
  uint64_t handover = 0;  // Grows in the order in which messages were handed over.
  SimMessage* message = nullptr;
  std::string id;  // As it was sent; empty where it was sent without.
  // When the router gave it up, before the broker had looked at it: the next number that is given
  // to a hand-over. 0: it still waits for the answer.
  uint64_t given_up_before = 0;
};

class SimBroker {
 public:
  struct Stored {
    uint64_t sequence = 0;
    bool duplicate = false;
  };

  // Told of what the stream takes, not of duplicates.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void OnStored(SimMessage* message) = 0;
  };

  SimBroker(absl::Duration duplicate_window, Observer* observer)
      : duplicate_window_(absl::ToChronoNanoseconds(duplicate_window)), observer_(observer) {}

  Stored Store(const SentMessage& sent, SteadyTime now);

  // What connections that are dead by now have sent and the broker has not read yet, oldest first.
  void AddLate(SentMessage sent, SteadyTime now) { late_.push_back({std::move(sent), now}); }
  // Reads the next of those. One that is older than half the duplicate window never arrives, nor
  // does what is behind it. Whether there was one.
  bool StoreLate(SteadyTime now);

 private:
  struct Late {
    SentMessage sent;
    SteadyTime since;
  };
  struct Known {
    uint64_t sequence = 0;
    SteadyTime until;
  };

  const std::chrono::nanoseconds duplicate_window_;
  Observer* const observer_;
  uint64_t last_sequence_ = 0;
  absl::flat_hash_map<std::string, Known> known_;
  std::deque<Late> late_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_BROKER_H_
