#include "server/access/jwt_verifier.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "server/access/jwt_keys.h"
#include "tests/server/access/jwt_testing.h"

namespace router {
namespace {

using ::testing::ElementsAre;

constexpr char kGood[] = R"({"iss":"issuer","aud":"router","sub":"alice","exp":2000,"nbf":1000})";
const absl::Time kNow = absl::FromUnixSeconds(1500);

std::string Jwks(const std::string& keys) { return absl::StrCat(R"({"keys":[)", keys, "]}"); }

class JwtVerifierTest : public ::testing::Test {
 protected:
  static JwtVerifier Verifier(const std::string& keys) {
    absl::StatusOr<std::vector<JwtKey>> read = ReadJwtKeys(keys);
    EXPECT_TRUE(read.ok()) << read.status();
    return JwtVerifier({*std::move(read), "issuer", "router"});
  }

  // What a token with these claims, rightly signed, is taken for: a subject, or an error's code.
  std::string Verdict(const std::string& claims, absl::Time now = kNow) {
    return VerdictOn(MakeToken("RS256", rsa_.PrivatePem(), claims), now);
  }

  std::string VerdictOn(const std::string& token, absl::Time now = kNow) {
    EXPECT_FALSE(token.empty());
    const absl::StatusOr<JwtVerifier::Verified> verified = verifier_.Verify(token, now);
    if (verified.ok()) return verified->subject;
    return absl::StatusCodeToString(verified.status().code());
  }

  static const KeyPair& SharedRsa() {
    static const auto* const key = new KeyPair(KeyPair::Rsa());
    return *key;
  }

