// What becomes of the connection, and of messages when it breaks.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "tests/transports/nats/fake_server.h"
#include "tests/transports/nats/nats_transport_test_base.h"

namespace router {
namespace {

using Kind = ConnectionEvent::Kind;
using ::testing::AnyOf;
using ::testing::Each;
using ::testing::Eq;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class NatsTransportConnectionTest : public NatsTransportTest {};

double CpuSeconds() {
  rusage usage;
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

absl::Duration Took(std::chrono::steady_clock::time_point since) {
  return absl::FromChrono(std::chrono::steady_clock::now() - since);
}

TEST_F(NatsTransportConnectionTest, ReportsServerNameUrlAndEpoch) {
  NatsServer::Options named;
  named.config = "server_name: \"first\"";
  NatsServer server(named);
  ConnectTransport(FastOptions({server.url()}));
  const auto events = EventsOf(Kind::kEstablished);
  ASSERT_THAT(events, SizeIs(1));
  EXPECT_EQ(events[0].server_name, "first");
  EXPECT_EQ(events[0].url, server.url());
  EXPECT_EQ(events[0].epoch, 1);
  const ConnectionStatus status = transport_->GetStatus();
  EXPECT_EQ(status.state, ConnectionState::kConnected);
  EXPECT_EQ(status.server_name, "first");
}

TEST_F(NatsTransportConnectionTest, SettlesEveryDeliveryOnceWhenTheServerIsKilledUnderLoad) {
  NatsServer server;
  NatsAdmin(server.url()).AddStream({"DEMO", {"demo.>"}});
  ConnectTransport(FastOptions({server.url()}));
  // The server may be gone before it has confirmed anything of a round.
  ASSERT_TRUE(Publish("demo.a", 1));
  ASSERT_TRUE(observer_.WaitForOutcomes(1));
  int published = 1;
  for (int round = 0; round < 3; ++round) {
    ASSERT_TRUE(observer_.WaitForEpoch(static_cast<uint64_t>(round) + 1));
    std::thread killer;
    for (int i = 0; i < 100; ++i) {
      if (Publish("demo.a", 100)) published += 100;
      if (i == 30) killer = std::thread([&] { server.Kill(); });
    }
    killer.join();
    server.Start();
  }
  ASSERT_TRUE(observer_.WaitForOutcomes(static_cast<size_t>(published)));
  ASSERT_TRUE(observer_.WaitForEpoch(4));
  EXPECT_EQ(observer_.Outcomes().size(), static_cast<size_t>(published));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), Not(IsEmpty()));
  EXPECT_THAT(OutcomesWith(Verdict::kRefused), IsEmpty());

