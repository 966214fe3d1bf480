#include "server/services/stream_answers.h"

#include "absl/strings/string_view.h"
#include "server/services/message_conversion.h"

namespace router {
namespace {

bool FitsRange(const Operation& operation) {
  return operation.outcome != Outcome::kRejected && !operation.duplicate;
}

// Whether `operation`, the message `number`, is what follows the last of `range`.
bool Continues(const v1::PublishStreamRange& range, uint64_t number, const Operation& operation) {
  if (range.last() + 1 != number || range.outcome() != ToProto(operation.outcome)) return false;
  const uint64_t offset = number - range.first();
  switch (operation.outcome) {
    case Outcome::kDelivered:
      if (operation.sequence == 0) return range.first_sequence() == 0;  // Received, not stored.
      return absl::string_view(range.stream()) == operation.stream &&
             range.first_sequence() + offset == operation.sequence;
    case Outcome::kQueued:
      return range.first_operation_id() + offset == operation.operation_id;
    case Outcome::kDropped:
    case Outcome::kRejected:
    case Outcome::kUnanswered:
      break;
  }
  return true;
}

}  // namespace

void AddAnswers(uint64_t first_number, const std::vector<Operation>& operations,
                v1::PublishStreamResponse* response) {
  uint64_t number = first_number;
  for (const Operation& operation : operations) {
    if (!FitsRange(operation)) {
      v1::PublishStreamResult* result = response->add_results();
      result->set_number(number);
      ToProto(operation, result->mutable_result());
    } else if (const int ranges = response->ranges_size();
               ranges > 0 && Continues(response->ranges(ranges - 1), number, operation)) {
      response->mutable_ranges(ranges - 1)->set_last(number);
    } else {
      v1::PublishStreamRange* range = response->add_ranges();
      range->set_first(number);
      range->set_last(number);
      range->set_outcome(ToProto(operation.outcome));
      range->set_stream(operation.stream.data(), operation.stream.size());
      range->set_first_sequence(operation.sequence);
      range->set_first_operation_id(operation.operation_id);
    }
    ++number;
  }
}

}  // namespace router
