#include "server/config/settings_check.h"

#include <fstream>
#include <string>

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

class SettingsCheckTest : public ::testing::Test {
 protected:
  static std::string WriteFile(const std::string& name, const std::string& content) {
    const std::string path = ::testing::TempDir() + "/" + name;
    std::ofstream(path) << content;
    return path;
  }

  Settings settings_ = DefaultSettings();
};

TEST_F(SettingsCheckTest, ListensBeyondLoopbackOnlyWhenInsecure) {
  for (const char* address : {"0.0.0.0:50051", "[::]:50051", "10.0.0.1:1", "router.example:1"}) {
    settings_.insecure = false;
    settings_.grpc_listen = address;
    EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("grpc_listen: "))) << address;
    settings_.insecure = true;
    EXPECT_THAT(CheckSettings(settings_), IsEmpty()) << address;
  }
  settings_ = DefaultSettings();
  settings_.http_listen = "0.0.0.0:9001";
  EXPECT_THAT(CheckSettings(settings_),
              ElementsAre("http_listen: 0.0.0.0:9001 can be reached from other machines, without "
                          "TLS or authentication; listen at 127.0.0.1, set http_tls_enabled and "
                          "http_tls_client_auth: require, or set insecure to allow it"));
}

TEST_F(SettingsCheckTest, HttpListensBeyondLoopbackForClientsWithCertificates) {
  settings_.http_listen = "0.0.0.0:9001";
  settings_.tls_cert_file = settings_.tls_key_file = settings_.tls_client_ca_file = "/t";
  settings_.http_tls_enabled = true;
  EXPECT_THAT(CheckSettings(settings_),
              ElementsAre(HasSubstr("http_tls_client_auth: require, or set insecure")));
  settings_.http_tls_client_auth = "require";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
}

TEST_F(SettingsCheckTest, HttpTlsNeedsTheCertificateAndAuthoritiesOfTls) {
  settings_.http_tls_enabled = true;
  EXPECT_THAT(CheckSettings(settings_), ElementsAre("http_tls_enabled: needs tls_cert_file"));
  settings_.tls_cert_file = settings_.tls_key_file = "/t";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  settings_.http_tls_client_auth = "require";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("http_tls_client_auth: require")));
  settings_.tls_client_ca_file = "/c";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  settings_.http_tls_enabled = false;
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("http_tls_client_auth: require")));
}

TEST_F(SettingsCheckTest, GrpcListensBeyondLoopbackWithTlsAndAccessControl) {
  settings_.grpc_listen = "0.0.0.0:50051";
  settings_.tls_cert_file = settings_.tls_key_file = settings_.tls_client_ca_file = "/t";
  EXPECT_THAT(CheckSettings(settings_),
              ElementsAre(HasSubstr("set tls_cert_file and access_file")));
  settings_.access_file = "/a";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  settings_.tls_cert_file = settings_.tls_key_file = settings_.tls_client_ca_file = "";
  settings_.access_tokens_file = "/t";
  EXPECT_THAT(CheckSettings(settings_),
              ElementsAre(HasSubstr("set tls_cert_file and access_file")));
}

TEST_F(SettingsCheckTest, AccessControlNeedsAWayToKnowSomebody) {
  settings_.access_file = "/a";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(HasSubstr("nobody could be identified")));
  settings_.access_tokens_file = "/t";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  settings_.access_file = "";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("access_file: must be set")));
}

TEST_F(SettingsCheckTest, TokensNeedKeysIssuerAndAudience) {
  settings_.access_file = "/a";
  settings_.access_jwt_keys_file = "/k";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("access_jwt_keys_file, ")));
  settings_.access_jwt_issuer = "i";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("access_jwt_keys_file, ")));
  settings_.access_jwt_audience = "a";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
}

TEST_F(SettingsCheckTest, ServerTlsNeedsCertificateAndKey) {
  settings_.tls_key_file = "/k";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("tls_cert_file, tls_key_file:")));
  settings_.tls_key_file = "";
  settings_.tls_client_ca_file = "/c";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("tls_client_ca_file:")));
}

TEST_F(SettingsCheckTest, LoopbackHasManyNames) {
  for (const char* address : {"127.0.0.1:0", "127.9.9.9:65535", "[::1]:50051", "localhost:1"}) {
    settings_.grpc_listen = address;
    EXPECT_THAT(CheckSettings(settings_), IsEmpty()) << address;
  }
}

TEST_F(SettingsCheckTest, AddressesAreHostAndPort) {
  settings_.insecure = true;
  for (const char* address : {"", "50051", ":50051", "127.0.0.1", "127.0.0.1:", "127.0.0.1:x",
                              "127.0.0.1:65536", "127.0.0.1:-1", "::1:50051", "[]:1"}) {
    settings_.http_listen = address;
    EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("http_listen: "))) << address;
  }
}

TEST_F(SettingsCheckTest, UrlsAreServersWithoutCredentials) {
  settings_.nats_urls = {"nats://a:1", "tls://b.example:4222", "c:4222", "d", "nats://[::1]:4222"};
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  for (const char* url :
       {"http://a:1", "nats://", "nats://a:b", "a:0", "nats://a:1/x", "::1:4222"}) {
    settings_.nats_urls = {url};
    EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("nats_urls: "))) << url;
  }
  settings_.nats_urls = {"nats://joe:hunter2@a:1"};
  const std::string errors = absl::StrJoin(CheckSettings(settings_), "\n");
  EXPECT_THAT(errors, HasSubstr("nats_password_file"));
  EXPECT_THAT(errors, Not(HasSubstr("hunter2")));
}

