#include "tests/simulation/sim_call.h"

#include "server/errors/errors.h"

namespace router {

SimCall::SimCall(const std::vector<SimMessage*>& messages, SteadyTime deadline, Clock* clock,
                 SimCalls* calls)
    : PublishBatch(messages.size()), calls_(calls) {
  start_time = clock->SteadyNow();
  caller_deadline = deadline;
  const absl::Time now = clock->WallNow();
  for (size_t i = 0; i < messages.size(); ++i) {
    const SimMessage& message = *messages[i];
    Operation& operation = operations()[i];
    operation.message.subject = message.subject;
    operation.message.payload = message.payload;
    operation.message.message_id = message.id;
    operation.message.caller_chose_id = message.caller_chose_id;
    operation.message.guarantee = message.guarantee;
    operation.ordering_key = message.subject;
    operation.key_hash = message.key_hash;
    operation.size_bytes = message.size_bytes;
    if (message.caller_chose_id) {
      operation.content_hash = HashContent(operation.message, operation.ordering_key);
    }
    operation.accept_time = now;
    operation.expire_time = now + message.ttl;
    if (message.valid) continue;
    operation.outcome = Outcome::kRejected;
    operation.status = error::SubjectInvalid(message.subject, "the plan says so");
  }
}

PublishBatch* SimCalls::Make(const std::vector<SimMessage*>& messages, SteadyTime deadline,
                             Clock* clock) {
  ++alive_;
  return new SimCall(messages, deadline, clock, this);
}

void SimCalls::DeleteDone() {
  for (SimCall* call : done_) delete call;
  alive_ -= static_cast<int64_t>(done_.size());
  done_.clear();
}

}  // namespace router
