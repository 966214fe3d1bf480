#include "server/access/access_control.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <csignal>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "server/errors/errors.h"
#include "tests/server/access/jwt_testing.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/base/temp_folder.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

constexpr char kAccess[] =
    "identities:\n"
    "  - {name: cert:orders, roles: [publisher], publish: [orders.>]}\n"
    "  - {name: cert:free, roles: [publisher], publish: ['>']}\n"
    "  - {name: jwt:alice, roles: [operator]}\n"
    "  - {name: token:viewer, roles: [viewer], payloads: true}\n";

class TestBatch final : public PublishBatch {
 public:
  explicit TestBatch(const std::vector<const char*>& subjects) : PublishBatch(subjects.size()) {
    for (size_t i = 0; i < subjects.size(); ++i) operations()[i].message.subject = subjects[i];
  }

 private:
  void Done() override {}
};

class AccessControlTest : public ::testing::Test {
 protected:
  AccessControlTest() {
    Load(kAccess);
    auto opened = AuditLog::Open({folder_.path()}, &clock_, [](absl::string_view) {});
    EXPECT_TRUE(opened.ok());
    audit_ = *std::move(opened);
    denials_ = std::make_unique<DenialLog>(&clock_, &log_, &metrics_, audit_.get());
    access_ = std::make_unique<AccessControl>([this] { return rules_; }, &clock_, denials_.get());
  }

  void Load(const std::string& access) {
    folder_.Write("access.yaml", access);
    folder_.Write("tokens.yaml", TokenFile("viewer"));
    folder_.Write("keys.pem", key_.PublicPem());
    Reload();
  }

  // A file of tokens with `s3cret` in it; `more` goes on with its entry.
  static std::string TokenFile(const std::string& name, const std::string& more = "") {
    return absl::StrCat(
        "tokens:\n  - name: ", name,
        "\n    sha256: 1ec1c26b50d5d3c58d9583181af8076655fe00756bf7285940ba3670f99fcba0\n", more);
  }

  void Reload() {
    auto loaded = LoadAccessRules({folder_.File("access.yaml"), folder_.File("tokens.yaml"),
                                   folder_.File("keys.pem"), "issuer", "router"});
    ASSERT_TRUE(loaded.ok()) << loaded.status();
    rules_ = *std::move(loaded);
  }

  // Alice's, which expires in ten minutes.
  std::string Jwt() {
    return absl::StrCat(
        "Bearer ",
        MakeToken("ES256", key_.PrivatePem(),
                  absl::StrCat(R"({"iss":"issuer","aud":"router","sub":"alice","exp":)",
                               absl::ToUnixSeconds(clock_.WallNow() + absl::Minutes(10)), "}")));
  }

  static Credentials Certificate(const std::string& name) { return {name, {}, "address"}; }
  static Credentials Header(absl::string_view value) { return {"", {value}, "address"}; }

  static const MethodRule* Rule(const char* method) {
    const bool publishes = absl::string_view(method).substr(0, 7) == "Publish";
    return FindMethodRule(publishes ? "router.v1.PublisherService" : "router.v1.AdminService",
                          method);
  }

  absl::StatusOr<Caller> Admit(const Credentials& credentials, const char* method = "Publish") {
    return access_->Admit(credentials, method, Rule(method));
  }
  // The reason of the error; "" for none.
  std::string ReasonFor(const Credentials& credentials, const char* method = "Publish") {
    return error::ReasonOf(Admit(credentials, method).status());
  }

  std::vector<AuditEvent> Audited() {
    denials_->Flush();
    return audit_->List(100, "", [](const AuditEvent&) { return true; })->events;
  }

  const TempFolder folder_;
  const KeyPair key_ = KeyPair::Ec();
  FakeClock clock_;
  LogCapture lines_;
  Logger log_{{}, &clock_, lines_.AsSink()};
  Metrics metrics_{"0", "c"};
  std::shared_ptr<const AccessRules> rules_;
  std::unique_ptr<AuditLog> audit_;
  std::unique_ptr<DenialLog> denials_;
  std::unique_ptr<AccessControl> access_;
};