  const KeyPair& rsa_ = SharedRsa();
  const KeyPair ec_ = KeyPair::Ec();
  const JwtVerifier verifier_ = Verifier(rsa_.PublicPem() + ec_.PublicPem());
};

TEST_F(JwtVerifierTest, EveryAlgorithmThatGoesWithAKeyIsTaken) {
  for (const char* algorithm : {"RS256", "RS384", "RS512"}) {
    EXPECT_EQ(VerdictOn(MakeToken(algorithm, rsa_.PrivatePem(), kGood)), "alice") << algorithm;
  }
  EXPECT_EQ(VerdictOn(MakeToken("ES256", ec_.PrivatePem(), kGood)), "alice");
  for (const auto& [curve, algorithm] : {std::pair("P-384", "ES384"), {"P-521", "ES512"}}) {
    const KeyPair key = KeyPair::Ec(curve);
    const auto verified =
        Verifier(key.PublicPem()).Verify(MakeToken(algorithm, key.PrivatePem(), kGood), kNow);
    EXPECT_TRUE(verified.ok()) << verified.status();
  }
}

TEST_F(JwtVerifierTest, KeysOfASetAreTheSameKeys) {
  const JwtVerifier verifier =
      Verifier(Jwks(rsa_.Jwk(R"("kid":"r")") + "," + ec_.Jwk(R"("kid":"e","use":"sig")")));
  EXPECT_TRUE(verifier.Verify(MakeToken("RS256", rsa_.PrivatePem(), kGood), kNow).ok());
  EXPECT_TRUE(verifier.Verify(MakeToken("ES256", ec_.PrivatePem(), kGood), kNow).ok());
  EXPECT_TRUE(
      verifier.Verify(MakeToken("ES256", ec_.PrivatePem(), kGood, R"({"kid":"e"})"), kNow).ok());
  EXPECT_FALSE(
      verifier.Verify(MakeToken("ES256", ec_.PrivatePem(), kGood, R"({"kid":"r"})"), kNow).ok());
}

TEST_F(JwtVerifierTest, SignatureOfAnotherKeyIsRefused) {
  EXPECT_EQ(VerdictOn(MakeToken("RS256", KeyPair::Rsa().PrivatePem(), kGood)), "UNAUTHENTICATED");
  EXPECT_EQ(VerdictOn(MakeToken("ES256", KeyPair::Ec().PrivatePem(), kGood)), "UNAUTHENTICATED");
}

TEST_F(JwtVerifierTest, TokenThatWasChangedIsRefused) {
  const std::string token = MakeToken("RS256", rsa_.PrivatePem(), kGood);
  const size_t second = token.find('.') + 1;
  std::string changed = token;
  changed[second + 5] = changed[second + 5] == 'A' ? 'B' : 'A';
  EXPECT_EQ(VerdictOn(changed), "UNAUTHENTICATED");
  EXPECT_EQ(VerdictOn(token.substr(0, token.rfind('.') + 1)), "UNAUTHENTICATED");
}

TEST_F(JwtVerifierTest, UnsignedTokensAreRefused) {
  for (const char* algorithm : {"none", "None", "NONE", ""}) {
    const std::string header = absl::StrCat(R"({"typ":"JWT","alg":")", algorithm, "\"}");
    EXPECT_EQ(VerdictOn(MakeRawToken(header, kGood, "")), "UNAUTHENTICATED") << algorithm;
    EXPECT_EQ(VerdictOn(MakeRawToken(header, kGood, "x")), "UNAUTHENTICATED") << algorithm;
  }
  EXPECT_EQ(VerdictOn(MakeRawToken(R"({"typ":"JWT"})", kGood, "x")), "UNAUTHENTICATED");
  EXPECT_EQ(VerdictOn(MakeRawToken(R"({"alg":["RS256"]})", kGood, "x")), "UNAUTHENTICATED");
}

// The public key is known to everybody: used as the secret of an HMAC it proves nothing.
TEST_F(JwtVerifierTest, PublicKeyIsNoSecret) {
  for (const char* algorithm : {"HS256", "HS384", "HS512"}) {
    for (const std::string& pem : {rsa_.PublicPem(), ec_.PublicPem()}) {
      EXPECT_EQ(VerdictOn(MakeToken(algorithm, pem, kGood)), "UNAUTHENTICATED") << algorithm;
    }
  }
}

TEST_F(JwtVerifierTest, AlgorithmSaidTwiceIsRefused) {
  const std::string token = MakeToken("RS256", rsa_.PrivatePem(), kGood);
  const std::string rest = token.substr(token.find('.'));
  for (const char* header :
       {R"({"alg":"none","alg":"RS256"})", R"({"alg":"RS256","alg":"none"})"}) {
    EXPECT_EQ(
        VerdictOn(MakeRawToken(header, "", "").substr(0, MakeRawToken(header, "", "").find('.')) +
                  rest),
        "UNAUTHENTICATED");
  }
}

TEST_F(JwtVerifierTest, AlgorithmOfASetNarrowsItDown) {
  const JwtVerifier verifier = Verifier(Jwks(rsa_.Jwk(R"("alg":"RS512")")));
  EXPECT_TRUE(verifier.Verify(MakeToken("RS512", rsa_.PrivatePem(), kGood), kNow).ok());
  EXPECT_FALSE(verifier.Verify(MakeToken("RS256", rsa_.PrivatePem(), kGood), kNow).ok());
}

TEST_F(JwtVerifierTest, KeysThatATokenBringsAlongAreOfNoUse) {
  const KeyPair own = KeyPair::Rsa();
  const std::string header = absl::StrCat(R"({"jwk":)", own.Jwk(), R"(,"jku":"http://127.0.0.1"})");
  EXPECT_EQ(VerdictOn(MakeToken("RS256", own.PrivatePem(), kGood, header)), "UNAUTHENTICATED");
}

TEST_F(JwtVerifierTest, CriticalExtensionIsRefused) {
  EXPECT_EQ(VerdictOn(MakeToken("RS256", rsa_.PrivatePem(), kGood, R"({"crit":["x"]})")),
            "UNAUTHENTICATED");
}

TEST_F(JwtVerifierTest, IssuerAndAudienceHaveToBeOurs) {
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"issuer\"", "\"other\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"iss\"", "\"x\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"router\"", "\"other\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"aud\"", "\"x\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"router\"", R"(["other"])"}})),
            "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"router\"", R"(["other","router"])"}})),
            "alice");
}

