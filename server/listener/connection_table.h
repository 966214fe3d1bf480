#ifndef ROUTER_SERVER_LISTENER_CONNECTION_TABLE_H_
#define ROUTER_SERVER_LISTENER_CONNECTION_TABLE_H_

#include <sys/socket.h>

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "server/base/clock.h"
#include "server/listener/flood_meter.h"

namespace router {

// One that was handed over, and may have been closed since: whoever it was handed to does not say
// so. Its descriptor may be something else's by now; the number of the socket tells.
struct Connection {
  int fd = -1;
  uint64_t socket_number = 0;
  std::string address;       // ClientAddress.
  std::string peer;          // As gRPC names it.
  int64_t channelz_id = 0;   // 0: not known yet.
  int64_t looked_bytes = 0;  // Read when it was looked at for the last time.
  FloodMeter meter;
};

// The connections of a listener: how many there are, in all and from one address, and which of the
// next ones is one too many. Not thread-safe.
class ConnectionTable {
 public:
  struct Limits {
    int64_t connections_max = 0;          // 0: none.
    int64_t address_connections_max = 0;  // 0: none.
  };

  enum class Admission { kOk, kTooMany, kTooManyOfAddress, kBanned };

  explicit ConnectionTable(const Limits& limits);
  ~ConnectionTable();
  ConnectionTable(const ConnectionTable&) = delete;
  ConnectionTable& operator=(const ConnectionTable&) = delete;

  // Takes in a connection that has just been accepted, if that is allowed.
  Admission Add(int fd, const sockaddr_storage& peer, SteadyTime now);

  // Forgets what has been closed, and bans that are over. Costs a system call per connection.
  void Sweep(SteadyTime now);

  // Ends a connection for both sides; its owner will find it ended. Nothing where it is closed.
  static void Shutdown(const Connection& connection);

  // Whether connections can be watched: false where there was no descriptor for that.
  bool ok() const { return epoll_fd_ >= 0; }

  // Takes no more connections from this address for a time. So many addresses at most are kept:
  // beyond them, nobody is banned.
  static constexpr size_t kBansMax = 10000;
  void Ban(const std::string& address, SteadyTime until);
  // Notes something that can happen to somebody who means well. True for the third time of an
  // address before the `until` of its first.
  bool IsOnceTooOften(const std::string& address, SteadyTime until);

  // The connections over which something has come since the last call, or that were ended. Costs
  // nothing for the others. Valid until the next Add or Sweep.
  std::vector<Connection*> TakeActive();
  // The next call gives this one again, if there is something to read, new or not.
  void KeepActive(const Connection& connection);

  // As of the last Sweep, and what was added since.
  size_t size() const { return connections_.size(); }

  // By descriptor. Valid until the next Add or Sweep.
  absl::flat_hash_map<int, Connection>& connections() { return connections_; }

 private:
  Admission Check(const std::string& address, SteadyTime now) const;
  void Forget(int fd);
  bool Watch(int fd, int operation) const;

  const Limits limits_;
  const int epoll_fd_;  // Watches all of them, and wakes nobody.
  absl::flat_hash_map<int, Connection> connections_;
  absl::flat_hash_map<std::string, int64_t> by_address_;
  absl::flat_hash_map<std::string, SteadyTime> bans_;
  struct Mishaps {
    int count = 0;
    SteadyTime until;
  };
  absl::flat_hash_map<std::string, Mishaps> mishaps_;
  SteadyTime swept_at_ = SteadyTime::min();
};

// What has come over a connection; nothing where it has been closed.
struct ConnectionBytes {
  int64_t read = 0;  // From it, by its owner.
  int64_t unread = 0;
};
ConnectionBytes BytesOf(const Connection& connection);

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_CONNECTION_TABLE_H_
