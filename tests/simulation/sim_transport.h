#ifndef ROUTER_TESTS_SIMULATION_SIM_TRANSPORT_H_
#define ROUTER_TESTS_SIMULATION_SIM_TRANSPORT_H_

#include <cstdint>
#include <deque>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "server/base/clock.h"
#include "server/base/operation.h"
#include "tests/simulation/plan.h"
#include "tests/simulation/sim_broker.h"
#include "tests/simulation/sim_message.h"
#include "transports/transport.h"

namespace router {

// A Transport to a SimBroker, for one thread. What it is handed goes into a pipe; the broker reads
// the pipe in order and answers, the answers arrive in any order, and each of that happens when a
// step says so.
//
// Unless `partial_refusals`, a message that the broker refuses for the moment, or loses, takes
// those of its key with it that were sent before the router knew: the broker's stream then never
// has them in another order than they were sent in.
class SimTransport final : public Transport {
 public:
  // Who watches what goes through. `operation` has no batch where it comes from the queue.
  class Watcher {
   public:
    virtual ~Watcher() = default;
    virtual void OnHandedOver(const Operation& operation, SimMessage* message) = 0;
    virtual void OnSettling(const Operation& operation) = 0;
    // The dispatcher has been told of these.
    virtual void OnSettled(absl::Span<const Operation* const> direct) = 0;
    virtual void OnRuleBroken(absl::string_view rule) = 0;
  };

  enum class Treatment { kStore, kSwallow, kRefuseForNow, kRefuseForGood };

  SimTransport(const RunOptions& options, Clock* clock, SimMessages* messages, SimBroker* broker,
               Watcher* watcher);

  // The broker reads the next message of the pipe. False where there is none.
  bool TreatNext(Treatment treatment, Refusal refusal = Refusal::kNone);
  // The `index`-th of the answers that are under way arrives, with `count` - 1 more behind it.
  void Answer(int index, int count);
  void LoseAnswer(int index);
  int answers_under_way() const;
  // What is past its deadline is given up. How many.
  int TimeOut();
  // The first deadline of what is unsettled; SteadyTime::max() where nothing is.
  SteadyTime NextDeadline() const;

  void Connect();
  // Of what is in the pipe the first `arrives` are stored at once, the next `late` later, the rest
  // never.
  void Disconnect(int arrives, int late);
  // The same for the pipe, for a router that is gone: nobody is told.
  void Cut(int arrives, int late);

  bool connected() const { return open_; }
  int in_pipe() const { return static_cast<int>(pipe_.size()); }
  int64_t unsettled_count() const { return static_cast<int64_t>(unsettled_.size()); }
  int64_t unsettled_bytes() const { return unsettled_bytes_; }
  int64_t redelivering_count() const { return redelivering_count_; }

  // Transport
  absl::Status Start(Observer* observer) override;
  void Publish(absl::Span<Delivery* const> deliveries) override;
  void Reconnect() override {}
  void Stop(absl::Duration timeout) override;
  ConnectionStatus GetStatus() const override { return status_; }
  int64_t max_payload_bytes() const override { return 1 << 20; }
  int64_t max_in_flight() const override { return options_.window; }

 private:
  enum class Answered { kNot, kStored, kRefusedForNow, kRefusedForGood, kLost };
  struct InFlight {
    Operation* operation;
    uint64_t handover;
    SimMessage* message;
    Answered answered = Answered::kNot;
    SimBroker::Stored stored = {};
    Refusal refusal = Refusal::kNone;
  };
  // Of one key: what keeps the broker from taking more of it.
  struct KeyRefusal {
    std::vector<uint64_t> unsettled;  // Hand-overs that were refused; the router does not know yet.
    uint64_t before = 0;              // What was handed over before this one is refused, too.
  };

  bool MustRefuse(const SentMessage& sent) const;
  void NoteRefusal(const SentMessage& sent);
  InFlight* FindUnsettled(uint64_t handover);
  // Where the answers that are under way are in `unsettled_`.
  std::vector<size_t> AnswersUnderWay() const;
  void SetVerdict(const InFlight& in_flight, bool timed_out) const;
  void NoteSettled(const InFlight& in_flight);
  void Report(const std::vector<Delivery*>& settled);
  std::vector<Delivery*> TakeUnsettled(size_t sent_count);
  void ReadRest(int arrives, int late);

  const RunOptions options_;
  Clock* const clock_;
  SimMessages* const messages_;
  SimBroker* const broker_;
  Watcher* const watcher_;
  Observer* observer_ = nullptr;
  ConnectionStatus status_;
  bool open_ = false;
  uint64_t last_handover_ = 0;
  std::deque<InFlight> unsettled_;  // In the order of the hand-overs, as is the pipe.
  std::deque<SentMessage> pipe_;
  int64_t unsettled_bytes_ = 0;
  int64_t redelivering_count_ = 0;
  bool cut_ = false;  // Nothing that is handed over gets into the pipe.
  absl::flat_hash_map<uint64_t, KeyRefusal> refusals_;  // By hash of the key.
};

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_SIM_TRANSPORT_H_
