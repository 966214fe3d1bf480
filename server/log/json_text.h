#ifndef ROUTER_SERVER_LOG_JSON_TEXT_H_
#define ROUTER_SERVER_LOG_JSON_TEXT_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"
#include "server/log/log_field.h"

namespace router {

// Appends `text` as a JSON string, quotes included. Bytes that are not UTF-8 become U+FFFD each.
// What would make it longer than `bytes_max` is cut off and an ellipsis put in its place; returns
// false then.
bool AppendJsonString(absl::string_view text, size_t bytes_max, std::string& out);

// Appends a value, which must not be absent; only strings can be cut. Numbers that JSON does not
// have (NaN, infinities) become strings.
bool AppendJsonValue(const LogField::Value& value, size_t bytes_max, std::string& out);

}  // namespace router

#endif  // ROUTER_SERVER_LOG_JSON_TEXT_H_
