#include "tests/simulation/model.h"

#include <algorithm>
#include <limits>

#include "absl/strings/str_cat.h"

namespace router {
namespace {

// The drainer tries again after that long.
constexpr std::chrono::seconds kRestAfterRefusal(1);

// A place in the order of all publishes.
constexpr int64_t kNobodyCanSay = std::numeric_limits<int64_t>::max();

}  // namespace

Model::Model(const RunOptions& options, FakeClock* clock, SimMessages* messages, Trace* trace)
    : options_(options),
      clock_(clock),
      messages_(messages),
      trace_(trace),
      mode_on_(options.fail_open) {}

void Model::Fail(absl::string_view what) {
  if (failed() || !watching_) return;
  failure_ = std::string(what);
}

void Model::ExpectEqual(int64_t actual, int64_t expected, absl::string_view what) {
  if (actual == expected) return;
  Fail(absl::StrCat(what, ": is ", actual, ", should be ", expected));
}

void Model::BeginLife(const Life& life) {
  life_ = life;
  watching_ = true;
  CheckQueue(*life.contents);
  books_ = Books();
  for (auto& [sequence, record] : records_) {
    // What was confirmed and not removed yet is in the queue again.
    if (record.confirmed) ++record.message->records;
    record.claimed = record.confirmed = record.removing = false;
    record.last_verdict = Verdict::kPending;
    // Nobody knows any more what became of what was sent.
    record.in_doubt_since = std::min(record.in_doubt_since, record.sent_time);
    record.sent_time = absl::InfiniteFuture();
    ++books_.recovered;
    books_.queued_bytes += record.size_bytes;
  }
  books_.queued_count = books_.recovered;
  queue_count_limit_ = std::max(options_.dispatcher.queue_count_max, books_.queued_count);
  books_.recovered_dead_letters = static_cast<int64_t>(dead_letters_.size());
  for (const auto& [sequence, dead] : dead_letters_) books_.dead_letter_bytes += dead.size_bytes;
  queue_bytes_limit_ =
      std::max(options_.dispatcher.queue_bytes_max, books_.queued_bytes + books_.dead_letter_bytes);
  mode_shown_ = mode_on_ && clock_->WallNow() < mode_expire_time_;
  SetModeEnd();
}

void Model::EndLife() {
  watching_ = false;
  draining_ = false;
  paused_ = false;
  unanswered_ = 0;
  waiting_for_same_id_ = 0;
  sent_directly_.clear();
  last_dropped_ = 0;
  for (SimMessage& message : messages_->all()) message.unanswered = 0;
}

void Model::BeginStep() {
  before_ = ReadLedger();
  appended_count_ = 0;
  appended_bytes_ = 0;
  published_bytes_ = 0;
  last_dropped_ = 0;
  refusals_ = 0;
  failed_appends_.clear();
  must_conflict_.clear();
  must_replay_.clear();
}

void Model::OnModeSet(bool enabled, absl::Time expire_time) {
  mode_on_ = mode_shown_ = enabled;
  mode_expire_time_ = expire_time;
  SetModeEnd();
}

// The mode ends by whichever clock is first.
void Model::SetModeEnd() {
  mode_end_ =
      mode_expire_time_ == absl::InfiniteFuture()
          ? SteadyTime::max()
          : clock_->SteadyNow() + absl::ToChronoNanoseconds(mode_expire_time_ - clock_->WallNow());
}

void Model::OnModeTick() {
  const bool over = clock_->WallNow() >= mode_expire_time_ || clock_->SteadyNow() >= mode_end_;
  if (over) mode_on_ = mode_shown_ = false;
}

void Model::OnStored(SimMessage* message) {
  const SteadyTime now = clock_->SteadyNow();
  const bool first = message->stored_count++ == 0;
  if (trace_->on()) trace_->Note(absl::StrCat("stored:m", message->number, first ? "" : "(again)"));
  const auto window = absl::ToChronoNanoseconds(options_.duplicate_window);
  // What a broker cannot tell apart is stored as often as it is sent.
  if (!first && message->is_tracked() && now - message->stored_at < window) {
    Fail(absl::StrCat("m", message->number, " is stored twice within the duplicate window"));
  }
  message->stored_at = now;
  // Where two contents have one id, the broker takes either for the other.
  const bool has_place = !message->gone && message->twin == nullptr;
  if (!first || !has_place || options_.partial_refusals) return;
  std::vector<SimMessage*>& stream = streams_[message->key_hash];
  for (SimMessage* earlier : stream) {
    if (message->last_published < earlier->first_published) {
      suspects_.emplace_back(message, earlier);
    }
  }
  stream.push_back(message);
}

// Who was published again has its place from then on.
void Model::CheckOrder() {
  for (const auto& [first, second] : suspects_) {
    if (!first->accepted || !second->accepted) continue;
    if (first->last_published > second->first_published) continue;
    Fail(absl::StrCat("m", first->number, " was accepted before m", second->number,
                      " of the same key, and stored behind it"));
  }
}

void Model::OnHandedOver(const Operation& operation, SimMessage* message) {
  if (trace_->on() && watching_) {
    trace_->Note(absl::StrCat(operation.batch == nullptr ? "resent:m" : "sent:m", message->number));
  }
  if (!watching_) return;
  Expect(operation.message.message_id == message->id, "a message was sent with another id");
  Expect(!paused_, "a message was sent during a pause");
  if (operation.batch != nullptr) {
    sent_directly_[&operation] = clock_->WallNow();
    return;
  }
  const auto record = records_.find(operation.operation_id);
  if (record == records_.end() || record->second.message != message) {
    return Fail(absl::StrCat("m", message->number, " was sent from a queue that lacks it"));
  }
  Expect(record->second.claimed, "a queued message was sent unclaimed");
  Expect(!record->second.confirmed, "a queued message was sent after it was confirmed");
  Expect(record->second.expire_time > clock_->WallNow(),
         "a queued message was sent after its time to live");
  CheckSentTime(record->second, operation.first_sent_time);
  record->second.attempt_time = clock_->WallNow();
  record->second.sent_time = std::min(record->second.sent_time, record->second.attempt_time);
}

void Model::OnSettling(const Operation& operation) {
  if (!watching_) return;
  if (operation.batch != nullptr) {
    if (operation.verdict != Verdict::kInDoubt) sent_directly_.erase(&operation);
    return;
  }
  const auto found = records_.find(operation.operation_id);
  if (found == records_.end()) return Fail("a message left the queue while it was in flight");
  Record& record = found->second;
  record.last_verdict = operation.verdict;
  record.last_refusal = operation.refusal;
  if (operation.verdict == Verdict::kInDoubt) {
    record.in_doubt_since = std::min(record.in_doubt_since, record.attempt_time);
  }
  if (operation.verdict != Verdict::kConfirmed) return;
  record.confirmed = true;
  --record.message->records;
  ++books_.delivered_from_queue;
  --books_.queued_count;
  books_.queued_bytes -= record.size_bytes;
}

void Model::OnSettled(absl::Span<const Operation* const> direct) {
  if (!watching_ || !mode_is_on() || paused_) return;
  for (const Operation* operation : direct) {
    const bool dropped = operation->outcome == Outcome::kDropped;
    const bool undelivered =
        operation->verdict == Verdict::kFailed || operation->verdict == Verdict::kInDoubt;
    Expect(dropped || !undelivered, "fail-open mode is on, and a failed attempt was not dropped");
  }
}

void Model::OnAppending(absl::Span<Operation* const> operations) {
  for (const Operation* operation : operations) {
    ++appended_count_;
    appended_bytes_ += operation->size_bytes;
    ++books_.appending_count;
    books_.appending_bytes += operation->size_bytes;
  }
}

void Model::OnCommitted(absl::Span<Operation* const> operations, const absl::Status& status) {
  if (!watching_) return;
  for (const Operation* operation : operations) {
    --books_.appending_count;
    books_.appending_bytes -= operation->size_bytes;
    if (!status.ok()) {
      failed_appends_.push_back(operation);
      continue;
    }
    Record record;
    record.message = messages_->Find(operation->message.payload);
    record.expire_time = operation->expire_time;
    record.size_bytes = operation->size_bytes;
    record.accept_time = operation->accept_time;
    const auto sent = sent_directly_.find(operation);
    if (sent != sent_directly_.end()) record.in_doubt_since = sent->second;
    record.message->gone = false;
    ++record.message->records;
    Expect(records_.empty() || records_.rbegin()->first < operation->operation_id,
           "the queue has given a sequence twice");
    records_[operation->operation_id] = record;
    ++books_.queued_count;
    books_.queued_bytes += record.size_bytes;
  }
  queue_changed_ = true;
}

void Model::OnRemoving(absl::Span<const uint64_t> sequences) {
  if (!watching_) return;
  for (const uint64_t sequence : sequences) {
    const auto record = records_.find(sequence);
    if (record == records_.end()) return Fail("a record was removed that is not in the queue");
    Expect(record->second.confirmed && record->second.message->is_stored(),
           "a record was removed before the broker had it");
    record->second.removing = true;
  }
  queue_changed_ = true;
}

void Model::OnClaimed(uint64_t sequence, absl::Time first_sent_time) {
  const auto record = records_.find(sequence);
  if (record == records_.end()) return Fail("a record was claimed that is not in the queue");
  record->second.claimed = true;
  if (!watching_ || first_sent_time == absl::InfinitePast()) return;
  CheckSentTime(record->second, first_sent_time);
  if (first_sent_time == absl::InfiniteFuture()) return;
  ++claimed_in_doubt_;
  if (record->second.in_doubt_since == absl::InfiniteFuture()) ++claimed_in_needless_doubt_;
}

// Whoever sends it has to know since when the broker may have it, or it may store it once more. A
// wall clock that was set back has accepted it later than it was sent.
void Model::CheckSentTime(const Record& record, absl::Time known) {
  if (record.in_doubt_since == absl::InfiniteFuture()) return;
  if (known <= std::max(record.in_doubt_since, record.accept_time)) return;
  Fail(absl::StrCat("m", record.message->number, " may be stored, and is taken for one that was ",
                    known == absl::InfiniteFuture() ? "never sent" : "sent later"));
}

void Model::OnReleasing(absl::Span<const uint64_t> sequences) {
  if (!watching_) return;
  for (const uint64_t sequence : sequences) {
    const auto record = records_.find(sequence);
    if (record == records_.end()) return Fail("a record was released that is not in the queue");
    Expect(record->second.claimed, "a record was released that was not claimed");
    Expect(!record->second.confirmed, "a record was released after the broker had confirmed it");
    record->second.claimed = false;
    if (trace_->on()) trace_->Note(absl::StrCat("released:m", record->second.message->number));
  }
}

void Model::OnDeadLettering(uint64_t sequence, const DeadLetterReason& reason) {
  if (!watching_) return;
  const auto found = records_.find(sequence);
  if (found == records_.end()) return Fail("a dead letter was not in the queue");
  const Record& record = found->second;
  if (trace_->on())
    trace_->Note(absl::StrCat("dead:m", record.message->number, "(", reason.reason, ")"));
  Expect(record.claimed && !record.confirmed, "a dead letter was confirmed, or not claimed");
  if (reason.reason == "expired") {
    // Where the disk refuses, others pass it, and a clock that is set back may bring it to life.
    record.message->last_published = kNobodyCanSay;
    return Expect(record.expire_time <= clock_->WallNow(), "a dead letter expired too soon");
  }
  if (reason.reason == "attempts") {
    return Expect(
        options_.drainer.attempts_max > 0 && reason.attempts >= options_.drainer.attempts_max,
        "a dead letter was not tried often enough");
  }
  const absl::string_view expected =
      record.last_refusal == Refusal::kNoStreamForSubject ? "no_stream"
      : record.last_refusal == Refusal::kMessageTooLarge  ? "too_large"
                                                          : "refused";
  Expect(record.last_verdict == Verdict::kRefused && reason.reason == expected,
         "a dead letter was not refused, or for another reason");
}

void Model::OnGone(absl::Span<const RemovedRecord> removed, RemovalCause cause) {
  if (!watching_) return;
  queue_changed_ = true;
  uint64_t last = 0;
  for (const RemovedRecord& gone : removed) {
    const auto record = records_.find(gone.sequence);
    if (record == records_.end()) return Fail("a record is gone that was not in the queue");
    SimMessage* const message = record->second.message;
    if (trace_->on()) trace_->Note(absl::StrCat("gone:m", message->number));
    last = std::max(last, gone.sequence);
    const bool dead = cause == RemovalCause::kDeadLettered;
    Expect(record->second.claimed == dead, "a record was taken away from the drainer");
    if (dead || cause == RemovalCause::kDroppedAndKept) {
      dead_letters_[gone.sequence] = record->second;
      dead_letters_[gone.sequence].sent_time = absl::InfiniteFuture();
      books_.dead_letter_bytes += record->second.size_bytes;
    }
    if (record->second.last_verdict != Verdict::kPending) head_gone_ = clock_->SteadyNow();
    --books_.queued_count;
    books_.queued_bytes -= record->second.size_bytes;
    Leave(record);
    message->gone = message->records == 0;
  }
  const int64_t count = static_cast<int64_t>(removed.size());
  switch (cause) {
    case RemovalCause::kPurged:
      books_.purged += count;
      return Expect(purging_, "a record was purged that nobody asked for");
    case RemovalCause::kDroppedAndKept:
      books_.dropped_and_kept += count;
      Expect(options_.dispatcher.keep_dropped, "a dropped record was kept that nobody wanted");
      [[fallthrough]];
    case RemovalCause::kDroppedOldest:
      books_.dropped_oldest += count;
      Expect(options_.dispatcher.full_policy == FullPolicy::kDropOldest,
             "a record was dropped by a queue that rejects");
      last_dropped_ = std::max(last_dropped_, last);
      return;
    case RemovalCause::kDeadLettered:
      books_.dead_lettered += count;
      return;
    case RemovalCause::kDamaged:
      return Fail("a record is damaged");
  }
}

void Model::OnRedriving(absl::Span<const uint64_t> sequences) {
  if (!watching_) return;
  redriving_.clear();
  for (const uint64_t sequence : sequences) {
    const auto dead = dead_letters_.find(sequence);
    if (dead == dead_letters_.end()) continue;
    redriving_.push_back(dead->second);
    dead_letters_.erase(dead);
  }
}

void Model::OnRedriven(absl::Span<const RemovedRecord> redriven) {
  if (!watching_) return;
  Expect(redriven.size() == redriving_.size(), "not all dead letters were put back");
  for (size_t i = 0; i < redriven.size() && !failed(); ++i) {
    Record record;
    record.message = redriving_[i].message;
    record.size_bytes = redriving_[i].size_bytes;
    record.expire_time = redriving_[i].expire_time;
    record.accept_time = redriving_[i].accept_time;
    record.in_doubt_since = redriving_[i].in_doubt_since;
    if (record.expire_time <= clock_->WallNow()) record.expire_time = absl::InfiniteFuture();
    if (trace_->on()) trace_->Note(absl::StrCat("redriven:m", record.message->number));
    record.message->redriven = true;
    // It is owed again, and has its place from now on.
    record.message->gone = false;
    const bool waits =
        record.message->unanswered > 0 && record.message->last_published == kNobodyCanSay;
    if (!waits) record.message->last_published = ++publishes_;
    ++record.message->records;
    records_[redriven[i].sequence] = record;
    ++books_.redriven;
    ++books_.queued_count;
    books_.queued_bytes += record.size_bytes;
    books_.dead_letter_bytes -= record.size_bytes;
  }
  queue_count_limit_ = std::max(queue_count_limit_, books_.queued_count + books_.appending_count);
  queue_changed_ = true;
}

void Model::OnDeadLettersGone(absl::Span<const RemovedRecord> records) {
  if (!watching_) return;
  Expect(purging_, "a dead letter was purged that nobody asked for");
  for (const RemovedRecord& gone : records) {
    const auto dead = dead_letters_.find(gone.sequence);
    if (dead == dead_letters_.end()) return Fail("a dead letter is gone that was not there");
    books_.dead_letter_bytes -= dead->second.size_bytes;
    dead_letters_.erase(dead);
    ++books_.purged_dead_letters;
  }
}

bool Model::OnRefused() {
  constexpr int kRefusalsMax = 100;
  refused_ = clock_->SteadyNow();
  if (trace_->on()) trace_->Note("refused");
  if (++refusals_ <= kRefusalsMax) return true;
  Fail("the same is asked of the disk again and again: a live lock");
  return false;
}

void Model::OnError(const absl::Status& status) {
  if (refusals_ == 0) Fail(status.ToString());
}

void Model::Leave(std::map<uint64_t, Record>::iterator record) {
  if (!record->second.confirmed) --record->second.message->records;
  records_.erase(record);
}

bool Model::HasBlockedHead(const Drainer& drainer) const {
  if (clock_->SteadyNow() < refused_ + kRestAfterRefusal) return true;
  // Those behind a head that is gone wait until it would have been tried again.
  if (clock_->SteadyNow() <
      head_gone_ + absl::ToChronoNanoseconds(options_.drainer.retry_delay_max)) {
    return true;
  }
  return std::any_of(records_.begin(), records_.end(), [&drainer](const auto& record) {
    const absl::optional<Drainer::Attempts> attempts = drainer.FindAttempts(record.first);
    return attempts.has_value() && attempts->blocks_key;
  });
}

}  // namespace router