TEST_F(SettingsCheckTest, CredentialsComeInOneWay) {
  settings_.nats_user = "joe";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("nats_user, nats_password_file:")));
  settings_.nats_password_file = "/p";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  settings_.nats_creds_file = "/c";
  EXPECT_THAT(CheckSettings(settings_),
              ElementsAre("nats_user, nats_token_file, nats_creds_file, nats_nkey: only one of "
                          "them can be used"));
  settings_.nats_user = settings_.nats_password_file = settings_.nats_creds_file = "";
  settings_.nats_nkey = "U";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("nats_nkey, nats_nkey_seed_file:")));
  settings_.nats_nkey_seed_file = "/s";
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
}

TEST_F(SettingsCheckTest, TlsOptionsNeedTlsAndEachOther) {
  settings_.nats_tls_cert_file = "/c";
  EXPECT_THAT(CheckSettings(settings_),
              ElementsAre(StartsWith("nats_tls_cert_file, nats_tls_key_file:"),
                          StartsWith("nats_tls_enabled:")));
  settings_.nats_tls_key_file = "/k";
  settings_.nats_tls_enabled = true;
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
}

TEST_F(SettingsCheckTest, LongestDelayIsNotShorterThanTheFirst) {
  settings_.nats_max_reconnect_delay = absl::Milliseconds(999);
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("nats_max_reconnect_delay_ms:")));
}

TEST_F(SettingsCheckTest, ThePendingQueueNeedsAFolder) {
  settings_.pending_dir = "";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre("pending_dir: must not be empty"));
}

TEST_F(SettingsCheckTest, LoadsSecretsWithoutTheNewlineAtTheEnd) {
  settings_.nats_password_file = WriteFile("password", " hunter2 \n");
  settings_.nats_token_file = WriteFile("token", "t0ken\r\n");
  EXPECT_THAT(LoadSecrets(settings_), IsEmpty());
  EXPECT_EQ(settings_.nats_password, " hunter2 ");
  EXPECT_EQ(settings_.nats_token, "t0ken");
}

TEST_F(SettingsCheckTest, NamesTheFilesThatCannotBeRead) {
  settings_.nats_password_file = "/does/not/exist";
  settings_.nats_token_file = WriteFile("empty", "");
  settings_.nats_creds_file = ::testing::TempDir();
  settings_.nats_tls_key_file = "/nor/this";
  EXPECT_THAT(
      LoadSecrets(settings_),
      ElementsAre(
          "nats_password_file: cannot read \"/does/not/exist\": No such file or directory",
          "nats_token_file: \"" + settings_.nats_token_file + "\" is empty",
          "nats_creds_file: cannot read \"" + settings_.nats_creds_file + "\": Is a directory",
          "nats_tls_key_file: cannot read \"/nor/this\": No such file or directory"));
}

TEST_F(SettingsCheckTest, TheCollectorIsAUrlWithoutCredentials) {
  for (const char* url : {"collector:4318", "http://", "ftp://collector", "http://collector:0",
                          "http://collector:x", "http://c/v1?a=b", "http://a b", "http://c#x"}) {
    settings_.otlp_endpoint = url;
    EXPECT_THAT(CheckSettings(settings_), ElementsAre(StartsWith("otlp_endpoint: "))) << url;
  }
  settings_.otlp_endpoint = "https://me:secret@collector:4318";
  const std::vector<std::string> errors = CheckSettings(settings_);
  EXPECT_THAT(errors, ElementsAre(StartsWith("otlp_endpoint: ")));
  EXPECT_THAT(absl::StrJoin(errors, ""), Not(HasSubstr("secret")));
  for (const char* url :
       {"", "http://127.0.0.1:4318", "https://collector", "http://c/otlp/", "http://[::1]:4318"}) {
    settings_.otlp_endpoint = url;
    EXPECT_THAT(CheckSettings(settings_), IsEmpty()) << url;
  }
  settings_.otlp_endpoint = "";
  settings_.otlp_headers_file = "headers";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre("otlp_headers_file: needs otlp_endpoint"));
}

TEST_F(SettingsCheckTest, HeadersForTheCollectorAreLines) {
  settings_.otlp_headers_file = WriteFile("good", "Authorization: Bearer x\nX-Tenant: one\n");
  EXPECT_THAT(LoadSecrets(settings_), IsEmpty());
  EXPECT_EQ(settings_.otlp_headers, "Authorization: Bearer x\nX-Tenant: one");
  settings_.otlp_headers_file = WriteFile("bad", "X-Tenant: one\nsecret-word\n");
  EXPECT_THAT(LoadSecrets(settings_),
              ElementsAre("otlp_headers_file: line 2 is not \"Name: value\""));
}

TEST_F(SettingsCheckTest, TakesFailpointsOnlyTogetherWithFaultInjection) {
  settings_.failpoints = "after_fsync=kill@0.5,publish=swap";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(HasSubstr("needs enable_fault_injection")));
  settings_.enable_fault_injection = true;
  EXPECT_THAT(CheckSettings(settings_), IsEmpty());
  settings_.failpoints = "after_lunch=sleep";
  EXPECT_THAT(CheckSettings(settings_), ElementsAre(HasSubstr("after_lunch=sleep")));
}

}  // namespace
}  // namespace router
