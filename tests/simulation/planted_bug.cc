#include "tests/simulation/planted_bug.h"

namespace router {
namespace {

constexpr PlantedBugInfo kBugs[] = {
    {PlantedBug::kFsyncSkipped, "fsync_skipped", "a crash undoes the last commit",
     "LOST: the record of m"},
    {PlantedBug::kFsyncFailureIgnored, "fsync_failure_ignored",
     "QUEUED is told though the commit failed", "told QUEUED, and it is not on disk"},
    {PlantedBug::kRemovedBeforeAck, "removed_before_ack",
     "a record is deleted when it is sent, not when it is confirmed", "LOST: the record of m"},
    {PlantedBug::kRecordsSwapped, "records_swapped", "two appended records change places",
     "of the same key, and stored behind it"},
    {PlantedBug::kRecordForgotten, "record_forgotten",
     "the last record of a large commit is not written", "told QUEUED, and it is not on disk"},
    {PlantedBug::kClaimLeaked, "claim_leaked", "a released record stays claimed for ever",
     "the drainer sleeps, and there is something to deliver"},
    {PlantedBug::kNewestDropped, "newest_dropped", "drop_oldest drops the newest",
     "a record was dropped that is not the oldest"},
    {PlantedBug::kRemovalNotTold, "removal_not_told", "nobody hears of what was purged or dropped",
     "dropped as the oldest: is 0"},
    {PlantedBug::kDeadLetterLost, "dead_letter_lost", "a dead letter is deleted, not kept",
     "dead letters kept: is"},
    {PlantedBug::kExpiryForgotten, "expiry_forgotten",
     "the queue does not keep a message's time to live", "sent after its time to live"},
    {PlantedBug::kRedriveForgets, "redrive_forgets",
     "the last of the redriven ones is not put back", "LOST: the record of m"},
    {PlantedBug::kRedrivenStays, "redriven_stays",
     "a dead letter that was put back is kept as well", "dead letters kept: is"},
    {PlantedBug::kSentMarkLost, "sent_mark_lost", "a crash loses what was noted before sending",
     "may be stored, and is taken for one that was never sent"},
    {PlantedBug::kDoubtForgotten, "doubt_forgotten", "the queue does not keep what is in doubt",
     "may be stored, and is taken for one that was never sent"},
    {PlantedBug::kUnsettledConfirmed, "unsettled_confirmed",
     "what is in flight when a connection ends is taken for confirmed",
     "told DELIVERED, and the broker does not have it"},
    {PlantedBug::kSentOutOfOrder, "sent_out_of_order", "two messages change places when sent",
     "of the same key, and stored behind it"},
    {PlantedBug::kOtherIdOnRedelivery, "other_id_on_redelivery",
     "a message that is sent again has another id", "is stored twice within the duplicate window"},
    {PlantedBug::kConfirmedWithoutAck, "confirmed_without_ack",
     "a timeout is taken for a confirmation", "told DELIVERED, and the broker does not have it"},
    {PlantedBug::kWakeUpLost, "wake_up_lost", "the drainer does not hear that it could deliver",
     "the drainer sleeps, and there is something to deliver"},
    {PlantedBug::kLedgerMiscount, "ledger_miscount", "a duplicate is not counted as delivered",
     "messages unaccounted for: is"},
    {PlantedBug::kModeForgotten, "mode_forgotten", "fail-open mode is lost in a crash",
     "fail-open mode: is 0, should be 1"},
    {PlantedBug::kModeNeverExpires, "mode_never_expires", "fail-open mode outlives its time",
     "fail-open mode: is 1, should be 0"},
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
