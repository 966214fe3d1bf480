#include "server/services/pending_browser.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"
#include "server/services/list_filters.h"
#include "server/services/page.h"

namespace router {
namespace {

// Records read between two commits of the queue's writer.
constexpr int64_t kSliceCount = 256;
// A page with payloads ends early beyond it: clients take 4 MiB unless told otherwise.
constexpr int64_t kPageBytesMax = int64_t{1} << 20;

}  // namespace

absl::StatusOr<PendingBrowser::Page> PendingBrowser::List(absl::string_view filter_text,
                                                          int32_t page_size,
                                                          absl::string_view page_token,
                                                          bool with_payload) const {
  const absl::StatusOr<Filter> filter = ParsePendingFilter(filter_text);
  if (!filter.ok()) return filter.status();
  const absl::StatusOr<int64_t> size = PageSize(page_size);
  if (!size.ok()) return size.status();
  const absl::StatusOr<uint64_t> position = ParseSequenceToken(page_token, filter_text);
  if (!position.ok()) return position.status();
  uint64_t after = *position;

  Page page;
  int64_t page_bytes = 0;
  while (true) {
    absl::StatusOr<std::vector<PendingRecord>> slice =
        queue_->Scan(after, kSliceCount, with_payload);
    if (!slice.ok()) return slice.status();
    if (slice->empty()) return page;
    for (PendingRecord& record : *slice) {
      after = record.sequence;
      if (!PendingMatches(*filter, record)) continue;
      const bool is_full = static_cast<int64_t>(page.records.size()) == *size ||
                           (with_payload && page_bytes >= kPageBytesMax);
      if (is_full) {
        page.next_page_token =
            MakePageToken(absl::StrCat(page.records.back().sequence), filter_text);
        return page;
      }
      page_bytes += record.size_bytes;
      page.records.push_back(std::move(record));
    }
  }
}

absl::StatusOr<PendingRecord> PendingBrowser::Get(uint64_t operation_id, bool with_payload) const {
  if (operation_id == 0) return error::OperationNotFound(operation_id);
  absl::StatusOr<std::vector<PendingRecord>> slice =
      queue_->Scan(operation_id - 1, 1, with_payload);
  if (!slice.ok()) return slice.status();
  if (slice->empty() || slice->front().sequence != operation_id) {
    return error::OperationNotFound(operation_id);
  }
  return std::move(slice->front());
}

absl::Status PendingBrowser::ForEach(
    const Filter& filter, const std::function<absl::Status(const PendingRecord&)>& visit) const {
  // What is appended meanwhile is left alone, or a busy queue would never end.
  uint64_t after = 0;
  int64_t left = queue_->GetStats().count;
  while (left > 0) {
    absl::StatusOr<std::vector<PendingRecord>> slice = queue_->Scan(after, kSliceCount, false);
    if (!slice.ok()) return slice.status();
    if (slice->empty()) return absl::OkStatus();
    for (const PendingRecord& record : *slice) {
      after = record.sequence;
      --left;
      if (!PendingMatches(filter, record)) continue;
      if (absl::Status status = visit(record); !status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

}  // namespace router
