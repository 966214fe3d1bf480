#ifndef ROUTER_SERVER_FILTER_FILTER_PARSER_H_
#define ROUTER_SERVER_FILTER_FILTER_PARSER_H_

#include <cstddef>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/filter/filter.h"

namespace router {

// Reads one filter, from left to right. Use once.
class FilterParser {
 public:
  FilterParser(absl::string_view text, absl::Span<const FilterField> fields)
      : text_(text), fields_(fields) {}

  absl::StatusOr<Filter> Parse();

 private:
  using Condition = Filter::Condition;
  using Operator = Filter::Operator;

  absl::Status ParseCondition(Condition* condition);
  absl::Status ParseAnd();
  absl::Status ParseField(Condition* condition);
  absl::Status ParseOperator(Condition* condition);
  absl::Status ParseValue(Condition* condition);
  absl::Status ParseQuoted(std::string* value);
  absl::Status ParseWord(std::string* value);
  absl::Status Convert(std::string value, size_t start, Condition* condition) const;

  absl::Status ErrorAt(size_t offset, absl::string_view why) const;
  void SkipSpace();
  bool AtEnd() const { return offset_ == text_.size(); }
  char Peek() const { return AtEnd() ? '\0' : text_[offset_]; }
  absl::string_view PeekName() const;

  const absl::string_view text_;
  const absl::Span<const FilterField> fields_;
  size_t offset_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_FILTER_FILTER_PARSER_H_
