#include "server/listener/connection_table.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <array>
#include <string>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/string_view.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using Admission = ConnectionTable::Admission;

sockaddr_storage From(const char* address, int port) {
  sockaddr_storage storage = {};
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&storage);
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&storage);
  if (inet_pton(AF_INET, address, &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(port);
  } else {
    EXPECT_EQ(inet_pton(AF_INET6, address, &v6->sin6_addr), 1) << address;
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(port);
  }
  return storage;
}

// Descriptors stand for connections; the other end shows what happens to them.
class ConnectionTableTest : public ::testing::Test {
 protected:
  ~ConnectionTableTest() override {
    for (const auto& pair : pairs_) {
      for (int fd : pair) {
        if (fd >= 0) close(fd);
      }
    }
  }

  std::array<int, 2>& Open() {
    std::array<int, 2> pair;
    EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair.data()), 0);
    pairs_.push_back(pair);
    return pairs_.back();
  }

  Admission Add(const char* address) { return table_.Add(Open()[0], From(address, 1), now_); }

  void CloseAll() {
    for (auto& pair : pairs_) close(std::exchange(pair[0], -1));
  }

  void Pass(absl::Duration duration) { now_ += absl::ToChronoNanoseconds(duration); }

  ConnectionTable table_{{5, 3}};
  std::vector<std::array<int, 2>> pairs_;
  SteadyTime now_ = SteadyTime(std::chrono::hours(1));
};

TEST_F(ConnectionTableTest, LimitsTheConnectionsOfAnAddress) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Add("192.0.2.1"), Admission::kOk);
  EXPECT_EQ(Add("192.0.2.1"), Admission::kTooManyOfAddress);
  EXPECT_EQ(Add("192.0.2.2"), Admission::kOk);
}

TEST_F(ConnectionTableTest, LimitsTheConnectionsInAll) {
  for (const char* address : {"192.0.2.1", "192.0.2.2", "192.0.2.3", "192.0.2.4", "192.0.2.5"}) {
    EXPECT_EQ(Add(address), Admission::kOk);
  }
  EXPECT_EQ(Add("192.0.2.6"), Admission::kTooMany);
  EXPECT_EQ(table_.size(), 5);
}

TEST_F(ConnectionTableTest, NetworksOfIpv6AreOneAddress) {
  EXPECT_EQ(Add("2001:db8::1"), Admission::kOk);
  EXPECT_EQ(Add("2001:db8::2"), Admission::kOk);
  EXPECT_EQ(Add("2001:db8::ffff:3"), Admission::kOk);
  EXPECT_EQ(Add("2001:db8::4"), Admission::kTooManyOfAddress);
  EXPECT_EQ(Add("2001:db8:0:1::1"), Admission::kOk);
}

TEST_F(ConnectionTableTest, ClosedOnesMakeRoom) {
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Add("192.0.2.1"), Admission::kOk);
  CloseAll();
  Pass(absl::Seconds(1));
  // The descriptors are given out anew, which alone would not be enough: one stands for another.
  EXPECT_EQ(Add("192.0.2.9"), Admission::kOk);
  EXPECT_EQ(Add("192.0.2.1"), Admission::kOk);
  table_.Sweep(now_);
  EXPECT_EQ(table_.size(), 2);
}

TEST_F(ConnectionTableTest, ADescriptorThatIsSomethingElseNowIsNotShutDown) {
  const int fd = Open()[0];
  ASSERT_EQ(table_.Add(fd, From("192.0.2.1", 1), now_), Admission::kOk);
  const Connection connection = table_.connections().begin()->second;
  close(std::exchange(pairs_[0][0], -1));
  std::array<int, 2>& later = Open();
  ASSERT_EQ(dup2(later[0], fd), fd);
  absl::Cleanup close_it = [fd] { close(fd); };
  ConnectionTable::Shutdown(connection);
  EXPECT_EQ(write(later[1], "x", 1), 1);
}

TEST_F(ConnectionTableTest, ShutdownIsSeenByBothEnds) {
  const std::array<int, 2> pair = Open();
  ASSERT_EQ(table_.Add(pair[0], From("192.0.2.1", 1), now_), Admission::kOk);
  ConnectionTable::Shutdown(table_.connections().begin()->second);
  char byte;
  EXPECT_EQ(read(pair[0], &byte, 1), 0);
  EXPECT_EQ(read(pair[1], &byte, 1), 0);
}

TEST_F(ConnectionTableTest, ActiveAreThoseOverWhichSomethingHasCome) {
  const std::array<int, 2> first = Open();
  const std::array<int, 2> second = Open();
  ASSERT_EQ(table_.Add(first[0], From("192.0.2.1", 1), now_), Admission::kOk);
  ASSERT_EQ(table_.Add(second[0], From("192.0.2.2", 1), now_), Admission::kOk);
  EXPECT_TRUE(table_.TakeActive().empty());
  for (int times = 0; times < 2; ++times) {  // Nobody reads it: what is new counts.
    ASSERT_EQ(write(second[1], "xx", 2), 2);
    const std::vector<Connection*> active = table_.TakeActive();
    ASSERT_EQ(active.size(), 1);
    EXPECT_EQ(active[0]->address, "192.0.2.2");
    EXPECT_TRUE(table_.TakeActive().empty());
  }
}

TEST_F(ConnectionTableTest, BansEnd) {
  table_.Ban("192.0.2.1", now_ + std::chrono::seconds(10));
  EXPECT_EQ(Add("192.0.2.1"), Admission::kBanned);
  EXPECT_EQ(Add("192.0.2.2"), Admission::kOk);
  Pass(absl::Seconds(10));
  EXPECT_EQ(Add("192.0.2.1"), Admission::kOk);
}

TEST_F(ConnectionTableTest, WhatCanHappenIsOnceTooOftenForTheThirdTime) {
  const SteadyTime until = now_ + std::chrono::seconds(10);
  EXPECT_FALSE(table_.IsOnceTooOften("192.0.2.1", until));
  EXPECT_FALSE(table_.IsOnceTooOften("192.0.2.1", until));
  EXPECT_FALSE(table_.IsOnceTooOften("192.0.2.2", until));
  EXPECT_TRUE(table_.IsOnceTooOften("192.0.2.1", until));
  Pass(absl::Seconds(10));
  table_.Sweep(now_);
  EXPECT_FALSE(table_.IsOnceTooOften("192.0.2.1", now_ + std::chrono::seconds(10)));
}

TEST_F(ConnectionTableTest, NamesPeersAsGrpcDoes) {
  struct Case {
    const char* address;
    absl::string_view peer;
  };
  for (const Case& test :
       {Case{"192.0.2.1", "ipv4:192.0.2.1:443"}, Case{"::ffff:192.0.2.1", "ipv4:192.0.2.1:443"},
        Case{"2001:db8::1", "ipv6:%5B2001:db8::1%5D:443"}}) {
    ConnectionTable table({0, 0});
    ASSERT_EQ(table.Add(Open()[0], From(test.address, 443), now_), Admission::kOk);
    EXPECT_EQ(table.connections().begin()->second.peer, test.peer);
  }
}

}  // namespace
}  // namespace router
