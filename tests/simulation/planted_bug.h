// Bugs that the simulation can plant into a router, to show that it would find them.
#ifndef ROUTER_TESTS_SIMULATION_PLANTED_BUG_H_
#define ROUTER_TESTS_SIMULATION_PLANTED_BUG_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace router {

enum class PlantedBug {
  kNone,
  // Of the queue.
  kFsyncSkipped,
  kFsyncFailureIgnored,
  kRemovedBeforeAck,
  kRecordsSwapped,
  kRecordForgotten,
  kClaimLeaked,
  kNewestDropped,
  kRemovalNotTold,
  kDeadLetterLost,
  kExpiryForgotten,
  kRedriveForgets,
  kRedrivenStays,
  kSentMarkLost,
  kDoubtForgotten,
  // Of the transport.
  kUnsettledConfirmed,
  kSentOutOfOrder,
  kOtherIdOnRedelivery,
  kConfirmedWithoutAck,
  // Of what is between the parts.
  kWakeUpLost,
  kLedgerMiscount,
  kModeForgotten,
  kModeNeverExpires,
};

struct PlantedBugInfo {
  PlantedBug bug;
  absl::string_view name;  // As `./simulate --bug` takes it.
  absl::string_view what;
  absl::string_view failure;  // How the simulation says that it has found it, or a part of that.
};

// All but kNone.
absl::Span<const PlantedBugInfo> PlantedBugs();

// kNone where there is none of that name.
PlantedBug FindPlantedBug(absl::string_view name);

}  // namespace router

#endif  // ROUTER_TESTS_SIMULATION_PLANTED_BUG_H_
