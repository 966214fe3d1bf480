#ifndef ROUTER_SERVER_SERVICES_PENDING_BROWSER_H_
#define ROUTER_SERVER_SERVICES_PENDING_BROWSER_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/filter/filter.h"
#include "server/pending/pending_queue.h"

namespace router {

// Walks the pending queue for inspection: slice by slice, so that the queue's writer is never held
// up for longer than one slice takes. Claims nothing. Thread-safe; borrows the queue.
class PendingBrowser {
 public:
  struct Page {
    std::vector<PendingRecord> records;
    std::string next_page_token;  // Empty on the last page.
  };

  explicit PendingBrowser(PendingQueue* queue) : queue_(queue) {}

  // The next page of records that match. FILTER_INVALID, PAGE_SIZE_INVALID, PAGE_TOKEN_INVALID.
  absl::StatusOr<Page> List(absl::string_view filter, int32_t page_size,
                            absl::string_view page_token, bool with_payload) const;

  // NOT_FOUND where it is not in the queue (any more).
  absl::StatusOr<PendingRecord> Get(uint64_t operation_id, bool with_payload) const;

  // Every record that matches, in order and without payloads, among those that are in the queue
  // now.
  absl::Status ForEach(const Filter& filter,
                       const std::function<absl::Status(const PendingRecord&)>& visit) const;

 private:
  PendingQueue* const queue_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PENDING_BROWSER_H_
