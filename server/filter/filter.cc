#include "server/filter/filter.h"

#include "absl/strings/match.h"
#include "server/filter/filter_parser.h"

namespace router {

absl::StatusOr<Filter> Filter::Parse(absl::string_view text, absl::Span<const FilterField> fields) {
  return FilterParser(text, fields).Parse();
}

bool Filter::Matches(absl::FunctionRef<FilterValue(size_t field)> lookup) const {
  for (const Condition& condition : conditions_) {
    if (!Holds(condition, lookup(condition.field))) return false;
  }
  return true;
}

bool Filter::Holds(const Condition& condition, const FilterValue& value) {
  const auto compare = [&](const auto& actual, const auto& wanted) {
    switch (condition.op) {
      case Operator::kEqual:
        return actual == wanted;
      case Operator::kNotEqual:
        return actual != wanted;
      case Operator::kLess:
        return actual < wanted;
      case Operator::kGreater:
        return actual > wanted;
      case Operator::kContains:
        break;
    }
    return false;
  };
  if (const auto* wanted = absl::get_if<std::string>(&condition.value)) {
    const auto* actual = absl::get_if<absl::string_view>(&value);
    if (actual == nullptr) return false;
    if (condition.op == Operator::kContains) return absl::StrContains(*actual, *wanted);
    return compare(*actual, absl::string_view(*wanted));
  }
  if (const auto* wanted = absl::get_if<int64_t>(&condition.value)) {
    const auto* actual = absl::get_if<int64_t>(&value);
    return actual != nullptr && compare(*actual, *wanted);
  }
  const auto* actual = absl::get_if<absl::Time>(&value);
  return actual != nullptr && compare(*actual, absl::get<absl::Time>(condition.value));
}

}  // namespace router
