#include "transports/nats/server_probe.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <thread>

#include "tests/transports/nats/fake_server.h"
#include "tests/transports/nats/nats_server.h"
#include "transports/nats/wake_fd.h"

namespace router {
namespace {

using Outcome = ServerProbe::Outcome;

SteadyTime In(absl::Duration duration) {
  return std::chrono::steady_clock::now() + absl::ToChronoNanoseconds(duration);
}

class ServerProbeTest : public ::testing::Test {
 protected:
  static std::vector<ServerUrl> At(int port) {
    ServerUrl url;
    url.host = "127.0.0.1";
    url.port = port;
    return {url};
  }
  Outcome Sleep(int port, absl::Duration duration) {
    return probe_.Sleep(At(port), In(duration), wake_.fd());
  }

  WakeFd wake_;
  ServerProbe probe_{absl::Milliseconds(10), absl::Milliseconds(100)};
};

TEST_F(ServerProbeTest, SleepsToTheEndWhereNobodyListens) {
  EXPECT_EQ(Sleep(FreePort(), absl::Milliseconds(60)), Outcome::kTimePassed);
}

TEST_F(ServerProbeTest, EndsWhenAServerThatRefusedGreets) {
  NatsServer::Options later;
  later.start = false;
  NatsServer server(later);
  ASSERT_EQ(Sleep(server.port(), absl::Milliseconds(60)), Outcome::kTimePassed);
  server.Start();
  EXPECT_EQ(Sleep(server.port(), absl::Seconds(20)), Outcome::kServerReturned);
}

TEST_F(ServerProbeTest, EndsWhenAFrozenServerThaws) {
  NatsServer server;
  server.Freeze();  // The kernel goes on accepting connections.
  ASSERT_EQ(Sleep(server.port(), absl::Milliseconds(250)), Outcome::kTimePassed);
  server.Thaw();
  EXPECT_EQ(Sleep(server.port(), absl::Seconds(20)), Outcome::kServerReturned);
}

TEST_F(ServerProbeTest, DoesNotEndForAServerThatGreetsAllAlong) {
  FakeServer greeting(FakeServer::Info());
  EXPECT_EQ(Sleep(greeting.port(), absl::Milliseconds(200)), Outcome::kTimePassed);
  EXPECT_GT(greeting.accepted_count(), 1);
  EXPECT_EQ(Sleep(greeting.port(), absl::Milliseconds(50)), Outcome::kTimePassed);
}

TEST_F(ServerProbeTest, EndsWhenWoken) {
  wake_.Signal();
  EXPECT_EQ(Sleep(FreePort(), absl::Seconds(20)), Outcome::kWoken);
}

TEST_F(ServerProbeTest, EndsWhenWokenWhileAServerIsSilent) {
  FakeServer silent("");
  ServerProbe patient(absl::Seconds(20), absl::Seconds(20));
  std::thread waker([&] {
    while (silent.accepted_count() == 0) std::this_thread::yield();
    wake_.Signal();
  });
  EXPECT_EQ(patient.Sleep(At(silent.port()), In(absl::Seconds(20)), wake_.fd()), Outcome::kWoken);
  waker.join();
}

}  // namespace
}  // namespace router
