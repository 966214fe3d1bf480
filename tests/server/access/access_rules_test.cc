#include "server/access/access_rules.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/access/access_file.h"
#include "tests/server/access/jwt_testing.h"
#include "tests/server/base/temp_folder.h"

namespace router {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;

constexpr char kHash[] = "1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0";

class AccessFileTest : public ::testing::Test {
 protected:
  std::vector<std::string> Errors(const std::string& text) {
    policy_ = AccessPolicy();
    return ReadAccessFile(path_, text, &policy_);
  }

  const std::string path_ = "access.yaml";
  AccessPolicy policy_;
};

TEST_F(AccessFileTest, ReadsGrants) {
  ASSERT_THAT(Errors("identities:\n"
                     "  - name: cert:spiffe://x/orders\n"
                     "    roles: [publisher]\n"
                     "    publish: [orders.>, a.*]\n"
                     "  - name: jwt:alice\n"
                     "    roles: [operator, subscriber]\n"
                     "    subscribe: ['>']\n"
                     "    payloads: true\n"
                     "  - name: '*'\n"
                     "    roles: [viewer]\n"
                     "  - name: token:none\n"
                     "    roles: []\n"),
              IsEmpty());
  const Grant& orders = *policy_.Find("cert:spiffe://x/orders");
  EXPECT_TRUE(orders.Has(Permission::kPublish));
  EXPECT_FALSE(orders.Has(Permission::kView));
  EXPECT_TRUE(orders.publish.Contains("orders.a.b"));
  EXPECT_FALSE(orders.publish.Contains("b"));
  const Grant& alice = *policy_.Find("jwt:alice");
  EXPECT_TRUE(alice.Has(Permission::kOperate));
  EXPECT_TRUE(alice.Has(Permission::kView)) << "an operator is a viewer";
  EXPECT_TRUE(alice.Has(Permission::kSubscribe));
  EXPECT_FALSE(alice.Has(Permission::kPublish));
  EXPECT_TRUE(alice.payloads);
  EXPECT_TRUE(alice.subscribe.contains_all());
  EXPECT_TRUE(policy_.Find("cert:alice")->Has(Permission::kView)) << "that of everybody";
  EXPECT_FALSE(policy_.Find("cert:alice")->Has(Permission::kOperate));
  EXPECT_FALSE(policy_.Find("token:none")->Has(Permission::kView)) << "its own, not everybody's";
}

TEST_F(AccessFileTest, NobodyIsKnownWhoIsNotNamed) {
  ASSERT_THAT(Errors("identities:\n  - {name: jwt:a, roles: [viewer]}\n"), IsEmpty());
  EXPECT_EQ(policy_.Find("jwt:b"), nullptr);
  EXPECT_EQ(policy_.Find("a"), nullptr);
}

TEST_F(AccessFileTest, ErrorsHaveTheirPlace) {
  EXPECT_THAT(Errors("identities:\n"
                     "  - name: alice\n"
                     "    roles: [viewer]\n"
                     "  - name: jwt:a\n"
                     "    roles: [publishr]\n"
                     "    publsh: [a]\n"
                     "  - name: jwt:b\n"
                     "    roles: [publisher]\n"
                     "    publish: [a.>.b]\n"),
              ElementsAre(AllOf(StartsWith("access.yaml:2:11: "), HasSubstr("cert:NAME")),
                          AllOf(StartsWith("access.yaml:5:13: "), HasSubstr("\"publisher\"")),
                          AllOf(StartsWith("access.yaml:6:5: "), HasSubstr("\"publish\"")),
                          StartsWith("access.yaml:9:15: not a pattern of subjects: ")));
}

TEST_F(AccessFileTest, WhatDoesNotFitTogetherIsAnError) {
  for (const char* entry :
       {"{name: jwt:a}", "{roles: [viewer]}", "{name: jwt:a, roles: [publisher]}",
        "{name: jwt:a, roles: [viewer], publish: [a]}", "{name: jwt:a, roles: [subscriber]}",
        "{name: jwt:a, roles: [publisher], publish: [a], payloads: true}",
        "{name: jwt:a, roles: [publisher], publish: []}", "{name: jwt:a, roles: viewer}",
        "{name: jwt:a, roles: [viewer], payloads: yes}", "{name: 'jwt:', roles: [viewer]}",
        "{name: 'jwt:a b', roles: [viewer]}", "{name: jwt:a, name: jwt:b, roles: [viewer]}",
        "jwt:a", "{name: [jwt:a], roles: [viewer]}", "{name: jwt:a, roles: [[viewer]]}"}) {
    EXPECT_THAT(Errors(absl::StrCat("identities: [", entry, "]")), Not(IsEmpty())) << entry;
  }
}

TEST_F(AccessFileTest, FileHasToHaveIdentities) {
  for (const char* text :
       {"", "[]", "identities:", "identities: []", "identities: {}", "x: 1",
        "identities: [{name: jwt:a, roles: []}]\nidentities: []", "identities: [", "{}"}) {
    EXPECT_THAT(Errors(text), Not(IsEmpty())) << text;
  }
  EXPECT_THAT(Errors("identities: [{name: jwt:a, roles: []}, {name: jwt:a, roles: []}]"),
              ElementsAre(HasSubstr("\"jwt:a\" is there twice")));
}

TEST(TokenTableTest, FindsTokensByTheirHash) {
  TokenTable table;
  ASSERT_THAT(
      ReadTokenFile("t", absl::StrCat("tokens:\n  - {name: bot, sha256: ", kHash, "}\n"), &table),
      IsEmpty());
  ASSERT_NE(table.Find("s3cret"), nullptr);
  EXPECT_EQ(table.Find("s3cret")->name, "bot");
  EXPECT_EQ(table.Find("s3cre"), nullptr);
  EXPECT_EQ(table.Find("s3cret "), nullptr);
  EXPECT_EQ(table.Find(""), nullptr);
  EXPECT_EQ(table.Find(kHash), nullptr) << "the hash is no token";
}

TEST(TokenTableTest, ErrorsHaveTheirPlaceAndShowNoToken) {
  TokenTable table;
  const std::vector<std::string> errors = ReadTokenFile(
      "t",
      absl::StrCat("tokens:\n"
                   "  - {name: bot, sha256: hunter2}\n"
                   "  - {name: bot}\n"
                   "  - {name: b, sha256: ",
                   kHash, ", expires: tomorrow}\n  - {nam: b}\n  - {name: b, sha256: ", kHash,
                   "}\n  - {name: c, sha256: ", kHash, "}\n"),
      &table);
  EXPECT_THAT(errors, ElementsAre(StartsWith("t:2:25: "), StartsWith("t:3:5: "), StartsWith("t:4:"),
                                  HasSubstr("\"name\""), HasSubstr("there already")));
  EXPECT_THAT(errors, Not(Contains(HasSubstr("hunter2"))));
}

TEST(TokenTableTest, ErrorsShowNoTokenInAWrongPlace) {
  for (const char* text :
       {"tokens: [{name: bot, sha256 hunter2}]", "tokens: [{hunter2, hunter2}]", "hunter2: 1",
        "hunter2", "tokens: hunter2", "tokens: [hunter2]", "tokens: [{name: b, sha256: *hunter2}]",
        "tokens: [{name: hunter2 x}]", "tokens: [{name: b, expires: hunter2}]"}) {
    TokenTable table;
    const std::vector<std::string> errors = ReadTokenFile("t", text, &table);
    EXPECT_THAT(errors, Not(IsEmpty())) << text;
    EXPECT_THAT(errors, Not(Contains(HasSubstr("hunter2")))) << text;
  }
}

class AccessRulesTest : public ::testing::Test {
 protected:
  AccessRulesTest() {
    folder_.Write("access.yaml", "identities: [{name: token:bot, roles: [viewer]}]");
    folder_.Write("tokens.yaml", absl::StrCat("tokens: [{name: bot, sha256: ", kHash,
                                              ", expires: 2026-01-01T00:00:00Z}]"));
    folder_.Write("keys.pem", key_.PublicPem());
    files_ = {folder_.File("access.yaml"), folder_.File("tokens.yaml"), folder_.File("keys.pem"),
              "issuer", "router"};
  }

