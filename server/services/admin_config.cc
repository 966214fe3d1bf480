// The methods of AdminService that are about the configuration.
#include "server/errors/status_conversion.h"
#include "server/services/admin_service.h"

namespace router {
namespace {

void ToProto(const std::vector<SettingChange>& changes,
             google::protobuf::RepeatedPtrField<v1::ConfigChange>* protos) {
  for (const SettingChange& change : changes) {
    v1::ConfigChange* const proto = protos->Add();
    proto->set_name(std::string(change.name));
    proto->set_old_value(change.before);
    proto->set_new_value(change.after);
  }
}

}  // namespace

grpc::Status AdminService::GetEffectiveConfig(grpc::ServerContext* context,
                                              const v1::GetEffectiveConfigRequest*,
                                              v1::GetEffectiveConfigResponse* response) {
  if (const absl::Status may = CheckView(*context, "GetEffectiveConfig"); !may.ok()) {
    return ToGrpcStatus(may);
  }
  for (const EffectiveSetting& setting : parts_.reloader->effective()) {
    v1::ConfigSetting* proto = response->add_settings();
    proto->set_name(std::string(setting.name));
    proto->set_value(setting.value);
    proto->set_source(std::string(setting.source));
    proto->set_description(std::string(setting.description));
  }
  return grpc::Status::OK;
}

grpc::Status AdminService::ReloadConfig(grpc::ServerContext* context,
                                        const v1::ReloadConfigRequest* request,
                                        v1::ReloadConfigResponse* response) {
  const absl::StatusOr<Change> change = CheckChange(*context, "ReloadConfig", *request);
  if (!change.ok()) return ToGrpcStatus(change.status());
  const absl::StatusOr<ConfigReloader::Reloaded> reloaded = parts_.reloader->Reload(
      {change->actor, change->reason, change->request_id, change->validate_only});
  if (!reloaded.ok()) return ToGrpcStatus(reloaded.status());
  ToProto(reloaded->difference.reloadable, response->mutable_applied());
  ToProto(reloaded->difference.needs_restart, response->mutable_needs_restart());
  response->set_audit_event_id(reloaded->audit_event_id);
  return grpc::Status::OK;
}

}  // namespace router
