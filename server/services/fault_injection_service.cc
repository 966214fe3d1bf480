#include "server/services/fault_injection_service.h"

#include <utility>

#include "absl/strings/str_cat.h"

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/admin_conversion.h"

namespace router {
namespace {

constexpr absl::Duration kDelayMin = absl::Milliseconds(1);
constexpr absl::Duration kDelayMax = absl::Seconds(60);

absl::StatusOr<FaultOperation> OperationFromProto(v1::FaultOperation operation) {
  switch (operation) {
    case v1::FAULT_OPERATION_CONNECT:
      return FaultOperation::kConnect;
    case v1::FAULT_OPERATION_PUBLISH:
      return FaultOperation::kPublish;
    case v1::FAULT_OPERATION_PUBLISH_WITH_ACK:
      return FaultOperation::kPublishWithAck;
    default:
      return error::FaultInvalid("operation", "name the operation that is to fail");
  }
}

absl::StatusOr<FaultKind> KindFromProto(v1::FaultKind kind) {
  switch (kind) {
    case v1::FAULT_KIND_ERROR:
      return FaultKind::kError;
    case v1::FAULT_KIND_TIMEOUT:
      return FaultKind::kTimeout;
    case v1::FAULT_KIND_CLOSE_CONNECTION:
      return FaultKind::kCloseConnection;
    case v1::FAULT_KIND_DELAY:
      return FaultKind::kDelay;
    default:
      return error::FaultInvalid("kind", "say how the operation is to fail");
  }
}

absl::StatusOr<Fault> FaultFromProto(const v1::Fault& proto) {
  Fault fault;
  absl::StatusOr<FaultOperation> operation = OperationFromProto(proto.operation());
  if (!operation.ok()) return operation.status();
  fault.operation = *operation;
  absl::StatusOr<FaultKind> kind = KindFromProto(proto.kind());
  if (!kind.ok()) return kind.status();
  fault.kind = *kind;

  fault.probability = proto.probability() == 0 ? 1 : proto.probability();
  if (!(fault.probability > 0 && fault.probability <= 1)) {
    return error::FaultInvalid("probability", "it has to be above 0 and at most 1");
  }
  if (proto.count() < 0) return error::FaultInvalid("count", "it must not be negative");
  fault.remaining = proto.count() == 0 ? -1 : proto.count();

  const bool is_delay = fault.kind == FaultKind::kDelay;
  if (is_delay != proto.has_delay()) {
    return error::FaultInvalid("delay", "FAULT_KIND_DELAY needs one, and no other kind takes one");
  }
  fault.delay = FromProto(proto.delay());
  if (is_delay && (fault.delay < kDelayMin || fault.delay > kDelayMax)) {
    return error::FaultInvalid("delay", "it has to be between 1 ms and 60 s");
  }
  return fault;
}

void FaultToProto(const Fault& fault, v1::Fault* proto) {
  switch (fault.operation) {
    case FaultOperation::kConnect:
      proto->set_operation(v1::FAULT_OPERATION_CONNECT);
      break;
    case FaultOperation::kPublish:
      proto->set_operation(v1::FAULT_OPERATION_PUBLISH);
      break;
    case FaultOperation::kPublishWithAck:
      proto->set_operation(v1::FAULT_OPERATION_PUBLISH_WITH_ACK);
      break;
  }
  switch (fault.kind) {
    case FaultKind::kError:
      proto->set_kind(v1::FAULT_KIND_ERROR);
      break;
    case FaultKind::kTimeout:
      proto->set_kind(v1::FAULT_KIND_TIMEOUT);
      break;
    case FaultKind::kCloseConnection:
      proto->set_kind(v1::FAULT_KIND_CLOSE_CONNECTION);
      break;
    case FaultKind::kDelay:
      proto->set_kind(v1::FAULT_KIND_DELAY);
      ToProto(fault.delay, proto->mutable_delay());
      break;
  }
  proto->set_probability(fault.probability);
  if (fault.remaining > 0) proto->set_count(fault.remaining);
}

}  // namespace

absl::StatusOr<std::string> FaultInjectionService::Admit(const grpc::ServerContext& context,
                                                         absl::string_view method) const {
  return AdmitOperator(access_, calls_, context, "router.v1.FaultInjectionService", method);
}

absl::Status FaultInjectionService::Audit(const std::string& actor, absl::string_view method,
                                          std::string detail) {
  AuditEvent event;
  event.actor = actor;
  event.method = std::string(method);
  event.detail = std::move(detail);
  event.outcome = "OK";
  return audit_->Record(std::move(event)).status();
}

grpc::Status FaultInjectionService::SetFault(grpc::ServerContext* context,
                                             const v1::SetFaultRequest* request,
                                             v1::SetFaultResponse* response) {
  const absl::StatusOr<std::string> actor = Admit(*context, "SetFault");
  if (!actor.ok()) return ToGrpcStatus(actor.status());
  const absl::StatusOr<Fault> fault = FaultFromProto(request->fault());
  if (!fault.ok()) return ToGrpcStatus(fault.status());
  FaultToProto(*fault, response->mutable_fault());
  const std::string operation = v1::FaultOperation_Name(response->fault().operation());
  const std::string kind = v1::FaultKind_Name(response->fault().kind());
  const absl::Status audited = Audit(
      *actor, "SetFault", absl::StrCat(operation, " ", kind, ", probability ", fault->probability));
  if (!audited.ok()) return ToGrpcStatus(audited);
  injector_->Set(*fault);
  log_->Event(LogLevel::kWarn, "FAULT_INJECTED", "a fault was set on purpose",
              {{"operation", operation}, {"kind", kind}, {"probability", fault->probability}});
  return grpc::Status::OK;
}

grpc::Status FaultInjectionService::ListFaults(grpc::ServerContext* context,
                                               const v1::ListFaultsRequest*,
                                               v1::ListFaultsResponse* response) {
  const absl::StatusOr<std::string> actor = Admit(*context, "ListFaults");
  if (!actor.ok()) return ToGrpcStatus(actor.status());
  for (const Fault& fault : injector_->List()) FaultToProto(fault, response->add_faults());
  return grpc::Status::OK;
}

grpc::Status FaultInjectionService::ClearFaults(grpc::ServerContext* context,
                                                const v1::ClearFaultsRequest*,
                                                v1::ClearFaultsResponse* response) {
  const absl::StatusOr<std::string> actor = Admit(*context, "ClearFaults");
  if (!actor.ok()) return ToGrpcStatus(actor.status());
  const int32_t count = static_cast<int32_t>(injector_->List().size());
  const absl::Status audited = Audit(*actor, "ClearFaults", absl::StrCat(count, " faults ended"));
  if (!audited.ok()) return ToGrpcStatus(audited);
  response->set_cleared_count(count);
  injector_->Clear();
  log_->Event(LogLevel::kInfo, "FAULTS_CLEARED", "all faults on purpose were ended");
  return grpc::Status::OK;
}

}  // namespace router
