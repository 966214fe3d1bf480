#include "server/base/file_stamp.h"

#include <tuple>

namespace router {
namespace {

auto AsTuple(const FileStamp& stamp) {
  return std::make_tuple(stamp.is_there, stamp.device, stamp.inode, stamp.size,
                         stamp.modify_time.tv_sec, stamp.modify_time.tv_nsec,
                         stamp.change_time.tv_sec, stamp.change_time.tv_nsec);
}

}  // namespace

bool FileStamp::operator==(const FileStamp& other) const {
  return AsTuple(*this) == AsTuple(other);
}

FileStamp StampOf(const std::string& path) {
  struct stat info;
  FileStamp stamp;
  if (stat(path.c_str(), &info) != 0) return stamp;
  stamp.is_there = true;
  stamp.device = info.st_dev;
  stamp.inode = info.st_ino;
  stamp.size = info.st_size;
  stamp.modify_time = info.st_mtim;
  stamp.change_time = info.st_ctim;
  return stamp;
}

std::vector<FileStamp> StampsOf(const std::vector<std::string>& paths) {
  std::vector<FileStamp> stamps;
  for (const std::string& path : paths) stamps.push_back(StampOf(path));
  return stamps;
}

}  // namespace router
