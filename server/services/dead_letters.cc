#include "server/services/dead_letters.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"
#include "server/services/list_filters.h"
#include "server/services/page.h"
#include "server/validation/validation.h"

namespace router {
namespace {

// Read, moved or removed between two commits of the queue's writer.
constexpr int64_t kSliceCount = 256;
constexpr int64_t kSliceBytesMax = int64_t{4} << 20;
// Most that one Redrive moves, so that it ends within its caller's deadline.
constexpr int64_t kRedriveCountMax = 10000;
// A page with payloads ends early beyond it: clients take 4 MiB unless told otherwise.
constexpr int64_t kPageBytesMax = int64_t{1} << 20;

// Gathers sequences and hands them over in slices.
class Slices {
 public:
  using Work = std::function<absl::StatusOr<int64_t>(absl::Span<const uint64_t>)>;

  Slices(Work work, int64_t* done) : work_(std::move(work)), done_(done) {}

  int64_t waiting() const { return static_cast<int64_t>(sequences_.size()); }

  absl::Status Add(const PendingRecord& record) {
    sequences_.push_back(record.sequence);
    bytes_ += record.size_bytes;
    return waiting() < kSliceCount && bytes_ < kSliceBytesMax ? absl::OkStatus() : Flush();
  }

  absl::Status Flush() {
    if (sequences_.empty()) return absl::OkStatus();
    const absl::StatusOr<int64_t> count = work_(sequences_);
    if (!count.ok()) return count.status();
    *done_ += *count;
    sequences_.clear();
    bytes_ = 0;
    return absl::OkStatus();
  }

