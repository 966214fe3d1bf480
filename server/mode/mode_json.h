// What stands in the file that keeps the mode.
#ifndef ROUTER_SERVER_MODE_MODE_JSON_H_
#define ROUTER_SERVER_MODE_MODE_JSON_H_

#include <string>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "server/mode/fail_open_state.h"

namespace router {

// The state as a JSON object. Bytes that are not UTF-8 are replaced.
std::string ModeToJson(const FailOpenState& state);

// The state in `text`; nothing where there is none.
absl::optional<FailOpenState> ModeFromJson(absl::string_view text);

}  // namespace router

#endif  // ROUTER_SERVER_MODE_MODE_JSON_H_
