#include "tests/simulation/planted_bug.h"

namespace router {
namespace {

constexpr PlantedBugInfo kBugs[] = {
    {PlantedBug::kFsyncSkipped, "fsync_skipped", "a crash undoes the last commit"},
    {PlantedBug::kFsyncFailureIgnored, "fsync_failure_ignored",
     "QUEUED is told though the commit failed"},
    {PlantedBug::kRemovedBeforeAck, "removed_before_ack",
     "a record is deleted when it is sent, not when it is confirmed"},
    {PlantedBug::kRecordsSwapped, "records_swapped", "two appended records change places"},
    {PlantedBug::kRecordForgotten, "record_forgotten",
     "the last record of a large commit is not written"},
    {PlantedBug::kClaimLeaked, "claim_leaked", "a released record stays claimed for ever"},
    {PlantedBug::kNewestDropped, "newest_dropped", "drop_oldest drops the newest"},
    {PlantedBug::kRemovalNotTold, "removal_not_told", "nobody hears of what was purged or dropped"},
    {PlantedBug::kDeadLetterLost, "dead_letter_lost", "a dead letter is deleted, not kept"},
    {PlantedBug::kExpiryForgotten, "expiry_forgotten",
     "the queue does not keep a message's time to live"},
    {PlantedBug::kUnsettledConfirmed, "unsettled_confirmed",
     "what is in flight when a connection ends is taken for confirmed"},
    {PlantedBug::kSentOutOfOrder, "sent_out_of_order", "two messages change places when sent"},
    {PlantedBug::kOtherIdOnRedelivery, "other_id_on_redelivery",
     "a message that is sent again has another id"},
    {PlantedBug::kConfirmedWithoutAck, "confirmed_without_ack",
     "a timeout is taken for a confirmation"},
    {PlantedBug::kWakeUpLost, "wake_up_lost", "the drainer does not hear that it could deliver"},
    {PlantedBug::kLedgerMiscount, "ledger_miscount", "a duplicate is not counted as delivered"},
    {PlantedBug::kModeForgotten, "mode_forgotten", "fail-open mode is lost in a crash"},
    {PlantedBug::kModeNeverExpires, "mode_never_expires", "fail-open mode outlives its time"},
};

}  // namespace

absl::Span<const PlantedBugInfo> PlantedBugs() { return kBugs; }

PlantedBug FindPlantedBug(absl::string_view name) {
  for (const PlantedBugInfo& info : kBugs) {
    if (info.name == name) return info.bug;
  }
  return PlantedBug::kNone;
}

}  // namespace router
