#include "server/listener/socket_number.h"

#include <sys/stat.h>

namespace router {

uint64_t SocketNumber(int fd) {
  struct stat status;
  return fstat(fd, &status) == 0 && S_ISSOCK(status.st_mode) ? status.st_ino : 0;
}

}  // namespace router