TEST_F(JwtVerifierTest, ValidFromNbfToExpWithSomeLeeway) {
  const auto at = [](int64_t seconds) { return absl::FromUnixSeconds(seconds); };
  EXPECT_EQ(Verdict(kGood, at(2029)), "alice");
  EXPECT_EQ(Verdict(kGood, at(2030)), "DEADLINE_EXCEEDED");
  EXPECT_EQ(Verdict(kGood, at(970)), "alice");
  EXPECT_EQ(Verdict(kGood, at(969)), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{",\"nbf\":1000", ""}}), at(1)), "alice");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"exp\"", "\"x\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"2000", "\"2000\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"1000", "\"1000\""}})), "UNAUTHENTICATED");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"2000", "1e300"}})), "alice");
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"2000", "-1e300"}})), "DEADLINE_EXCEEDED");
}

TEST_F(JwtVerifierTest, SubjectHasToBeAName) {
  for (const char* subject :
       {"\"\"", "\"a b\"", "\"a\\u0000\"", "\"\\u00fc\"", "7", "null", "[]"}) {
    EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"alice\"", subject}})), "UNAUTHENTICATED")
        << subject;
  }
  EXPECT_EQ(Verdict(absl::StrReplaceAll(kGood, {{"\"sub\"", "\"x\""}})), "UNAUTHENTICATED");
}

TEST_F(JwtVerifierTest, WhatIsNoTokenIsRefused) {
  for (const std::string& text :
       {std::string("x"), std::string(".."), std::string("a.b.c"), std::string("a.b.c.d"),
        std::string("e30.e30.e30"), std::string(1 << 20, '.'), std::string("a\0.b.c", 6),
        MakeRawToken("{}", "{}", ""), MakeRawToken("[]", "{}", ""), MakeRawToken("\xff", "{}", ""),
        MakeRawToken(std::string(4000, '['), kGood, "x"),
        MakeRawToken(
            absl::StrCat(R"({"alg":)", std::string(2900, '['), std::string(2900, ']'), "}"), "{}",
            "x"),
        std::string(10000, 'A') + ".B.C"}) {
    EXPECT_EQ(VerdictOn(text), "UNAUTHENTICATED");
  }
}

TEST(JwtKeysTest, SecretAndPrivateKeysAreRefused) {
  const KeyPair rsa = KeyPair::Rsa();
  for (const std::string& text : {rsa.PrivatePem(), Jwks(R"({"kty":"oct","k":"c2VjcmV0"})"),
                                  Jwks(rsa.Jwk(R"("d":"AQAB")"))}) {
    EXPECT_EQ(ReadJwtKeys(text).status().code(), absl::StatusCode::kInvalidArgument);
  }
}

TEST(JwtKeysTest, KeysThatAreWeakOrBrokenAreRefused) {
  for (const std::string& text :
       {std::string(), std::string("no key"), Jwks(""), std::string("{}"),
        std::string("{\"keys\":7}"), Jwks("7"), KeyPair::Rsa(1024).PublicPem(),
        Jwks(KeyPair::Rsa(1024).Jwk()), Jwks(R"({"kty":"RSA","n":"AQAB"})"),
        Jwks(R"({"kty":"OKP","crv":"Ed25519","x":"AQAB"})"),
        Jwks(R"({"kty":"EC","crv":"P-256","x":"AQAB","y":"AQAB"})"),
        Jwks(KeyPair::Ec().Jwk(R"("alg":"RS256")")), KeyPair::Ec("secp256k1").PublicPem(),
        Jwks(KeyPair::Rsa().Jwk(R"("use":"enc")")), KeyPair::Rsa().PublicPem().substr(0, 200)}) {
    EXPECT_EQ(ReadJwtKeys(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
}

TEST(JwtKeysTest, AlgorithmsGoWithTheTypeOfKey) {
  EXPECT_THAT((*ReadJwtKeys(KeyPair::Rsa().PublicPem()))[0].algorithms,
              ElementsAre("RS256", "RS384", "RS512"));
  EXPECT_THAT((*ReadJwtKeys(KeyPair::Ec().PublicPem()))[0].algorithms, ElementsAre("ES256"));
}

}  // namespace
}  // namespace router
