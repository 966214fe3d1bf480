#ifndef ROUTER_SERVER_BASE_FILE_STAMP_H_
#define ROUTER_SERVER_BASE_FILE_STAMP_H_

#include <sys/stat.h>

#include <string>
#include <vector>

namespace router {

// Tells whether a file may have changed: which file it is, its size, and when it was written.
struct FileStamp {
  bool is_there = false;
  dev_t device = 0;
  ino_t inode = 0;
  off_t size = 0;
  timespec modify_time = {};
  timespec change_time = {};

  bool operator==(const FileStamp& other) const;
};

// Follows links, so that a link that is set to another file is a change.
FileStamp StampOf(const std::string& path);
std::vector<FileStamp> StampsOf(const std::vector<std::string>& paths);

}  // namespace router

#endif  // ROUTER_SERVER_BASE_FILE_STAMP_H_
