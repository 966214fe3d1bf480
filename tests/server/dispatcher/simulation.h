// The heart of a router under faults that a seed picks: publishes, acks, refusals, lost acks, dying
// connections, failing commits, purges, pauses, mode changes and time, step by step, each step
// checked.
#ifndef ROUTER_TESTS_SERVER_DISPATCHER_SIMULATION_H_
#define ROUTER_TESTS_SERVER_DISPATCHER_SIMULATION_H_

#include <cstdint>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "server/status/router_status.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {

// The same seed gives the same run. Failures are those of gtest.
class Simulation {
 public:
  explicit Simulation(uint64_t seed);

  // Picks a step, takes it and checks the books.
  void Step();
  // Ends all faults and checks that everything drains and everybody was told the truth.
  void Heal();

 private:
  // A message as its first publisher knows it.
  struct Published {
    MessageSpec spec;
    uint64_t number = 0;  // In the order of all publishes.
    bool replayed = false;
  };

  bool Chance(int percent) { return Below(100) < percent; }
  int Below(int bound) { return static_cast<int>(random_() % static_cast<uint64_t>(bound)); }

  static RigOptions PickOptions(std::mt19937_64* random);
  absl::Duration PickTimeout();
  MessageSpec PickMessage();

  void Publish();
  void Acknowledge();
  void Refuse();
  void FailTransiently();
  void LoseAck();
  void Expire();
  void ReleaseOne(bool fails);
  void Doom(const std::string& key);
  void Disconnect();
  void Purge();
  void PassTime();

  void CheckBooks();
  void CheckStored();
  void CheckPromises();

  std::mt19937_64 random_;
  RouterRig rig_;
  StatusReporter status_;
  std::map<std::string, Published> published_;  // By payload.
  std::vector<std::string> with_caller_id_;     // Payloads.
  std::vector<Call*> unanswered_;
  int64_t operations_ = 0;
  int64_t replays_ = 0;
  // Payloads of those in flight that must fail too: a broker that refuses one for the moment
  // refuses what follows it of the same key, or the order would be lost in the broker.
  std::set<std::string> doomed_;
};

}  // namespace router

#endif  // ROUTER_TESTS_SERVER_DISPATCHER_SIMULATION_H_
