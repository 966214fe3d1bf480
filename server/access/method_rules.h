// What each method of each service needs of its caller: the one place where that is said.
#ifndef ROUTER_SERVER_ACCESS_METHOD_RULES_H_
#define ROUTER_SERVER_ACCESS_METHOD_RULES_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "server/access/access_policy.h"

namespace router {

struct MethodRule {
  absl::string_view service;  // "router.v1.AdminService"
  absl::string_view method;   // "GetStatus"
  Permission permission;
};

// Every method that a router serves.
absl::Span<const MethodRule> MethodRules();

// Null where there is none: the method is for nobody.
const MethodRule* FindMethodRule(absl::string_view service, absl::string_view method);

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_METHOD_RULES_H_