  std::map<uint64_t, std::string> stored;
  std::set<std::string> ids;
  for (const auto& message : NatsAdmin(server.url()).ReadStream("DEMO")) {
    stored[message.sequence] = message.message_id;
    EXPECT_TRUE(ids.insert(message.message_id).second) << "twice: " << message.message_id;
  }
  for (const Outcome& outcome : OutcomesWith(Verdict::kConfirmed)) {
    EXPECT_EQ(stored[outcome.sequence], outcome.message_id);
  }
  for (const Outcome& outcome : OutcomesWith(Verdict::kFailed)) {
    EXPECT_EQ(ids.count(outcome.message_id), 0) << "failed, yet stored: " << outcome.message_id;
  }
}

TEST_F(NatsTransportConnectionTest, HandsUnsettledBackInDoubtThenFailedInOrder) {
  NatsServer server;
  NatsAdmin(server.url()).AddStream({"DEMO", {"demo.>"}});
  NatsOptions options = FastOptions({server.url()});
  options.max_in_flight = 8;
  ConnectTransport(options);
  server.Freeze();
  ASSERT_TRUE(Publish("demo.a", 12));
  ASSERT_TRUE(observer_.WaitForDowns(1));
  const auto outcomes = observer_.Outcomes();
  ASSERT_THAT(outcomes, SizeIs(12));
  for (size_t i = 0; i < outcomes.size(); ++i) {
    EXPECT_EQ(outcomes[i].message_id, absl::StrCat("demo.a-", i + 1));
    EXPECT_EQ(outcomes[i].verdict, i < 8 ? Verdict::kInDoubt : Verdict::kFailed) << i;
    EXPECT_EQ(outcomes[i].reason,
              i < 8 ? FailureReason::kConnectionClosed : FailureReason::kNotConnected);
  }
  server.Thaw();
  EXPECT_TRUE(observer_.WaitForEpoch(2));
}

TEST_F(NatsTransportConnectionTest, NoticesFrozenServerWithinThePingBudgetWhileIdle) {
  NatsServer server;
  const NatsOptions options = FastOptions({server.url()});
  ConnectTransport(options);
  server.Freeze();
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(observer_.WaitForDowns(1));
  EXPECT_LT(Took(start), options.ping_interval * (options.max_pings_out + 1));
  server.Thaw();
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  ASSERT_TRUE(WaitForEvent(Kind::kRestored));
  EXPECT_THAT(EventsOf(Kind::kLost)[0].reason, HasSubstr("ping"));
}

TEST_F(NatsTransportConnectionTest, NeverBlocksOrGrowsWhenAFrozenServerTakesNoBytes) {
  NatsServer server;
  NatsOptions options = FastOptions({server.url()});
  options.ping_interval = absl::Seconds(10);
  options.write_deadline = absl::Milliseconds(500);
  ConnectTransport(options);
  server.Freeze();
  // More than the sockets of both sides hold.
  ASSERT_TRUE(Publish("core.a", 64, {Guarantee::kReceived, absl::Seconds(30), 1000 * 1000}));
  ASSERT_TRUE(observer_.WaitForDowns(1));
  ASSERT_TRUE(WaitForEvent(Kind::kLost));
  EXPECT_THAT(EventsOf(Kind::kLost)[0].reason, HasSubstr("write deadline"));
  EXPECT_THAT(OutcomesWith(Verdict::kFailed), Not(IsEmpty()));  // Not all in the buffer.
  server.Thaw();
  EXPECT_TRUE(observer_.WaitForEpoch(2));
}

TEST_F(NatsTransportConnectionTest, StaysConnectedThroughIdleTime) {
  NatsServer server;
  NatsOptions options = FastOptions({server.url()});
  options.ping_interval = absl::Milliseconds(50);
  ConnectTransport(options);
  EXPECT_FALSE(
      observer_.WaitUntil([&] { return observer_.down_count() > 0; }, absl::Milliseconds(600)));
}

TEST_F(NatsTransportConnectionTest, PassesServerThatGreetsAndFallsSilent) {
  FakeServer silent(FakeServer::Info());
  NatsServer server;
  NatsOptions options = FastOptions({silent.url(), server.url()});
  options.connect_timeout = absl::Seconds(2);
  const double cpu_before = CpuSeconds();
  ConnectTransport(options);
  // A busy loop would take all of the two seconds.
  const double allowed = std::getenv("TEST_IS_SANITIZED") == nullptr ? 1 : 1.8;
  EXPECT_LT(CpuSeconds() - cpu_before, allowed);
  ASSERT_THAT(EventsOf(Kind::kAttemptFailed), SizeIs(1));
  const ConnectionEvent failed = EventsOf(Kind::kAttemptFailed)[0];
  EXPECT_FALSE(failed.is_reconnect);
  EXPECT_THAT(failed.reason, HasSubstr("timed out"));
  EXPECT_EQ(EventsOf(Kind::kEstablished)[0].url, server.url());
}

TEST_F(NatsTransportConnectionTest, StopsPromptlyWhileAServerIsSilent) {
  FakeServer silent(FakeServer::Info());
  NatsOptions options = FastOptions({silent.url()});
  options.connect_timeout = absl::Seconds(30);
  StartTransport(options);
  ASSERT_TRUE(observer_.WaitUntil([&] { return silent.accepted_count() > 0; }));
  const auto start = std::chrono::steady_clock::now();
  transport_->Stop(absl::Seconds(10));
  EXPECT_LT(Took(start), absl::Seconds(1));
  EXPECT_EQ(transport_->GetStatus().state, ConnectionState::kStopped);
}

TEST_F(NatsTransportConnectionTest, RetriesServerThatRefusesWithAnError) {
  FakeServer refusing(FakeServer::Info(), "-ERR 'maximum connections exceeded'\r\n");
  NatsOptions options = FastOptions({refusing.url()});
  options.reconnect_attempts = 3;
  StartTransport(options);
  ASSERT_TRUE(WaitForEvent(Kind::kAttemptFailed, 6));
  EXPECT_THAT(EventsOf(Kind::kAttemptFailed)[0].reason, HasSubstr("maximum connections exceeded"));
  const auto exhausted = EventsOf(Kind::kExhausted);
  ASSERT_THAT(exhausted, SizeIs(1));
  EXPECT_EQ(exhausted[0].attempts, 3);
  EXPECT_EQ(transport_->GetStatus().state, ConnectionState::kExhausted);
}

TEST_F(NatsTransportConnectionTest, RetriesWrongPasswordAndNeverShowsIt) {
  NatsServer::Options with_password;
  with_password.config = "authorization { user: a, password: right }";
  NatsServer server(with_password);
  const std::string url = absl::StrCat("nats://a:wrongsecret@127.0.0.1:", server.port());
  StartTransport(FastOptions({url}));
  ASSERT_TRUE(WaitForEvent(Kind::kAttemptFailed, 4));
  EXPECT_EQ(observer_.up_count(), 0);
  for (const ConnectionEvent& event : observer_.Events()) {
    EXPECT_THAT(event.reason, Not(HasSubstr("wrongsecret")));
    EXPECT_THAT(event.url, Not(HasSubstr("wrongsecret")));
  }
  EXPECT_THAT(EventsOf(Kind::kAttemptFailed)[0].reason, HasSubstr("Authorization Violation"));
  EXPECT_THAT(transport_->GetStatus().last_error, Not(HasSubstr("wrongsecret")));
}

TEST_F(NatsTransportConnectionTest, ConnectsWithCredentialsFromTheUrl) {
  NatsServer::Options with_password;
  with_password.config = "authorization { user: a, password: right }";
  NatsServer server(with_password);
  ConnectTransport(FastOptions({absl::StrCat("nats://a:right@127.0.0.1:", server.port())}));
}

TEST_F(NatsTransportConnectionTest, ConnectsWithUserAndPasswordFromSettings) {
  NatsServer::Options with_password;
  with_password.config = "authorization { user: a, password: right }";
  NatsServer server(with_password);
  NatsOptions options = FastOptions({server.url()});
  options.user = "a";
  options.password = "right";
  ConnectTransport(options);
}

TEST_F(NatsTransportConnectionTest, ConnectsWithTokenFromSettings) {
  NatsServer::Options with_token;
  with_token.config = "authorization { token: sesame }";
  NatsServer server(with_token);
  NatsOptions options = FastOptions({server.url()});
  options.token = "sesame";
  ConnectTransport(options);
}

TEST_F(NatsTransportConnectionTest, ServesOnceAServerThatWasNeverThereAppears) {
  NatsServer::Options later;
  later.start = false;
  NatsServer server(later);
  StartTransport(FastOptions({server.url()}));
  ASSERT_TRUE(WaitForEvent(Kind::kAttemptFailed, 3));
  EXPECT_EQ(transport_->GetStatus().state, ConnectionState::kDisconnected);
  server.Start();
  ASSERT_TRUE(observer_.WaitForEpoch(1));
  EXPECT_THAT(EventsOf(Kind::kRestored), IsEmpty());
  EXPECT_THAT(EventsOf(Kind::kLost), IsEmpty());
}

TEST_F(NatsTransportConnectionTest, ReturnsSoonAfterTheServerDoesInSpiteOfALongDelay) {
  NatsServer server;
  NatsOptions options = FastOptions({server.url()});
  options.reconnect_delay = absl::Seconds(1000);
  options.max_reconnect_delay = absl::Seconds(1000);
  ConnectTransport(options);
  server.Kill();
  ASSERT_TRUE(WaitForEvent(Kind::kReconnectAttempt, 1));
  ASSERT_TRUE(observer_.WaitUntil([&] {
    const auto attempts = EventsOf(Kind::kReconnectAttempt);
    return attempts.back().delay > absl::Seconds(10);
  }));
  server.Start();
  const auto start = std::chrono::steady_clock::now();
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  EXPECT_LT(Took(start), absl::Seconds(5));
}

TEST_F(NatsTransportConnectionTest, FailsOverToTheOtherServer) {
  NatsServer first;
  NatsServer second;
  NatsOptions options = FastOptions({first.url(), second.url()});
  ConnectTransport(options);
  EXPECT_EQ(EventsOf(Kind::kEstablished)[0].url, first.url());
  first.Kill();
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  EXPECT_EQ(EventsOf(Kind::kEstablished)[1].url, second.url());
  EXPECT_THAT(EventsOf(Kind::kRestored), SizeIs(1));
}

TEST_F(NatsTransportConnectionTest, MovesTheEpochAwayFromALameDuckWithoutLosingAnything) {
  NatsServer first;
  NatsServer second;
  NatsAdmin(second.url()).AddStream({"DEMO", {"demo.>"}});
  NatsAdmin(first.url()).AddStream({"DEMO", {"demo.>"}});
  ConnectTransport(FastOptions({first.url(), second.url()}));
  ASSERT_TRUE(Publish("demo.a", 100));
  first.EnterLameDuck();
  size_t published = 100;
  // At no moment is everything settled, until the move is made.
  while (EventsOf(Kind::kEstablished).size() < 2) {
    if (observer_.unsettled_count() < 1000 && Publish("demo.a", 10)) published += 10;
  }
  ASSERT_TRUE(Publish("demo.a", 10));
  published += 10;
  ASSERT_TRUE(observer_.WaitForOutcomes(published));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(published));
  EXPECT_THAT(EventsOf(Kind::kLost), IsEmpty());
  const ConnectionEvent moved = EventsOf(Kind::kEstablished)[1];
  EXPECT_EQ(moved.url, second.url());
  EXPECT_EQ(moved.epoch, 1);
  EXPECT_EQ(observer_.down_count(), 0);
  EXPECT_GT(NatsAdmin(second.url()).CountMessages("DEMO"), 0);
}

