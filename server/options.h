// From the settings to the options of each part, so that no part reads settings.
#ifndef ROUTER_SERVER_OPTIONS_H_
#define ROUTER_SERVER_OPTIONS_H_

#include <string>
#include <utility>
#include <vector>

#include <grpcpp/server_builder.h>

#include "server/config/settings.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drainer.h"
#include "server/failpoints/failpoints.h"
#include "server/limits/client_limits.h"
#include "server/listener/grpc_connections.h"
#include "server/log/logger.h"
#include "server/pending/sqlite_pending_queue.h"
#include "server/security.h"
#include "server/services/admin_conversion.h"
#include "server/services/dead_letters.h"
#include "server/services/publisher_service.h"
#include "server/telemetry/telemetry.h"
#include "server/tracing/http_post.h"
#include "server/tracing/otlp_exporter.h"
#include "server/tracing/span_buffer.h"
#include "transports/factory.h"

namespace router {

Logger::Options LoggerOptionsOf(const Settings& settings);
// Without the queue and the spans.
Telemetry::Options TelemetryOptionsOf(const Settings& settings);
OtlpExporter::Options OtlpOptionsOf(const Settings& settings);
HttpPost::Options HttpPostOptionsOf(const Settings& settings);
// Of settings that have been checked.
std::vector<FailpointRule> FailpointsOf(const Settings& settings);
Security::Options SecurityOptionsOf(const Settings& settings);
// Without the clock and the hooks.
SqlitePendingQueue::Options PendingQueueOptionsOf(const Settings& settings);
TransportOptions TransportOptionsOf(const Settings& settings);
DispatcherOptions DispatcherOptionsOf(const Settings& settings);
DeadLetters::Options DeadLettersOptionsOf(const Settings& settings);
DrainerOptions DrainerOptionsOf(const Settings& settings);
PublisherServiceOptions PublisherServiceOptionsOf(const Settings& settings);
ClientLimits::Limits ClientLimitsOf(const Settings& settings);
// Numbers and bytes that clients may have, by setting; 0: no limit.
std::vector<std::pair<std::string, double>> LimitsOf(const Settings& settings);
GrpcConnections::Options GrpcConnectionsOptionsOf(const Settings& settings);
StatusConstants StatusConstantsOf(const Settings& settings);
void ApplyGrpcLimits(const Settings& settings, grpc::ServerBuilder* builder);

}  // namespace router

#endif  // ROUTER_SERVER_OPTIONS_H_