TEST_F(AccessControlTest, CertificateAndTokensIdentify) {
  EXPECT_EQ(Admit(Certificate("orders"))->identity(), "cert:orders");
  EXPECT_EQ(Admit(Header("Bearer s3cret"), "GetStatus")->identity(), "token:viewer");
  EXPECT_EQ(Admit(Header("bearer s3cret"), "GetStatus")->identity(), "token:viewer");
  EXPECT_EQ(Admit(Header(Jwt()), "PauseDelivery")->identity(), "jwt:alice");
  EXPECT_EQ(metrics_.access_denied.unauthenticated.Value(), 0u);
}

TEST_F(AccessControlTest, TokenCountsWhereThereIsACertificateToo) {
  EXPECT_EQ(Admit({"orders", {"Bearer s3cret"}, "a"}, "GetStatus")->identity(), "token:viewer");
  EXPECT_EQ(ReasonFor({"orders", {"Bearer wrong"}, "a"}), "CREDENTIALS_INVALID");
}

TEST_F(AccessControlTest, WhoIsNotKnownIsNotAuthenticated) {
  EXPECT_EQ(ReasonFor({"", {}, "a"}), "CREDENTIALS_MISSING");
  EXPECT_EQ(ReasonFor(Header("Bearer wrong")), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor(Header("Basic s3cret")), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor(Header("s3cret")), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor(Header("")), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor({"", {"Bearer s3cret", "Bearer s3cret"}, "a"}), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor(Certificate("or ders")), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor({"", {}, "a", /*certificate_has_no_name=*/true}), "CREDENTIALS_INVALID");
  EXPECT_EQ(ReasonFor(Certificate("nobody")), "IDENTITY_UNKNOWN");
  EXPECT_EQ(ReasonFor(Certificate("viewer")), "IDENTITY_UNKNOWN") << "that name is a token's";
  EXPECT_EQ(metrics_.access_denied.unauthenticated.Value(), 10u);
  EXPECT_THAT(lines_.Events("ACCESS_DENIED"), SizeIs(10));
  EXPECT_THAT(Audited(), IsEmpty()) << "anybody could fill it";
}

TEST_F(AccessControlTest, TokensAreInNoLog) {
  ReasonFor(Header("Bearer hunter2"));
  ReasonFor(Header("hunter2"));
  for (const std::string& line : lines_.Lines()) EXPECT_THAT(line, Not(HasSubstr("hunter2")));
}

TEST_F(AccessControlTest, ExpiredTokenIsNotTakenFromMemory) {
  const std::string token = Jwt();
  EXPECT_TRUE(Admit(Header(token), "GetStatus").ok());
  clock_.Advance(absl::Minutes(9));
  EXPECT_TRUE(Admit(Header(token), "GetStatus").ok());
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(ReasonFor(Header(token), "GetStatus"), "CREDENTIALS_EXPIRED");
}

TEST_F(AccessControlTest, TokenOfAKeyThatIsGoneIsNotTakenFromMemory) {
  const std::string token = Jwt();
  EXPECT_TRUE(Admit(Header(token), "GetStatus").ok());
  folder_.Write("keys.pem", KeyPair::Ec().PublicPem());
  rules_ = *LoadAccessRules(
      {folder_.File("access.yaml"), "", folder_.File("keys.pem"), "issuer", "router"});
  EXPECT_EQ(ReasonFor(Header(token), "GetStatus"), "CREDENTIALS_INVALID");
}

