#include "server/base/client_address.h"

#include "gtest/gtest.h"

namespace router {
namespace {

TEST(ClientAddressOfPeerTest, Ipv4IsTheAddressWithoutThePort) {
  EXPECT_EQ(ClientAddressOfPeer("ipv4:192.0.2.1:5000"), "192.0.2.1");
}

TEST(ClientAddressOfPeerTest, Ipv6IsTheNetwork) {
  EXPECT_EQ(ClientAddressOfPeer("ipv6:%5B2001:db8:1:2:3:4:5:6%5D:5000"), "2001:db8:1:2::/64");
  EXPECT_EQ(ClientAddressOfPeer("ipv6:[2001:db8:1:2::9]:5000"), "2001:db8:1:2::/64");
  EXPECT_EQ(ClientAddressOfPeer("ipv6:%5Bfe80::1%25eth0%5D:5000"), "fe80::/64");
}

TEST(ClientAddressOfPeerTest, LoopbackIsItself) {
  EXPECT_EQ(ClientAddressOfPeer("ipv6:%5B::1%5D:5000"), "::1");
}

TEST(ClientAddressOfPeerTest, Ipv4InIpv6IsTheSameAddress) {
  EXPECT_EQ(ClientAddressOfPeer("ipv6:%5B::ffff:192.0.2.1%5D:5000"), "192.0.2.1");
}

TEST(ClientAddressOfPeerTest, WhatHasNoAddressIsOneClient) {
  for (const char* peer : {"", "unix:/tmp/socket", "ipv6:%5Bnonsense%5D:1", "nonsense"}) {
    EXPECT_EQ(ClientAddressOfPeer(peer), "unknown") << peer;
  }
}

}  // namespace
}  // namespace router
