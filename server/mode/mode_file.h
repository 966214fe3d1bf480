#ifndef ROUTER_SERVER_MODE_MODE_FILE_H_
#define ROUTER_SERVER_MODE_MODE_FILE_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "server/mode/fail_open_state.h"

namespace router {

// The path of the file in `dir` that keeps the mode, and that of a damaged one which was set aside.
std::string ModeFilePath(const std::string& dir);
std::string DamagedModeFilePath(const std::string& dir);

// Replaces the file, so that after a crash at any moment either the old state or the new one is
// there whole. OK proves that the new one is.
absl::Status WriteModeFile(const std::string& dir, const FailOpenState& state);

// NOT_FOUND where there is no file, DATA_LOSS where it does not hold a state; anything else is an
// error of the file system.
absl::StatusOr<FailOpenState> ReadModeFile(const std::string& dir);

// Renames a damaged file out of the way. OK if there is none.
absl::Status SetModeFileAside(const std::string& dir);

}  // namespace router

#endif  // ROUTER_SERVER_MODE_MODE_FILE_H_