TEST_F(AccessControlTest, RolesDecideAboutMethods) {
  EXPECT_EQ(ReasonFor(Certificate("orders"), "Publish"), "");
  EXPECT_EQ(ReasonFor(Certificate("orders"), "GetStatus"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(Certificate("orders"), "PauseDelivery"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(Header("Bearer s3cret"), "GetStatus"), "");
  EXPECT_EQ(ReasonFor(Header("Bearer s3cret"), "PauseDelivery"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(Header("Bearer s3cret"), "Publish"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(Header(Jwt()), "GetStatus"), "");
  EXPECT_EQ(ReasonFor(Header(Jwt()), "Publish"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(Header(Jwt()), "NoSuchMethod"), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(metrics_.access_denied.method.Value(), 6u);
}

TEST_F(AccessControlTest, SubjectsAreDeniedOneByOne) {
  const Caller caller = *Admit(Certificate("orders"));
  TestBatch batch({"orders.a", "invoices.a", "orders", "orders.b.c"});
  batch.operations()[3].outcome = Outcome::kRejected;
  batch.operations()[3].status = absl::InvalidArgumentError("was wrong before");
  access_->RejectSubjects(caller, "PublishBatch", &batch);
  EXPECT_EQ(batch.operations()[0].outcome, Outcome::kUnanswered);
  for (int i : {1, 2}) {
    EXPECT_EQ(batch.operations()[i].outcome, Outcome::kRejected);
    EXPECT_EQ(error::ReasonOf(batch.operations()[i].status), "SUBJECT_NOT_ALLOWED");
  }
  EXPECT_EQ(batch.operations()[3].status, absl::InvalidArgumentError("was wrong before"));
  EXPECT_EQ(metrics_.access_denied.subject.Value(), 2u);
  const std::vector<AuditEvent> audited = Audited();
  ASSERT_THAT(audited, SizeIs(1));
  EXPECT_EQ(audited[0].actor, "cert:orders address");
  EXPECT_EQ(audited[0].method, "PublishBatch");
  EXPECT_EQ(audited[0].outcome, "PERMISSION_DENIED");
  EXPECT_THAT(audited[0].detail, HasSubstr("\"invoices.a\" (2 times)"));
}

TEST_F(AccessControlTest, EverySubjectMayBeAllowed) {
  TestBatch batch({"a", "b.c"});
  access_->RejectSubjects(*Admit(Certificate("free")), "PublishBatch", &batch);
  EXPECT_EQ(batch.operations()[0].outcome, Outcome::kUnanswered);
  EXPECT_EQ(batch.operations()[1].outcome, Outcome::kUnanswered);
}

TEST_F(AccessControlTest, PayloadsNeedAPermissionOfTheirOwn) {
  EXPECT_TRUE(
      access_->CheckPayloads(*Admit(Header("Bearer s3cret"), "GetDeadLetter"), "GetDeadLetter")
          .ok());
  const absl::Status denied =
      access_->CheckPayloads(*Admit(Header(Jwt()), "GetDeadLetter"), "GetDeadLetter");
  EXPECT_EQ(error::ReasonOf(denied), "PAYLOADS_NOT_ALLOWED");
  EXPECT_EQ(metrics_.access_denied.payloads.Value(), 1u);
  EXPECT_THAT(Audited(), SizeIs(1));
}

TEST_F(AccessControlTest, NewRulesHoldForCallersThatAreIn) {
  Caller caller = *Admit(Certificate("orders"));
  EXPECT_TRUE(access_->Renew(*Rule("PublishStream"), &caller).ok());
  Load("identities: [{name: cert:orders, roles: [publisher], publish: [invoices.>]}]");
  EXPECT_TRUE(access_->Renew(*Rule("PublishStream"), &caller).ok());
  EXPECT_TRUE(caller.grant().publish.Contains("invoices.a"));
  EXPECT_FALSE(caller.grant().publish.Contains("orders.a"));
  Load("identities: [{name: cert:orders, roles: [viewer]}]");
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("PublishStream"), &caller)), "METHOD_NOT_ALLOWED");
  Load("identities: [{name: cert:x, roles: [viewer]}]");
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("PublishStream"), &caller)), "IDENTITY_UNKNOWN");
}

