#ifndef ROUTER_SERVER_SERVICES_TURN_QUEUE_H_
#define ROUTER_SERVER_SERVICES_TURN_QUEUE_H_

#include <cstdint>
#include <list>
#include <memory>

#include <grpcpp/alarm.h>

#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/statusor.h"
#include "server/limits/client_limits.h"
#include "server/services/call_queue.h"
#include "server/services/completion_tag.h"

namespace router {

// The messages of a call or frame, as ClientLimits sees them.
class LimitedMessages {
 public:
  virtual ~LimitedMessages() = default;

  // They may be published: called once after TurnQueue::Wait, unless Leave is called first.
  virtual void OnTurn() = 0;

 private:
  friend class TurnQueue;

  enum class State { kOutside, kWaiting, kStarted };
  using List = std::list<LimitedMessages*>;

  std::shared_ptr<ClientLimits::Client> client_;
  ClientLimits::Amount amount_;
  State state_ = State::kOutside;
  List* list_ = nullptr;  // Of the queue, while they wait there, and their place in it.
  List::iterator place_;
};

// Lets messages in as their client's limits allow, and keeps those that have to wait, in their
// order. Of the thread of one call queue.
class TurnQueue {
 public:
  // Borrows both.
  TurnQueue(ClientLimits* limits, CallQueue* calls) : limits_(limits), calls_(calls) {}

  // As ClientLimits::Enter, for messages that are in no queue. Those of one client have their turn
  // in their order. True: they may be published, and OnTurn is not called. False: Wait for their
  // turn.
  absl::StatusOr<bool> Enter(LimitedMessages* messages,
                             std::shared_ptr<ClientLimits::Client> client,
                             ClientLimits::Amount amount);

  // OnTurn will be called, on this thread and not before this returns. Messages that Enter has
  // refused may wait, too, until they are let in, where MayWait.
  void Wait(LimitedMessages* messages);

  // Whether messages that Enter has refused may wait: those of one client that do have no more
  // bytes than it may have in hand.
  bool MayWait(const LimitedMessages& messages) const;

  // The messages are answered, and the answer not taken: see ClientLimits::EndTurn. What is left in
  // hand of them is the caller's to Leave.
  void EndTurn(LimitedMessages* messages);
  void Leave(ClientLimits::Client* client, int64_t messages);

  // The answer of the messages is taken, or they are given up. Nothing where they were not let in,
  // or never came to Enter.
  void Leave(LimitedMessages* messages);

 private:
  // Of one client. Those that were let in have their turn in their order, and wait for none that
  // was not; those are let in, in their order, as soon as the first of them can be.
  struct Waiting {
    LimitedMessages::List entered;
    LimitedMessages::List outside;
    int64_t outside_bytes = 0;
  };

  void SetAlarm();
  void OnAlarm(bool ok);
  void OnFreed(bool ok);
  void HasFreed(ClientLimits::Client* client);
  void LetIn(ClientLimits::Client* client);
  static void Put(LimitedMessages* messages, Waiting* waiting);
  static void Take(LimitedMessages* messages, Waiting* waiting);

  ClientLimits* const limits_;
  CallQueue* const calls_;
  absl::node_hash_map<ClientLimits::Client*, Waiting> waiting_;
  // Clients of whose messages some were answered in this round of the queue.
  absl::flat_hash_set<ClientLimits::Client*> freed_;
  MemberTag<TurnQueue> on_freed_{this, &TurnQueue::OnFreed};
  MemberTag<TurnQueue> on_alarm_{this, &TurnQueue::OnAlarm};
  grpc::Alarm alarm_;
  bool alarm_is_set_ = false;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_TURN_QUEUE_H_
