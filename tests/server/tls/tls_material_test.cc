#include "server/tls/tls_material.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "tests/server/base/temp_folder.h"

namespace router {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TlsMaterialTest : public ::testing::Test {
 protected:
  TlsMaterialTest() {
    MakeCertificate("server");
    MakeCertificate("other");
  }

  // A certificate that is valid for two days, and its key.
  void MakeCertificate(const std::string& name, const std::string& key_options = "-nodes",
                       const std::string& key = "ec -pkeyopt ec_paramgen_curve:P-256") {
    const std::string command =
        absl::StrCat("openssl req -x509 -newkey ", key, " -days 2 -subj /CN=", name, " ",
                     key_options, " -keyout ", folder_.File(name + ".key"), " -out ",
                     folder_.File(name + ".pem"), " 2>/dev/null");
    EXPECT_EQ(std::system(command.c_str()), 0);
  }

  TlsFiles Files(const std::string& cert = "server.pem", const std::string& key = "server.key",
                 const std::string& ca = "other.pem") const {
    return {folder_.File(cert), folder_.File(key), ca.empty() ? "" : folder_.File(ca)};
  }

  // What is wrong.
  std::string ProblemOf(const TlsFiles& files, absl::Time now = absl::Now()) const {
    const absl::Status status = LoadTlsMaterial(files, now).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    return std::string(status.message());
  }

  const TempFolder folder_;
};

TEST_F(TlsMaterialTest, ReadsCertificateKeyAndAuthorities) {
  const absl::StatusOr<TlsMaterial> material = LoadTlsMaterial(Files(), absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->certificate_chain, folder_.Read("server.pem"));
  EXPECT_EQ(material->private_key, folder_.Read("server.key"));
  EXPECT_EQ(material->client_authorities, folder_.Read("other.pem"));
  EXPECT_GT(material->expire_time, absl::Now() + absl::Hours(47));
  EXPECT_LT(material->expire_time, absl::Now() + absl::Hours(49));
}

TEST_F(TlsMaterialTest, ClientAuthoritiesMayBeMissing) {
  const absl::StatusOr<TlsMaterial> material =
      LoadTlsMaterial(Files("server.pem", "server.key", ""), absl::Now());
  ASSERT_TRUE(material.ok()) << material.status();
  EXPECT_EQ(material->client_authorities, "");
}

TEST_F(TlsMaterialTest, KeyHasToBeThatOfTheCertificate) {
  EXPECT_THAT(ProblemOf(Files("server.pem", "other.key")), HasSubstr("is not the key of"));
}

TEST_F(TlsMaterialTest, NamesTheFileAndShowsNothingOfIt) {
  folder_.Write("bad", "secret words");
  const std::string no_certificate = ProblemOf(Files("bad"));
  EXPECT_THAT(no_certificate, HasSubstr(folder_.File("bad")));
  EXPECT_THAT(no_certificate, HasSubstr("not a PEM file of certificates"));
  EXPECT_THAT(no_certificate, Not(HasSubstr("secret")));
  EXPECT_THAT(ProblemOf(Files("server.pem", "bad")), HasSubstr("private key"));
  EXPECT_THAT(ProblemOf(Files("server.pem", "server.key", "bad")), HasSubstr("certificates"));
  EXPECT_THAT(ProblemOf(Files("none")), HasSubstr(folder_.File("none")));
}

TEST_F(TlsMaterialTest, CertificateThatIsCutOffIsNone) {
  const std::string whole = folder_.Read("server.pem");
  folder_.Write("cut.pem", whole + whole.substr(0, whole.size() / 2));
  EXPECT_THAT(ProblemOf(Files("cut.pem")), HasSubstr("not a PEM file of certificates"));
}

TEST_F(TlsMaterialTest, CertificateHasToBeValidNow) {
  EXPECT_THAT(ProblemOf(Files(), absl::Now() + absl::Hours(72)), HasSubstr("has expired"));
  EXPECT_THAT(ProblemOf(Files(), absl::Now() - absl::Hours(72)), HasSubstr("not valid before"));
}

TEST_F(TlsMaterialTest, KeyWithAPassphraseIsRefusedAndAsksNobody) {
  MakeCertificate("locked", "-passout pass:hunter2");
  EXPECT_THAT(ProblemOf(Files("locked.pem", "locked.key")), HasSubstr("without passphrase"));
}

TEST_F(TlsMaterialTest, WeakCertificatesAreRefusedAsOpenSslRefusesThem) {
  MakeCertificate("weak", "-nodes", "rsa:1024");
  EXPECT_THAT(ProblemOf(Files("weak.pem", "weak.key")), HasSubstr("ee key too small"));
  folder_.Write("chain.pem", folder_.Read("server.pem") + folder_.Read("weak.pem"));
  EXPECT_THAT(ProblemOf(Files("chain.pem")), HasSubstr("ca key too small"));
}

TEST_F(TlsMaterialTest, CertificatesOfTheChainMayFollow) {
  folder_.Write("chain.pem", folder_.Read("server.pem") + folder_.Read("other.pem"));
  EXPECT_TRUE(LoadTlsMaterial(Files("chain.pem"), absl::Now()).ok());
}

TEST_F(TlsMaterialTest, ContentThatHasBeenReadIsCheckedInTheSameWay) {
  TlsMaterial material;
  material.certificate_chain = folder_.Read("server.pem");
  material.private_key = folder_.Read("server.key");
  EXPECT_TRUE(CheckTlsMaterial({"cert", "key", ""}, absl::Now(), &material).ok());
  EXPECT_GT(material.expire_time, absl::Now());
  EXPECT_THAT(CheckTlsMaterial({"cert", "key", "ca"}, absl::Now(), &material).message(),
              HasSubstr("\"ca\" is not a PEM file of certificates"));
}

}  // namespace
}  // namespace router