 private:
  const Work work_;
  int64_t* const done_;
  std::vector<uint64_t> sequences_;
  int64_t bytes_ = 0;
};

}  // namespace

void RefusedDeadLetters::Add(uint64_t operation_id, absl::Status why) {
  ++count;
  ++by_reason[error::ReasonOf(why)];
  if (sample.size() < kSampleMax) sample.push_back({operation_id, std::move(why)});
}

DeadLetters::DeadLetters(const Options& options, Clock* clock, const Dispatcher* dispatcher,
                         const Transport* transport, PendingQueue* queue)
    : options_(options),
      dispatcher_(dispatcher),
      transport_(transport),
      queue_(queue),
      budget_(options.redrive_rate_per_second, clock) {}

absl::StatusOr<DeadLetters::Page> DeadLetters::List(absl::string_view filter_text,
                                                    int32_t page_size, absl::string_view page_token,
                                                    bool with_payload) const {
  const absl::StatusOr<Filter> filter = ParseDeadLetterFilter(filter_text);
  if (!filter.ok()) return filter.status();
  const absl::StatusOr<int64_t> size = PageSize(page_size);
  if (!size.ok()) return size.status();
  const absl::StatusOr<uint64_t> position = ParseSequenceToken(page_token, filter_text);
  if (!position.ok()) return position.status();
  uint64_t after = *position;

  Page page;
  int64_t page_bytes = 0;
  while (true) {
    absl::StatusOr<std::vector<DeadLetter>> slice =
        queue_->ScanDeadLetters(after, kSliceCount, with_payload);
    if (!slice.ok()) return slice.status();
    if (slice->empty()) return page;
    for (DeadLetter& dead_letter : *slice) {
      after = dead_letter.record.sequence;
      if (!DeadLetterMatches(*filter, dead_letter)) continue;
      const bool is_full = static_cast<int64_t>(page.dead_letters.size()) == *size ||
                           (with_payload && page_bytes >= kPageBytesMax);
      if (is_full) {
        page.next_page_token =
            MakePageToken(absl::StrCat(page.dead_letters.back().record.sequence), filter_text);
        return page;
      }
      page_bytes += dead_letter.record.size_bytes;
      page.dead_letters.push_back(std::move(dead_letter));
    }
  }
}

absl::StatusOr<DeadLetter> DeadLetters::Get(uint64_t operation_id, bool with_payload) const {
  if (operation_id == 0) return error::DeadLetterNotFound(operation_id);
  absl::StatusOr<std::vector<DeadLetter>> slice =
      queue_->ScanDeadLetters(operation_id - 1, 1, with_payload);
  if (!slice.ok()) return slice.status();
  if (slice->empty() || slice->front().record.sequence != operation_id) {
    return error::DeadLetterNotFound(operation_id);
  }
  return std::move(slice->front());
}

absl::Status DeadLetters::ForEach(
    const Filter& filter, const std::function<absl::Status(const DeadLetter&)>& visit) const {
  uint64_t after = 0;
  // What is added meanwhile is left alone, or a walk might never end.
  int64_t left = queue_->GetStats().dead_letters;
  while (left > 0) {
    const absl::StatusOr<std::vector<DeadLetter>> slice =
        queue_->ScanDeadLetters(after, std::min(left, kSliceCount), false);
    if (!slice.ok()) return slice.status();
    if (slice->empty()) return absl::OkStatus();
    for (const DeadLetter& dead_letter : *slice) {
      after = dead_letter.record.sequence;
      --left;
      if (!DeadLetterMatches(filter, dead_letter)) continue;
      if (absl::Status status = visit(dead_letter); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status DeadLetters::Validate(const DeadLetter& dead_letter) const {
  const PendingRecord& record = dead_letter.record;
  std::vector<Header> headers;
  headers.reserve(record.headers.size());
  for (const auto& [key, value] : record.headers) headers.push_back({key, value});
  Message message;
  message.subject = record.subject;
  message.headers = headers;
  message.message_id = record.message_id;
  message.caller_chose_id = record.caller_chose_id;
  message.guarantee = record.guarantee;
  return ValidateKeptMessage(
      message, record.ordering_key, record.payload_bytes,
      MaxPayloadBytes(transport_->max_payload_bytes(), options_.message_bytes_max));
}

int64_t DeadLetters::QueueRoom() const {
  const LedgerSnapshot ledger = dispatcher_->GetLedger();
  return std::max<int64_t>(0,
                           options_.queue_count_max - ledger.queued_count - ledger.appending_count);
}

absl::Status DeadLetters::Redrive(const Filter& filter, int64_t limit,
                                  const std::function<absl::Status()>& begin, Redriven* redriven) {
  absl::MutexLock lock(&redrive_mutex_);
  const int64_t room = QueueRoom();
  const int64_t allowed = budget_.Take(std::min({limit, room, kRedriveCountMax}));
  absl::Status status = Move(filter, allowed, begin, redriven);
  budget_.Return(allowed - redriven->moved);
  if (status.ok() && redriven->moved == 0 && redriven->remaining > redriven->refused.count) {
    return NothingMoved(room);
  }
  return status;
}

absl::Status DeadLetters::NothingMoved(int64_t room) {
  if (room > 0) {
    return error::RedriveRateLimited(budget_.per_second(), budget_.UntilWorthwhile());
  }
  const LedgerSnapshot ledger = dispatcher_->GetLedger();
  const int64_t bytes = ledger.queued_bytes + ledger.dead_letter_bytes;
  return error::PendingQueueFull(ledger.queued_count, options_.queue_count_max, bytes, bytes);
}

absl::Status DeadLetters::Move(const Filter& filter, int64_t allowed,
                               const std::function<absl::Status()>& begin, Redriven* redriven) {
  bool has_begun = false;
  Slices slices(
      [&](absl::Span<const uint64_t> sequences) -> absl::StatusOr<int64_t> {
        if (!has_begun) {
          if (absl::Status status = begin(); !status.ok()) return status;
          has_begun = true;
        }
        return queue_->RedriveDeadLetters(sequences);
      },
      &redriven->moved);
  absl::Status status = ForEach(filter, [&](const DeadLetter& dead_letter) {
    if (redriven->moved + slices.waiting() < allowed) {
      absl::Status valid = Validate(dead_letter);
      if (valid.ok()) return slices.Add(dead_letter.record);
      redriven->refused.Add(dead_letter.record.sequence, std::move(valid));
      ++redriven->remaining;
      return absl::OkStatus();
    }
    ++redriven->remaining;
    // The number of all of them is known.
    return filter.matches_everything() ? absl::CancelledError() : absl::OkStatus();
  });
  if (absl::IsCancelled(status)) status = absl::OkStatus();
  if (status.ok()) status = slices.Flush();
  if (filter.matches_everything()) redriven->remaining = queue_->GetStats().dead_letters;
  return status;
}

absl::Status DeadLetters::Purge(const Filter& filter, int64_t* purged) {
  Slices slices(
      [this](absl::Span<const uint64_t> sequences) { return queue_->PurgeDeadLetters(sequences); },
      purged);
  absl::Status status = ForEach(
      filter, [&](const DeadLetter& dead_letter) { return slices.Add(dead_letter.record); });
  return status.ok() ? slices.Flush() : status;
}

}  // namespace router
