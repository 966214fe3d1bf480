#include "transports/nats/server_pool.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

ServerUrl Url(const std::string& text) { return ParseServerUrl(text).value(); }

std::vector<std::string> Addresses(const ServerPool& pool) {
  std::vector<std::string> addresses;
  for (const ServerUrl& server : pool.servers()) addresses.push_back(server.Address());
  return addresses;
}

TEST(ServerUrlTest, FillsInSchemeAndPort) {
  EXPECT_EQ(Url("example.org").Redacted(), "nats://example.org:4222");
  EXPECT_EQ(Url("tls://example.org:1").Redacted(), "tls://example.org:1");
  EXPECT_EQ(Url("nats://[::1]:7").Address(), "[::1]:7");
}

TEST(ServerUrlTest, ShowsCredentialsInTheFullUrlOnly) {
  const ServerUrl url = Url("nats://user:p@ss@host:1");
  EXPECT_EQ(url.Redacted(), "nats://host:1");
  EXPECT_EQ(url.Full(), "nats://user:p@ss@host:1");
}

TEST(ServerUrlTest, RejectsWhatIsNoServer) {
  for (const char* text : {"", "nats://", "http://h:1", "h:0", "h:65536", "h:x", "h:", "a:b:c",
                           "nats://h:1/x", "nats://[::1", "a b"}) {
    EXPECT_FALSE(ParseServerUrl(text).ok()) << text;
  }
  EXPECT_THAT(std::string(ParseServerUrl("nats://u:secret@h:x").status().message()),
              Not(HasSubstr("secret")));
}

TEST(ServerPoolTest, GoesRoundInTheConfiguredOrder) {
  ServerPool pool({Url("a"), Url("b")});
  EXPECT_EQ(pool.current().host, "a");
  pool.Advance();
  EXPECT_EQ(pool.current().host, "b");
  pool.Advance();
  EXPECT_EQ(pool.current().host, "a");
}

TEST(ServerPoolTest, AddsDiscoveredServersBehindTheConfiguredOnes) {
  ServerPool pool({Url("nats://u:p@a"), Url("b")});
  pool.SetDiscovered({"c:1", "a:4222", "nats://b:4222", "not a url"});
  EXPECT_THAT(Addresses(pool), ElementsAre("a:4222", "b:4222", "c:1"));
  EXPECT_EQ(pool.servers()[2].user_info, "u:p");
}

TEST(ServerPoolTest, ForgetsDiscoveredServersThatAreGone) {
  ServerPool pool({Url("a")});
  pool.SetDiscovered({"b:1", "c:1"});
  pool.SetDiscovered({"c:1"});
  EXPECT_THAT(Addresses(pool), ElementsAre("a:4222", "c:1"));
}

TEST(ServerPoolTest, KeepsTheCurrentServerCurrentWhenTheListChanges) {
  ServerPool pool({Url("a")});
  pool.SetDiscovered({"b:1", "c:1"});
  pool.Advance();
  pool.Advance();
  ASSERT_EQ(pool.current().Address(), "c:1");
  pool.SetDiscovered({"d:1"});
  EXPECT_EQ(pool.current().Address(), "c:1");
  EXPECT_THAT(Addresses(pool), ElementsAre("a:4222", "c:1", "d:1"));
}

}  // namespace
}  // namespace router
