#include "server/listener/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"

namespace router {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(10);

// Keeps what is handed over, and closes it in the end.
class Connections {
 public:
  ~Connections() { CloseAll(); }

  void Add(int fd) {
    absl::MutexLock lock(&mutex_);
    fds_.push_back(fd);
  }
  void Refuse() {
    absl::MutexLock lock(&mutex_);
    ++refused_;
  }
  void CloseAll() {
    absl::MutexLock lock(&mutex_);
    for (int fd : fds_) close(fd);
    fds_.clear();
  }
  bool WaitUntil(size_t taken, int refused) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return fds_.size() >= taken && refused_ >= refused;
    };
    return mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience);
  }
  size_t taken() {
    absl::MutexLock lock(&mutex_);
    return fds_.size();
  }

 private:
  absl::Mutex mutex_;
  std::vector<int> fds_ ABSL_GUARDED_BY(mutex_);
  int refused_ ABSL_GUARDED_BY(mutex_) = 0;
};

class Client {
 public:
  explicit Client(int port) : fd_(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_port = htons(port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    connected_ = connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof(address)) == 0;
  }
  Client(Client&& other) noexcept : fd_(other.fd_), connected_(other.connected_) { other.fd_ = -1; }
  ~Client() {
    if (fd_ >= 0) close(fd_);
  }

  bool connected() const { return connected_; }

  // Whether the other side ends the connection.
  bool IsEnded(absl::Duration patience = kPatience) const {
    pollfd readable = {fd_, POLLIN, 0};
    char byte;
    return poll(&readable, 1, absl::ToInt64Milliseconds(patience)) == 1 && read(fd_, &byte, 1) <= 0;
  }

 private:
  int fd_;
  bool connected_;
};

class ListenerTest : public testing::Test {
 protected:
  void Open(int descriptors_max) {
    absl::StatusOr<std::unique_ptr<Listener>> opened =
        Listener::Open({"127.0.0.1:0", descriptors_max});
    ASSERT_TRUE(opened.ok()) << opened.status();
    listener_ = *std::move(opened);
  }
  void Start(int descriptors_max) {
    Open(descriptors_max);
    listener_->Start(HandlersOfTest());
  }
  Listener::Handlers HandlersOfTest() {
    Listener::Handlers handlers;
    handlers.on_connection = [this](int fd, const sockaddr_storage&) {
      connections_.Add(fd);
      return true;
    };
    handlers.on_refused = [this] { connections_.Refuse(); };
    handlers.on_dead_socket = [this](const absl::Status& rebuilt) {
      absl::MutexLock lock(&mutex_);
      rebuilt_.push_back(rebuilt);
    };
    return handlers;
  }
  // Waits for that many attempts to replace a dead socket; the last one.
  absl::Status WaitForRebuilt(size_t count) {
    absl::MutexLock lock(&mutex_);
    const auto enough = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
      return rebuilt_.size() >= count;
    };
    if (!mutex_.AwaitWithTimeout(absl::Condition(&enough), kPatience)) {
      return absl::DeadlineExceededError("the socket is not replaced");
    }
    return rebuilt_.back();
  }
  std::vector<Client> Connect(int count) {
    std::vector<Client> clients;
    for (int i = 0; i < count; ++i) clients.emplace_back(listener_->port());
    return clients;
  }

  Connections connections_;
  absl::Mutex mutex_;
  std::vector<absl::Status> rebuilt_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<Listener> listener_;
};

// The descriptor of this process that listens at a port; -1 where there is none.
int ListeningAt(int port) {
  for (int fd = 3; fd < 1000; ++fd) {
    int listens = 0;
    socklen_t size = sizeof(listens);
    sockaddr_in address = {};
    socklen_t address_size = sizeof(address);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &size) == 0 && listens != 0 &&
        getsockname(fd, reinterpret_cast<sockaddr*>(&address), &address_size) == 0 &&
        ntohs(address.sin_port) == port) {
      return fd;
    }
  }
  return -1;
}

// As many descriptors as are open now, and the number of the next one.
int NextDescriptor() {
  const int next = dup(0);
  close(next);
  return next;
}

TEST_F(ListenerTest, HandsOverEveryConnection) {
  Start(10000);
  const std::vector<Client> clients = Connect(20);
  EXPECT_TRUE(connections_.WaitUntil(20, 0));
}

TEST_F(ListenerTest, TakesConnectionsThatCameBeforeTheStart) {
  Open(10000);
  const std::vector<Client> clients = Connect(3);
  listener_->Start(HandlersOfTest());
  EXPECT_TRUE(connections_.WaitUntil(3, 0));
}

TEST_F(ListenerTest, ClosesConnectionsThatWouldTakeTheLastDescriptors) {
  Start(NextDescriptor() + 30);
  const std::vector<Client> clients = Connect(40);
  EXPECT_TRUE(connections_.WaitUntil(0, 20));
  EXPECT_LT(connections_.taken(), 20);
  EXPECT_TRUE(clients.back().IsEnded());
}