TEST_F(AccessControlTest, TokensExpireForCallersThatAreIn) {
  Caller caller = *Admit(Header(Jwt()), "WatchStatus");
  EXPECT_TRUE(access_->Renew(*Rule("WatchStatus"), &caller).ok());
  clock_.Advance(absl::Minutes(11));
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("WatchStatus"), &caller)), "CREDENTIALS_EXPIRED");
}

TEST_F(AccessControlTest, TokensThatAreRevokedEndForCallersThatAreIn) {
  Caller caller = *Admit(Header("Bearer s3cret"), "GetStatus");
  EXPECT_TRUE(access_->Renew(*Rule("GetStatus"), &caller).ok());
  Reload();
  EXPECT_TRUE(access_->Renew(*Rule("GetStatus"), &caller).ok()) << "nothing has changed";
  folder_.Write("tokens.yaml", "tokens: []\n");
  Reload();
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("GetStatus"), &caller)), "CREDENTIALS_INVALID");
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("GetStatus"), &caller)), "CREDENTIALS_INVALID")
      << "it stays refused";
  EXPECT_EQ(metrics_.access_denied.unauthenticated.Value(), 2u);
}

TEST_F(AccessControlTest, TokensThatAreShortenedOrLengthenedAreSoForCallersThatAreIn) {
  Caller caller = *Admit(Header("Bearer s3cret"), "GetStatus");
  const absl::Time end = clock_.WallNow() + absl::Minutes(1);
  const auto expires = [](absl::Time time) {
    return absl::StrCat(
        "    expires: ", absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()), "\n");
  };
  folder_.Write("tokens.yaml", TokenFile("viewer", expires(end)));
  Reload();
  EXPECT_TRUE(access_->Renew(*Rule("GetStatus"), &caller).ok());
  clock_.Advance(absl::Minutes(2));
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("GetStatus"), &caller)), "CREDENTIALS_EXPIRED");
  folder_.Write("tokens.yaml", TokenFile("viewer", expires(end + absl::Minutes(5))));
  Reload();
  EXPECT_TRUE(access_->Renew(*Rule("GetStatus"), &caller).ok());
  folder_.Write("tokens.yaml", TokenFile("viewer", expires(end)));
  Reload();
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("GetStatus"), &caller)), "CREDENTIALS_EXPIRED")
      << "over already when it was shortened";
}

TEST_F(AccessControlTest, TokenOfAnotherNameEndsForCallersThatAreIn) {
  Load("identities: [{name: '*', roles: [viewer]}]");
  Caller caller = *Admit(Header("Bearer s3cret"), "GetStatus");
  folder_.Write("tokens.yaml", TokenFile("other"));
  Reload();
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("GetStatus"), &caller)), "CREDENTIALS_INVALID");
}

TEST_F(AccessControlTest, KeysThatAreRemovedEndTheirTokensForCallersThatAreIn) {
  Caller caller = *Admit(Header(Jwt()), "GetStatus");
  Reload();
  EXPECT_TRUE(access_->Renew(*Rule("GetStatus"), &caller).ok());
  folder_.Write("keys.pem", KeyPair::Ec().PublicPem());
  Reload();
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("GetStatus"), &caller)), "CREDENTIALS_INVALID");
  const std::string detail = lines_.Events("ACCESS_DENIED").back()["detail"];
  EXPECT_THAT(detail, HasSubstr("jwt:alice: not signed by a key"));
}