TEST_F(NatsTransportConnectionTest, StaysWithALameDuckWhileNoOtherServerCanBeHad) {
  NatsServer first;
  NatsAdmin(first.url()).AddStream({"DEMO", {"demo.>"}});
  ConnectTransport(FastOptions({first.url(), absl::StrCat("nats://127.0.0.1:", FreePort())}));
  first.EnterLameDuck();
  for (size_t i = 1; i <= 50; ++i) {
    ASSERT_TRUE(Publish("demo.a", 1));
    ASSERT_TRUE(observer_.WaitForOutcomes(i));
    observer_.WaitUntil([] { return false; }, absl::Milliseconds(10));
  }
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(50));
  EXPECT_EQ(transport_->GetStatus().server_url, first.url());
}

TEST_F(NatsTransportConnectionTest, ReconnectMakesANewEpochAtOnce) {
  NatsServer server;
  NatsOptions options = FastOptions({server.url()});
  options.reconnect_delay = absl::Seconds(1000);
  options.max_reconnect_delay = absl::Seconds(1000);
  options.stable_after = absl::Seconds(1000);
  ConnectTransport(options);
  transport_->Reconnect();
  ASSERT_TRUE(observer_.WaitForEpoch(2));
  EXPECT_THAT(EventsOf(Kind::kLost), SizeIs(1));
}