TEST_F(ListenerTest, AcceptsAgainWhenOthersHaveLeft) {
  Start(NextDescriptor() + 30);
  {
    const std::vector<Client> clients = Connect(40);
    ASSERT_TRUE(connections_.WaitUntil(0, 20));
  }
  connections_.CloseAll();
  const std::vector<Client> clients = Connect(5);
  EXPECT_TRUE(connections_.WaitUntil(5, 0));
}

TEST_F(ListenerTest, AcceptsAgainAfterThereWasNoDescriptorAtAll) {
  Start(10000);
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const std::vector<Client> clients = Connect(1);
  ASSERT_TRUE(connections_.WaitUntil(1, 0));
  // Those that are open stay open; a new one is not to be had, for the client's end neither.
  const int client = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  const rlimit none = {1, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &none), 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(listener_->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  EXPECT_EQ(connect(client, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  EXPECT_EQ(connections_.taken(), 1);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_TRUE(connections_.WaitUntil(2, 0));
  close(client);
}

TEST_F(ListenerTest, ReplacesASocketThatHasStoppedListening) {
  Start(10000);
  const Client before(listener_->port());
  ASSERT_TRUE(connections_.WaitUntil(1, 0));
  for (size_t times = 1; times <= 2; ++times) {
    ASSERT_EQ(shutdown(ListeningAt(listener_->port()), SHUT_RDWR), 0);
    EXPECT_TRUE(WaitForRebuilt(times).ok());
    EXPECT_TRUE(listener_->is_listening());
    const Client after(listener_->port());
    EXPECT_TRUE(after.connected());
    EXPECT_TRUE(connections_.WaitUntil(1 + times, 0));
  }
  EXPECT_FALSE(before.IsEnded(absl::ZeroDuration()));
}

TEST_F(ListenerTest, TriesAgainWhileTheAddressIsTaken) {
  Start(10000);
  // Somebody else has the port at the very moment when it is needed.
  const int dead = ListeningAt(listener_->port());
  const int thief = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_port = htons(listener_->port());
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  const int yes = 1;
  ASSERT_EQ(setsockopt(dead, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
  ASSERT_EQ(setsockopt(thief, SOL_SOCKET, SO_REUSEPORT, &yes, sizeof(yes)), 0);
  ASSERT_EQ(bind(thief, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
  ASSERT_EQ(listen(thief, 1), 0);
  ASSERT_EQ(shutdown(dead, SHUT_RDWR), 0);
  EXPECT_EQ(WaitForRebuilt(1).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_FALSE(listener_->is_listening());
  close(thief);
  EXPECT_TRUE(WaitForRebuilt(2).ok());
  const Client after(listener_->port());
  EXPECT_TRUE(connections_.WaitUntil(1, 0));
  EXPECT_TRUE(listener_->is_listening());
}

TEST_F(ListenerTest, AddressInUseIsAlreadyExists) {
  Open(10000);
  const std::string taken = absl::StrCat("127.0.0.1:", listener_->port());
  EXPECT_EQ(Listener::Open({taken, 10000}).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(ListenerTest, AddressOfAnotherMachineIsInvalid) {
  for (const char* address :
       {"192.0.2.1:0", "no.such.host.invalid:0", "127.0.0.1", "127.0.0.1:x"}) {
    EXPECT_EQ(Listener::Open({address, 10000}).status().code(), absl::StatusCode::kInvalidArgument)
        << address;
  }
}

bool HasIpv6() {
  const int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno != EAFNOSUPPORT;
  close(fd);
  return true;
}

TEST_F(ListenerTest, TakesNamesAndBothProtocols) {
  std::vector<const char*> addresses = {"localhost:0", ":0", "0.0.0.0:0"};
  if (HasIpv6()) addresses.push_back("[::]:0");
  for (const char* address : addresses) {
    const absl::StatusOr<std::unique_ptr<Listener>> opened = Listener::Open({address, 10000});
    ASSERT_TRUE(opened.ok()) << address << ": " << opened.status();
    EXPECT_TRUE(Client((*opened)->port()).connected()) << address;
  }
}

TEST_F(ListenerTest, RefusesConnectionsAfterStop) {
  Start(10000);
  const int port = listener_->port();
  listener_->Stop();
  EXPECT_FALSE(Client(port).connected());
}

TEST(DescriptorsForConnectionsTest, LeavesSomeForTheProcessItself) {
  rlimit limit;
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &limit), 0);
  EXPECT_LT(DescriptorsForConnections(), limit.rlim_cur);
  EXPECT_GE(DescriptorsForConnections(), limit.rlim_cur / 2);
}

}  // namespace
}  // namespace router