TEST_F(AccessControlTest, NameThatIsTakenOutHasWhatEverybodyElseHas) {
  Load(
      "identities: [{name: cert:orders, roles: [publisher], publish: [orders.>]},"
      " {name: '*', roles: [viewer]}]");
  Caller caller = *Admit(Certificate("orders"), "Publish");
  Load("identities: [{name: '*', roles: [publisher], publish: ['>']}]");
  EXPECT_TRUE(access_->Renew(*Rule("Publish"), &caller).ok());
  Load(
      "identities: [{name: cert:orders, roles: []},"
      " {name: '*', roles: [publisher], publish: ['>']}]");
  EXPECT_EQ(error::ReasonOf(access_->Renew(*Rule("Publish"), &caller)), "METHOD_NOT_ALLOWED");
  EXPECT_EQ(ReasonFor(Certificate("orders")), "METHOD_NOT_ALLOWED");
}

TEST_F(AccessControlTest, ManyDenialsAreFewAuditEvents) {
  for (int i = 0; i < 1000; ++i) ReasonFor(Certificate("orders"), "PauseDelivery");
  EXPECT_THAT(Audited(), SizeIs(1));
  for (int i = 0; i < 1000; ++i) ReasonFor(Certificate("orders"), "PauseDelivery");
  EXPECT_THAT(Audited(), SizeIs(1));
  ReasonFor(Certificate("orders"), "ResumeDelivery");
  EXPECT_THAT(Audited(), SizeIs(2)) << "another method is told at once";
  clock_.Advance(DenialLog::kInterval);
  const std::vector<AuditEvent> audited = Audited();
  ASSERT_THAT(audited, SizeIs(3));
  EXPECT_THAT(audited[0].detail, HasSubstr("(1000 times)"));
  EXPECT_EQ(metrics_.access_denied.method.Value(), 2001u);
  clock_.Advance(DenialLog::kInterval);
  EXPECT_THAT(Audited(), SizeIs(3));
}

TEST_F(AccessControlTest, DenialsThatAreNotDueAreWrittenAtTheEnd) {
  ReasonFor(Certificate("orders"), "PauseDelivery");
  EXPECT_THAT(Audited(), SizeIs(1));
  for (int i = 0; i < 3; ++i) ReasonFor(Certificate("orders"), "PauseDelivery");
  EXPECT_THAT(Audited(), SizeIs(1));
  denials_->FlushAtEnd();
  const std::vector<AuditEvent> audited = Audited();
  ASSERT_THAT(audited, SizeIs(2));
  EXPECT_THAT(audited[0].detail, HasSubstr("(3 times)"));
}

TEST_F(AccessControlTest, DenialThatCannotBeWrittenIsTriedAgain) {
  for (int i = 0; i < 3; ++i) ReasonFor(Certificate("orders"), "PauseDelivery");
  rlimit before;
  ASSERT_EQ(getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = std::signal(SIGXFSZ, SIG_IGN);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &none), 0);
  denials_->Flush();
  ASSERT_EQ(setrlimit(RLIMIT_FSIZE, &before), 0);
  std::signal(SIGXFSZ, handler);
  const std::vector<AuditEvent> audited = Audited();
  ASSERT_THAT(audited, SizeIs(1));
  EXPECT_THAT(audited[0].detail, HasSubstr("(3 times)"));
}

TEST_F(AccessControlTest, TooManyDifferentOnesAreTakenTogether) {
  Load("identities: [{name: '*', roles: []}]");
  const int count = static_cast<int>(DenialLog::kKeysMax) + 500;
  for (int i = 0; i < count; ++i) ReasonFor(Certificate(absl::StrCat("c", i)), "GetStatus");
  denials_->Flush();
  int events = 0;
  bool has_rest = false;
  const auto look = [&](const AuditEvent& event) {
    ++events;
    has_rest = has_rest || event.detail.find("(500 times)") != std::string::npos;
    return false;
  };
  EXPECT_TRUE(audit_->List(1, "", look).ok());
  EXPECT_EQ(events, static_cast<int>(DenialLog::kKeysMax) + 1);
  EXPECT_TRUE(has_rest);
}

}  // namespace
}  // namespace router
