// The messages of a simulated run, as the callers who publish them know them.
#ifndef ROUTER_TESTS_SIMULATION_SIM_MESSAGE_H_
#define ROUTER_TESTS_SIMULATION_SIM_MESSAGE_H_

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/base/operation.h"

namespace router {

// One content with one id; it may be published more than once.
struct SimMessage {
  int number = 0;       // From 1, in the order in which they were first published.
  std::string subject;  // Its ordering key, too.
  std::string payload;  // Begins with the number.
  std::string id;
  bool caller_chose_id = false;
  Guarantee guarantee = Guarantee::kStored;
  absl::Duration ttl = absl::InfiniteDuration();
  bool valid = true;
  uint64_t key_hash = 0;
  int64_t size_bytes = 0;
  SimMessage* twin = nullptr;  // Another content with the same id.

  // What its callers did and heard.
  int64_t first_published = 0;  // In the order of all publishes; 0: not yet.
  int64_t last_published = 0;   // The largest number where nobody can say.
  int unanswered = 0;           // Publishes without an answer, in this life of the router.
  bool accepted = false;        // DELIVERED or QUEUED was told.

  // Where it got to.
  int stored_count = 0;              // In the broker's stream.
  SteadyTime stored_at;              // The last time.
  Refusal refusal = Refusal::kNone;  // The broker has refused it for good, and will always do so.
  int records = 0;                   // In the queue, and not confirmed.
  bool redriven = false;             // Was a dead letter, and is or was in the queue again.
  bool gone = false;  // Left the queue undelivered, as somebody was told, and is not back in it.

  bool is_tracked() const { return guarantee == Guarantee::kStored || caller_chose_id; }
  // A broker goes by the id alone.
  bool is_stored() const { return stored_count > 0 || (twin != nullptr && twin->stored_count > 0); }
};

// All messages of a run. Pointers stay valid.
class SimMessages {
 public:
  SimMessage* Add() {
    SimMessage& message = messages_.emplace_back();
    message.number = static_cast<int>(messages_.size());
    return &message;
  }

  // The one with this payload; nullptr where there is none.
  SimMessage* Find(absl::string_view payload) {
    size_t number = 0;
    for (const char digit : payload) {
      if (digit < '0' || digit > '9') break;
      number = number * 10 + static_cast<size_t>(digit - '0');
    }
    if (number == 0 || number > messages_.size()) return nullptr;
    SimMessage* const message = &messages_[number - 1];
    return message->payload == payload ? message : nullptr;
  }

  std::deque<SimMessage>& all() { return messages_; }

 private:
  std::deque<SimMessage> messages_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_MESSAGE_H_
