// The transport over TLS, on a real nats-server with a certificate made for the test.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/transports/nats/fake_server.h"
#include "tests/transports/nats/nats_transport_test_base.h"

namespace router {
namespace {

using Kind = ConnectionEvent::Kind;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class NatsTransportTlsTest : public NatsTransportTest {
 protected:
  NatsTransportTlsTest() {
    const std::string command = absl::StrCat(
        "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=broker ",
        "-addext subjectAltName=DNS:broker.test -keyout ", key_, " -out ", cert_, " 2>/dev/null");
    EXPECT_EQ(std::system(command.c_str()), 0);
    NatsServer::Options with_tls;
    with_tls.config =
        absl::StrCat("tls { cert_file: \"", cert_, "\", key_file: \"", key_, "\", timeout: 5 }");
    server_ = std::make_unique<NatsServer>(with_tls);
  }

  NatsOptions TlsOptions() {
    NatsOptions options = FastOptions({server_->url()});
    options.connect_timeout = absl::Seconds(5);
    options.tls.enabled = true;
    options.tls.ca_file = cert_;
    options.tls.hostname = "broker.test";
    return options;
  }

  const std::string folder_ = ::testing::TempDir();
  const std::string key_ = folder_ + "/key.pem";
  const std::string cert_ = folder_ + "/cert.pem";
  std::unique_ptr<NatsServer> server_;
};

TEST_F(NatsTransportTlsTest, DeliversManyMessagesWithoutEverWaitingForHalfARecord) {
  ConnectTransport(TlsOptions());
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(Publish("core.a", 100, {Guarantee::kReceived}));
  ASSERT_TRUE(observer_.WaitForOutcomes(5000));
  EXPECT_THAT(OutcomesWith(Verdict::kConfirmed), SizeIs(5000));
  ASSERT_TRUE(Publish("nowhere", 2000));
  ASSERT_TRUE(observer_.WaitForOutcomes(7000));
  EXPECT_THAT(OutcomesWith(Verdict::kRefused), SizeIs(2000));
}

TEST_F(NatsTransportTlsTest, NoticesFrozenServer) {
  ConnectTransport(TlsOptions());
  server_->Freeze();
  ASSERT_TRUE(observer_.WaitForDowns(1));
  server_->Thaw();
  EXPECT_TRUE(observer_.WaitForEpoch(2));
}

TEST_F(NatsTransportTlsTest, RefusesCertificateForAnotherName) {
  NatsOptions options = TlsOptions();
  options.tls.hostname = "other.test";
  StartTransport(options);
  ASSERT_TRUE(WaitForEvent(Kind::kAttemptFailed));
  EXPECT_THAT(EventsOf(Kind::kAttemptFailed)[0].reason, HasSubstr("hostname mismatch"));
}

TEST_F(NatsTransportTlsTest, RefusesCertificateOfAnUnknownAuthority) {
  NatsOptions options = TlsOptions();
  options.tls.ca_file.clear();
  StartTransport(options);
  ASSERT_TRUE(WaitForEvent(Kind::kAttemptFailed));
  EXPECT_THAT(EventsOf(Kind::kAttemptFailed)[0].reason, HasSubstr("certificate"));
}

TEST_F(NatsTransportTlsTest, HandshakeWithASilentServerEndsAtTheConnectTimeout) {
  std::string info = FakeServer::Info();
  info.insert(info.find("\"proto\""), "\"tls_required\":true,");
  FakeServer silent(info);
  NatsOptions options = TlsOptions();
  options.urls = {silent.url()};
  options.connect_timeout = absl::Milliseconds(300);
  StartTransport(options);
  EXPECT_TRUE(WaitForEvent(Kind::kAttemptFailed, 2));
}

}  // namespace
}  // namespace router
