// What a seed stands for: the settings of a router and the steps that are taken with it.
#ifndef ROUTER_TESTS_SIMULATION_PLAN_H_
#define ROUTER_TESTS_SIMULATION_PLAN_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drainer.h"
#include "tests/simulation/planted_bug.h"

namespace router {

enum class StepKind : uint8_t {
  kPublish,        // One message or a batch, new ones and known ones.
  kStore,          // The broker handles messages that have reached it.
  kAnswer,         // Its answers reach the router.
  kLoseAnswer,     // One of them never will.
  kSwallow,        // The broker loses the next message, without an answer.
  kRefuseForNow,   // It refuses the next message: no responders.
  kRefuseForGood,  // It refuses the next message: no stream, too large, or something else.
  kTimeOut,        // The transport gives up what is past its deadline.
  kConnect,
  kDisconnect,   // The connection dies: what is under way arrives now, later or never.
  kLate,         // Something of a dead connection reaches the broker after all.
  kCommit,       // The queue's writer commits.
  kFailCommit,   // The next commit with appends fails.
  kDiskRefuses,  // From now on, to some of the calls that wait for the disk.
  kDiskWell,     // No longer.
  kDrain,        // The drainer takes a turn, if it is due.
  kPassTime,
  kSetWallClock,  // Somebody sets the machine's clock.
  kPurge,
  kRedrive,           // Dead letters are put back into the queue.
  kPurgeDeadLetters,  // They are thrown away.
  kRetryNow,
  kPause,
  kResume,
  kFailOpenOn,  // With or without an expiry.
  kFailOpenOff,
  kCrash,         // The router is gone at once, and opens again on what was committed.
  kCrashBetween,  // The same, but soon: within a call, between a commit and its report.
  kRestart,       // It is stopped in order, and opens again.
};
inline constexpr size_t kStepKinds = static_cast<size_t>(StepKind::kRestart) + 1;
absl::string_view StepName(StepKind kind);

struct Step {
  StepKind kind = StepKind::kPassTime;
  uint64_t draw = 0;        // The seed of all that is drawn in this step.
  size_t position = 0;      // In the seed's whole plan.
  int messages_max = 1000;  // Of a kPublish.
};

struct RunOptions {
  DispatcherOptions dispatcher;
  DrainerOptions drainer;
  int64_t window = 8;  // Most messages in flight.
  absl::Duration duplicate_window = absl::Minutes(2);
  int keys = 6;
  int caller_id_percent = 30;
  int interruption_percent = 0;  // Of the drainer's turns and the queue's commits.
  bool fail_open = false;
  // Whether the broker may refuse or lose one of several messages of a key that are under way, and
  // take those behind it. Order within a key is promised only where it does not.
  bool partial_refusals = false;
  PlantedBug bug = PlantedBug::kNone;
};

struct Plan {
  uint64_t seed = 0;
  RunOptions options;
  std::vector<Step> steps;
};

// The same for the same arguments, always. Each seed favours some kinds of step and leaves out
// others.
Plan MakePlan(uint64_t seed, int step_count);

// "120" or "3,17:1,40": the positions of the steps that are left, with `messages_max` where it is
// less than the step would publish anyway.
std::string StepsToText(const std::vector<Step>& steps);
// Leaves only those of the plan's steps. False where `text` is not of that form.
bool KeepOnly(absl::string_view text, Plan* plan);

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_PLAN_H_
