// The filter language of the list, retry and purge methods.
//
//   filter    = "" | "*" | condition { "AND" condition }
//   condition = field ( "=" | "!=" | "<" | ">" | ":" ) value
//   value     = word | '"' { character | '\"' | '\\' } '"'
//
// A word is anything without white space and double quotes. The empty filter and `*` match
// everything.
// `:` is "contains", for text. Text is compared byte by byte; times are RFC 3339; the names of an
// enumeration have no order.
//
// Example:
//   const std::vector<FilterField> fields = {{"subject", FilterType::kString, {}},
//                                            {"size_bytes", FilterType::kInt, {}}};
//   absl::StatusOr<Filter> filter = Filter::Parse("subject:orders. AND size_bytes > 1024", fields);
//   filter->Matches([&](size_t field) -> FilterValue { ... });
#ifndef ROUTER_SERVER_FILTER_FILTER_H_
#define ROUTER_SERVER_FILTER_FILTER_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "absl/types/variant.h"

namespace router {

inline constexpr size_t kFilterBytesMax = 4096;
inline constexpr size_t kFilterConditionsMax = 32;

enum class FilterType { kString, kInt, kTime, kEnum };

struct FilterField {
  std::string name;
  FilterType type = FilterType::kString;
  std::vector<std::string> enum_values;  // kEnum: the names there are.
};

// A field of the thing that is matched: text for kString and the name for kEnum; a number for kInt;
// a time for kTime. Text is only looked at during the call that asked for it.
using FilterValue = absl::variant<absl::string_view, int64_t, absl::Time>;

// A parsed filter. A value: copyable, and thread-safe as long as nobody assigns to it.
class Filter {
 public:
  // Matches everything.
  Filter() = default;

  // FILTER_INVALID, with the column (in characters, from 1) and what would have been right, for
  // whatever is not in the language, names a field that is not in `fields`, compares it in a way
  // that its type does not have, is longer than kFilterBytesMax or has more than
  // kFilterConditionsMax conditions.
  static absl::StatusOr<Filter> Parse(absl::string_view text, absl::Span<const FilterField> fields);

  bool matches_everything() const { return conditions_.empty(); }

  // Whether all conditions hold. `lookup` gets an index into the `fields` that the filter was
  // parsed with; a value of another type than the field's matches nothing.
  bool Matches(absl::FunctionRef<FilterValue(size_t field)> lookup) const;

 private:
  friend class FilterParser;

  enum class Operator { kEqual, kNotEqual, kLess, kGreater, kContains };
  struct Condition {
    size_t field = 0;
    Operator op = Operator::kEqual;
    absl::variant<std::string, int64_t, absl::Time> value;
  };

  static bool Holds(const Condition& condition, const FilterValue& value);

  std::vector<Condition> conditions_;
};

}  // namespace router

#endif  // ROUTER_SERVER_FILTER_FILTER_H_
