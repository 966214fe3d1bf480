// The file under AuditLog: lines appended with fsync, and read from the end.
#ifndef ROUTER_SERVER_AUDIT_AUDIT_FILE_H_
#define ROUTER_SERVER_AUDIT_AUDIT_FILE_H_

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "server/pending/durable_file.h"

namespace router {

// Appends lines. Not thread-safe.
class AuditFile {
 public:
  AuditFile() = default;

  // Opens the file, or creates it and makes its name durable. `was_torn` says whether it ended in
  // the middle of a line; that line has been closed off.
  absl::Status Open(const std::string& path, bool* was_torn);

  // Gives the file another name in its folder, over what has it. It is durable with the next sync
  // of the folder.
  absl::Status Rename(const std::string& path);

  // Appends a line (with its newline) and fsyncs. After an error the file is as long as before, or
  // the next Append makes good for it: a line is never glued to the remains of another.
  absl::Status Append(absl::string_view line);

  const std::string& path() const { return path_; }
  int64_t size_bytes() const { return size_bytes_; }

 private:
  std::string path_;
  FileDescriptor file_;
  int64_t size_bytes_ = 0;
  bool ends_torn_ = false;
};

// Reads the lines of a file from the last to the first, as far as the file went when it was opened.
// Goes on reading the same file after it is renamed or replaced. Not thread-safe.
class BackwardLineReader {
 public:
  // OK, with no lines, for a file that is not there.
  absl::Status Open(const std::string& path);

  // Puts the next line, without its newline, into `line`; false when there is none left. A line
  // that is too long to be an event comes in pieces.
  absl::StatusOr<bool> Next(std::string* line);

 private:
  absl::Status ReadChunk();

  std::string path_;
  FileDescriptor file_;
  int64_t unread_bytes_ = 0;  // What lies before `buffer_` in the file.
  std::string buffer_;
};

}  // namespace router

#endif  // ROUTER_SERVER_AUDIT_AUDIT_FILE_H_
