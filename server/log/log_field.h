#ifndef ROUTER_SERVER_LOG_LOG_FIELD_H_
#define ROUTER_SERVER_LOG_LOG_FIELD_H_

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "absl/types/variant.h"

namespace router {

// A field of a log event: a key in lower_snake and a string, integer, double or boolean. A field
// whose value is absent is left out. A view: what it points to has to live only until the call it
// is an argument of returns.
class LogField {
 public:
  using Value = absl::variant<absl::monostate, absl::string_view, int64_t, uint64_t, double, bool>;

  LogField(absl::string_view key, absl::string_view value) : key_(key), value_(value) {}
  LogField(absl::string_view key, const char* value) : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, const std::string& value)
      : LogField(key, absl::string_view(value)) {}
  LogField(absl::string_view key, std::string_view value)
      : LogField(key, absl::string_view(value.data(), value.size())) {}

  LogField(absl::string_view key, const absl::optional<absl::string_view>& value) : key_(key) {
    if (value.has_value()) value_ = *value;
  }

  template <typename T, typename = std::enable_if_t<std::is_arithmetic_v<T>>>
  LogField(absl::string_view key, T value) : key_(key), value_(Widen(value)) {}

  absl::string_view key() const { return key_; }
  const Value& value() const { return value_; }
  bool is_absent() const { return absl::holds_alternative<absl::monostate>(value_); }

 private:
  template <typename T>
  static auto Widen(T value) {
    if constexpr (std::is_same_v<T, bool>) {
      return value;
    } else if constexpr (std::is_floating_point_v<T>) {
      return static_cast<double>(value);
    } else if constexpr (std::is_signed_v<T>) {
      return static_cast<int64_t>(value);
    } else {
      return static_cast<uint64_t>(value);
    }
  }

  absl::string_view key_;
  Value value_;
};

}  // namespace router

#endif  // ROUTER_SERVER_LOG_LOG_FIELD_H_
