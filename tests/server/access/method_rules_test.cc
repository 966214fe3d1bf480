#include "server/access/method_rules.h"

#include <gmock/gmock.h>
#include <google/protobuf/descriptor.h>
#include <gtest/gtest.h>

#include <set>
#include <string>

#include "absl/strings/str_cat.h"
#include "grpc/health/v1/health.pb.h"
#include "grpc/reflection/v1/reflection.pb.h"
#include "grpc/reflection/v1alpha/reflection.pb.h"
#include "router/v1/admin.pb.h"
#include "router/v1/fault_injection.pb.h"
#include "router/v1/publisher.pb.h"

namespace router {
namespace {

std::set<std::string> MethodsOfTheApi() {
  std::set<std::string> methods;
  for (const google::protobuf::FileDescriptor* file :
       {v1::PublishRequest::descriptor()->file(), v1::GetStatusRequest::descriptor()->file(),
        v1::SetFaultRequest::descriptor()->file(),
        grpc::health::v1::HealthCheckRequest::descriptor()->file(),
        grpc::reflection::v1::ServerReflectionRequest::descriptor()->file(),
        grpc::reflection::v1alpha::ServerReflectionRequest::descriptor()->file()}) {
    for (int i = 0; i < file->service_count(); ++i) {
      for (int j = 0; j < file->service(i)->method_count(); ++j) {
        methods.insert(file->service(i)->method(j)->full_name());
      }
    }
  }
  return methods;
}

TEST(MethodRulesTest, EveryMethodHasOneAndNoOtherHas) {
  std::set<std::string> ruled;
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_TRUE(ruled.insert(absl::StrCat(rule.service, ".", rule.method)).second) << rule.method;
  }
  EXPECT_EQ(ruled, MethodsOfTheApi());
}

TEST(MethodRulesTest, OnlyHealthIsForEverybody) {
  for (const MethodRule& rule : MethodRules()) {
    EXPECT_EQ(rule.permission == Permission::kNone, rule.service == "grpc.health.v1.Health")
        << rule.service;
  }
}

TEST(MethodRulesTest, MethodsThatChangeSomethingAreForOperators) {
  for (const MethodRule& rule : MethodRules()) {
    if (rule.service != "router.v1.AdminService") continue;
    const bool looks = rule.method.substr(0, 3) == "Get" || rule.method.substr(0, 4) == "List" ||
                       rule.method.substr(0, 5) == "Watch";
    EXPECT_EQ(rule.permission, looks ? Permission::kView : Permission::kOperate) << rule.method;
  }
}

TEST(MethodRulesTest, UnknownMethodHasNone) {
  EXPECT_EQ(FindMethodRule("router.v1.AdminService", "NoSuchMethod"), nullptr);
  EXPECT_EQ(FindMethodRule("NoSuchService", "GetStatus"), nullptr);
  EXPECT_NE(FindMethodRule("router.v1.AdminService", "GetStatus"), nullptr);
}

}  // namespace
}  // namespace router
