#ifndef ROUTER_SERVER_CONFIG_TEXT_FILE_H_
#define ROUTER_SERVER_CONFIG_TEXT_FILE_H_

#include <string>

#include "absl/status/statusor.h"

namespace router {

// The content of a small file. The message of an error names the path, in quotes: NOT_FOUND when it
// cannot be opened, INVALID_ARGUMENT when it is no file, cannot be read or has more than 1 MiB.
absl::StatusOr<std::string> ReadTextFile(const std::string& path);

}  // namespace router

#endif  // ROUTER_SERVER_CONFIG_TEXT_FILE_H_
