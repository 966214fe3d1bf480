#include "server/access/method_rules.h"

namespace router {
namespace {

constexpr char kPublisher[] = "router.v1.PublisherService";
constexpr char kAdmin[] = "router.v1.AdminService";
constexpr char kFaults[] = "router.v1.FaultInjectionService";

constexpr MethodRule kRules[] = {
    {kPublisher, "Publish", Permission::kPublish},
    {kPublisher, "PublishBatch", Permission::kPublish},
    {kPublisher, "PublishStream", Permission::kPublish},

    {kAdmin, "GetStatus", Permission::kView},
    {kAdmin, "WatchStatus", Permission::kView},
    {kAdmin, "GetFailOpenMode", Permission::kView},
    {kAdmin, "ListPendingOperations", Permission::kView},
    {kAdmin, "GetPendingOperation", Permission::kView},
    {kAdmin, "ListDeadLetters", Permission::kView},
    {kAdmin, "GetDeadLetter", Permission::kView},
    {kAdmin, "ListAuditEvents", Permission::kView},
    {kAdmin, "GetEffectiveConfig", Permission::kView},

    {kAdmin, "SetFailOpenMode", Permission::kOperate},
    {kAdmin, "PauseDelivery", Permission::kOperate},
    {kAdmin, "ResumeDelivery", Permission::kOperate},
    {kAdmin, "Reconnect", Permission::kOperate},
    {kAdmin, "RetryPendingOperations", Permission::kOperate},
    {kAdmin, "PurgePendingOperations", Permission::kOperate},
    {kAdmin, "RedriveDeadLetters", Permission::kOperate},
    {kAdmin, "PurgeDeadLetters", Permission::kOperate},
    {kAdmin, "ReloadConfig", Permission::kOperate},

    {kFaults, "SetFault", Permission::kOperate},
    {kFaults, "ListFaults", Permission::kOperate},
    {kFaults, "ClearFaults", Permission::kOperate},

    // For load balancers and orchestrators, which have no credentials, and told no more than
    // whether the router serves.
    {"grpc.health.v1.Health", "Check", Permission::kNone},
    {"grpc.health.v1.Health", "Watch", Permission::kNone},

    {"grpc.reflection.v1.ServerReflection", "ServerReflectionInfo", Permission::kView},
    {"grpc.reflection.v1alpha.ServerReflection", "ServerReflectionInfo", Permission::kView},
};

}  // namespace

absl::Span<const MethodRule> MethodRules() { return kRules; }

const MethodRule* FindMethodRule(absl::string_view service, absl::string_view method) {
  for (const MethodRule& rule : kRules) {
    if (rule.service == service && rule.method == method) return &rule;
  }
  return nullptr;
}

}  // namespace router