  const TempFolder folder_;
  const KeyPair key_ = KeyPair::Ec();
  AccessFiles files_;
};

TEST_F(AccessRulesTest, IdentityNamesSayWhereTheyComeFrom) {
  const auto rules = LoadAccessRules(files_);
  ASSERT_TRUE(rules.ok()) << rules.status();
  const absl::Time now = absl::FromUnixSeconds(1500);
  EXPECT_EQ((*rules)->IdentifyToken("s3cret", now)->name, "token:bot");
  const std::string token = MakeToken("ES256", key_.PrivatePem(),
                                      R"({"iss":"issuer","aud":"router","sub":"bot","exp":2000})");
  EXPECT_EQ((*rules)->IdentifyToken(token, now)->name, "jwt:bot");
  EXPECT_TRUE(absl::IsUnauthenticated((*rules)->IdentifyToken("other", now).status()));
}

TEST_F(AccessRulesTest, TokenExpires) {
  const auto rules = LoadAccessRules(files_);
  ASSERT_TRUE(rules.ok()) << rules.status();
  const absl::Time end = absl::FromUnixSeconds(1767225600);
  EXPECT_TRUE((*rules)->IdentifyToken("s3cret", end - absl::Seconds(1)).ok());
  EXPECT_TRUE(absl::IsDeadlineExceeded((*rules)->IdentifyToken("s3cret", end).status()));
}

TEST_F(AccessRulesTest, ReportsWhatIsWrongInAllFiles) {
  folder_.Write("access.yaml", "x");
  folder_.Write("tokens.yaml", "y: 1");
  folder_.Write("keys.pem", "z");
  const auto rules = LoadAccessRules(files_);
  EXPECT_EQ(rules.status().code(), absl::StatusCode::kInvalidArgument);
  const std::vector<std::string> lines = absl::StrSplit(rules.status().message(), '\n');
  EXPECT_THAT(lines, ElementsAre(StartsWith(files_.access_file), StartsWith(files_.tokens_file),
                                 StartsWith(files_.jwt_keys_file)));
}

}  // namespace
}  // namespace router