TEST_F(NatsTransportConnectionTest, ReconnectEndsARunningBackoff) {
  NatsServer::Options later;
  later.start = false;
  NatsServer server(later);
  NatsOptions options = FastOptions({server.url()});
  options.reconnect_delay = absl::Seconds(1000);
  options.max_reconnect_delay = absl::Seconds(1000);
  StartTransport(options);
  ASSERT_TRUE(WaitForEvent(Kind::kReconnectAttempt));
  transport_->Reconnect();
  EXPECT_TRUE(WaitForEvent(Kind::kAttemptFailed, 2));
}

TEST_F(NatsTransportConnectionTest, StopWaitsForWhatIsUnsettled) {
  NatsServer server;
  NatsAdmin(server.url()).AddStream({"DEMO", {"demo.>"}});
  ConnectTransport(FastOptions({server.url()}));
  ASSERT_TRUE(Publish("demo.a", 5000));
  transport_->Stop(absl::Seconds(20));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(5000));
}

TEST_F(NatsTransportConnectionTest, StopHandsBackWhatStaysUnsettled) {
  NatsServer server;
  NatsAdmin(server.url()).AddStream({"DEMO", {"demo.>"}});
  NatsOptions options = FastOptions({server.url()});
  options.ping_interval = absl::Seconds(10);
  ConnectTransport(options);
  server.Freeze();
  ASSERT_TRUE(Publish("demo.a", 10));
  transport_->Stop(absl::Milliseconds(100));
  EXPECT_THAT(OutcomesWith(Verdict::kInDoubt), SizeIs(10));
  EXPECT_EQ(observer_.down_count(), 1);
}

TEST_F(NatsTransportConnectionTest, RejectsSettingsThatCanNeverWork) {
  const auto start = [&](const NatsOptions& options) {
    return NatsTransport(options, nullptr).Start(&observer_);
  };
  EXPECT_EQ(start(FastOptions({})).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(start(FastOptions({"http://x"})).code(), absl::StatusCode::kInvalidArgument);
  NatsOptions no_file = FastOptions({"nats://127.0.0.1:1"});
  no_file.creds_file = "/does/not/exist";
  EXPECT_THAT(start(no_file).message(), HasSubstr("/does/not/exist"));
  NatsOptions no_ca = FastOptions({"nats://127.0.0.1:1"});
  no_ca.tls.ca_file = "/does/not/exist";
  EXPECT_EQ(start(no_ca).code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(NatsTransportConnectionTest, InjectedConnectFaultsFailAttemptsAndHeal) {
  NatsServer server;
  faults_.Set({FaultOperation::kConnect, FaultKind::kError, 1.0, {}, 3});
  StartTransport(FastOptions({server.url()}));
  ASSERT_TRUE(observer_.WaitForEpoch(1));
  EXPECT_THAT(EventsOf(Kind::kAttemptFailed), SizeIs(3));
}

TEST_F(NatsTransportConnectionTest, InjectedConnectionCloseComesUpAndIsLostAtOnce) {
  NatsServer server;
  faults_.Set({FaultOperation::kConnect, FaultKind::kCloseConnection, 1.0, {}, 2});
  StartTransport(FastOptions({server.url()}));
  ASSERT_TRUE(observer_.WaitForEpoch(3));
  EXPECT_THAT(EventsOf(Kind::kLost), SizeIs(2));
}

}  // namespace
}  // namespace router
