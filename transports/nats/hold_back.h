#ifndef ROUTER_TRANSPORTS_NATS_HOLD_BACK_H_
#define ROUTER_TRANSPORTS_NATS_HOLD_BACK_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/btree_set.h"
#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "transports/transport.h"

namespace router {

// What the broker refuses for the moment (no leader yet, stream full, …), per subject.
//
// From the first such refusal on, deliveries of that subject wait, in their order, and only the
// oldest one is sent again, after 25 ms, then 50, 100, 200 and 250 ms: the probe. When the broker
// takes it, all the others follow at once. So a struggling broker is asked gently, and what has not
// been sent yet never overtakes what was refused. Deliveries are known by their numbers in the
// window, which grow in the order of sending. Not thread-safe.
class HoldBack {
 public:
  bool empty() const { return holds_.empty(); }

  // Whether a delivery of this subject has to wait.
  bool Holds(absl::string_view subject) const { return holds_.contains(subject); }

  // Adds a delivery that waits behind those of a held subject. Holds(subject) must be true.
  void Wait(absl::string_view subject, uint64_t number);

  // The broker refused this delivery for now.
  void Refused(absl::string_view subject, uint64_t number, FailureReason reason, std::string error,
               SteadyTime now);

  // The broker took this one. Returns what is to be sent now, in order.
  std::vector<uint64_t> Confirmed(absl::string_view subject, uint64_t number);

  // This one is settled in some other way.
  void Forget(absl::string_view subject, uint64_t number, SteadyTime now);

  // The probes that are due. They are to be sent. A probe that was not answered within a second
  // makes room for the next one.
  std::vector<uint64_t> TakeProbes(SteadyTime now);

  // Starts a question about the streams of a held subject, unless one was asked since its last
  // probe: the number of the question.
  absl::optional<uint64_t> Ask(absl::string_view subject);
  // The subject of a question. Each can be taken once.
  absl::optional<std::string> TakeQuestion(uint64_t question);
  // Ends the hold and returns what was waiting.
  std::vector<uint64_t> Drop(absl::string_view subject);

  // Why a subject is held.
  FailureReason reason(absl::string_view subject) const;
  std::string error(absl::string_view subject) const;

 private:
  struct Hold {
    absl::btree_set<uint64_t> waiting;
    uint64_t probe = 0;  // 0: none on its way.
    SteadyTime due;      // When the next probe is due, or the present one is given up.
    SteadyTime::duration delay{};
    bool asked = false;
    FailureReason reason = FailureReason::kNone;
    std::string error;
  };
  using HoldMap = absl::flat_hash_map<std::string, Hold>;

  void EraseIfEmpty(HoldMap::iterator hold);

  HoldMap holds_;
  absl::flat_hash_map<uint64_t, std::string> questions_;
  uint64_t last_question_ = 0;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_HOLD_BACK_H_
