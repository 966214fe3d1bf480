#include "server/router.h"

#include <functional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/synchronization/notification.h"
#include "absl/time/time.h"
#include "server/audit/audit_log.h"
#include "server/base/build_commit.h"
#include "server/base/clock.h"
#include "server/base/steady_wait.h"
#include "server/base/version.h"
#include "server/dispatcher/dispatcher.h"
#include "server/drainer/drainer.h"
#include "server/failpoints/failpoint_queue.h"
#include "server/failpoints/failpoint_transport.h"
#include "server/failpoints/failpoints.h"
#include "server/grpc_server.h"
#include "server/http/http_server.h"
#include "server/limits/client_limits.h"
#include "server/log/logger.h"
#include "server/metrics/metrics.h"
#include "server/mode/fail_open_switch.h"
#include "server/mode/mode_controller.h"
#include "server/options.h"
#include "server/pending/sqlite_pending_queue.h"
#include "server/reload/config_reloader.h"
#include "server/security.h"
#include "server/services/admin_calls.h"
#include "server/services/dead_letters.h"
#include "server/status/router_status.h"
#include "server/telemetry/telemetry.h"
#include "server/tracing/http_post.h"
#include "server/tracing/otlp_exporter.h"
#include "server/tracing/span_buffer.h"
#include "transports/factory.h"

namespace router {
namespace {

constexpr absl::Duration kTickInterval = absl::Milliseconds(20);
constexpr int kTicksPerWake = 50;
constexpr int kTicksPerSweep = 5;
constexpr absl::Duration kWatchInterval = absl::Seconds(1);
// For the spans that have not been exported, when the router stops.
constexpr absl::Duration kExportTimeout = absl::Seconds(1);

}  // namespace

// In the order in which they are made; destroyed in the opposite one.
struct Router::Parts {
  Parts(const LoadedConfig& loaded, std::function<absl::StatusOr<LoadedConfig>()> load)
      : config(loaded),
        settings(config.settings),
        load_config(std::move(load)),
        clock(SystemClock()),
        log(LoggerOptionsOf(settings), clock),
        metrics(kRouterVersion, kBuildCommit),
        spans(settings.otlp_endpoint.empty()
                  ? nullptr
                  : std::make_unique<SpanBuffer>(settings.otlp_buffer_spans, &metrics)),
        limits(ClientLimitsOf(settings), clock, &log, &metrics),
        admin_calls(settings.client_max_admin_calls, &log, &metrics),
        limits_in_force(LimitsOf(settings)),
        telemetry(MakeTelemetryOptions(), clock, &metrics, &log, [this] {
          if (settings.nats_on_exhausted == "fail_open") fail_open->OnExhausted();
        }) {}

  absl::Status OpenSecurity();
  void ApplySettings(const Settings& changed);
  absl::Status OpenState();
  absl::Status OpenAudit(AuditLogOptions options, std::unique_ptr<AuditLog>* opened);
  Telemetry::Options MakeTelemetryOptions();
  void StartExporter();
  absl::Status OpenDelivery();
  absl::Status Serve();
  absl::Status ServeGrpc();
  absl::Status ServeHttp();
  void Tick();
  void WatchFiles();
  std::vector<std::string> ReadinessProblems() const;
  void SetServing(bool serving);
  void Stop();

  const LoadedConfig config;
  const Settings& settings;  // As at the start. Only ApplySettings sees what a reload has changed.
  const std::function<absl::StatusOr<LoadedConfig>()> load_config;
  Clock* const clock;
  Logger log;
  Metrics metrics;
  FaultInjector faults;
  std::unique_ptr<Failpoints> failpoints;  // Null unless there are any.
  std::unique_ptr<ModeController> mode;
  std::unique_ptr<AuditLog> audit;
  std::unique_ptr<AuditLog> denials;
  std::unique_ptr<Security> security;
  std::unique_ptr<ConfigReloader> reloader;
  std::unique_ptr<FailOpenSwitch> fail_open;
  std::unique_ptr<SpanBuffer> spans;  // Null unless they are exported; so are the next two.
  std::unique_ptr<HttpPost> otlp_post;
  std::unique_ptr<OtlpExporter> exporter;
  ClientLimits limits;
  AdminCalls admin_calls;
  absl::Mutex limits_in_force_mutex;
  std::vector<std::pair<std::string, double>> limits_in_force
      ABSL_GUARDED_BY(limits_in_force_mutex);
  Telemetry telemetry;
  std::unique_ptr<SqlitePendingQueue> queue;
  std::unique_ptr<Transport> transport;
  std::unique_ptr<Dispatcher> dispatcher;
  std::unique_ptr<Drainer> drainer;
  std::unique_ptr<DeadLetters> dead_letters;
  std::unique_ptr<StatusReporter> status;
  std::unique_ptr<HttpServer> http;
  std::unique_ptr<GrpcServer> grpc_server;
  bool served = false;
  absl::Notification stopping;
  std::thread ticker;
  std::thread file_watcher;
};

absl::Status Router::Parts::OpenSecurity() {
  absl::StatusOr<std::unique_ptr<Security>> opened = Security::Open(
      SecurityOptionsOf(settings), clock, &log, &metrics, audit.get(), denials.get());
  if (!opened.ok()) return opened.status();
  security = *std::move(opened);
  reloader = std::make_unique<ConfigReloader>(
      config,
      ConfigReloader::Hooks{load_config, [this] { return security->Read(); },
                            [this](const Settings& changed) { ApplySettings(changed); }},
      clock, &log, &metrics, audit.get());
  return absl::OkStatus();
}

// The one place where the settings that settings_table.cc marks as reloadable are put in force,
// whether they have changed or not. One reload at a time, on any thread, once everything is there.
void Router::Parts::ApplySettings(const Settings& changed) {
  log.SetOptions(LoggerOptionsOf(changed));
  limits.Set(ClientLimitsOf(changed));
  admin_calls.SetMax(changed.client_max_admin_calls);
  drainer->SetAttemptsMax(DrainerOptionsOf(changed).attempts_max);
  dead_letters->SetRedriveRate(DeadLettersOptionsOf(changed).redrive_rate_per_second);
  absl::MutexLock lock(&limits_in_force_mutex);
  limits_in_force = LimitsOf(changed);
}

Telemetry::Options Router::Parts::MakeTelemetryOptions() {
  Telemetry::Options options = TelemetryOptionsOf(settings);
  options.queue_count = [this] { return dispatcher->GetLedger().queued_count; };
  options.spans = spans.get();
  return options;
}

void Router::Parts::StartExporter() {
  if (spans == nullptr) return;
  otlp_post = std::make_unique<HttpPost>(HttpPostOptionsOf(settings),
                                         [this] { return exporter->gives_up(); });
  exporter = std::make_unique<OtlpExporter>(
      OtlpOptionsOf(settings), [this](absl::string_view body) { return otlp_post->Send(body); },
      clock, spans.get(), &metrics, &log);
  exporter->Start();
}

// What has to be remembered across restarts.
absl::Status Router::Parts::OpenState() {
  SqlitePendingQueue::Options queue_options = PendingQueueOptionsOf(settings);
  queue_options.clock = clock;
  queue_options.on_commit = [this](absl::Duration sync_duration) {
    metrics.spool_fsync_seconds.Observe(sync_duration);
  };
  queue_options.on_error = [this](absl::string_view op, const std::string& error) {
    metrics.spool_errors.For(op).Increment();
    log.RepeatingEvent(LogLevel::kError, "SPOOL_ERROR", "the pending queue on disk failed",
                       {{"op", op}, {"reason", error}});
  };
  if (!settings.failpoints.empty()) {
    failpoints = std::make_unique<Failpoints>(FailpointsOf(settings));
    queue = std::make_unique<FailpointQueue>(queue_options, failpoints.get());
  } else {
    queue = std::make_unique<SqlitePendingQueue>(queue_options);
  }

  absl::StatusOr<std::unique_ptr<ModeController>> opened_mode = ModeController::Open(
      {settings.pending_dir, settings.nats_fail_open_mode}, clock,
      [this](const absl::Status& problem) {
        log.Event(LogLevel::kError, "FAIL_OPEN_STATE_ERROR",
                  "fail-open mode could not be read or written", {{"reason", problem.message()}});
      });
  if (!opened_mode.ok()) return opened_mode.status();
  mode = *std::move(opened_mode);

  absl::Status opened = OpenAudit({}, &audit);
  if (!opened.ok()) return opened;
  AuditLogOptions denials_options;
  denials_options.file_name = "denials.log";
  denials_options.has_odd_ids = true;
  opened = OpenAudit(std::move(denials_options), &denials);
  if (!opened.ok()) return opened;
  fail_open = std::make_unique<FailOpenSwitch>(mode.get(), audit.get(), &log);
  return absl::OkStatus();
}

absl::Status Router::Parts::OpenAudit(AuditLogOptions options, std::unique_ptr<AuditLog>* opened) {
  options.dir = settings.pending_dir;
  options.on_error = [this](const AuditEvent& event, const absl::Status& why) {
    log.RepeatingEvent(LogLevel::kError, "AUDIT_LOG_ERROR",
                       "an event could not be written into the audit log",
                       {{"actor", event.actor},
                        {"method", event.method},
                        {"outcome", event.outcome},
                        {"detail", event.detail},
                        {"reason", why.message()}});
  };
  absl::StatusOr<std::unique_ptr<AuditLog>> log_opened =
      AuditLog::Open(options, clock, [this](absl::string_view what) {
        log.Event(LogLevel::kWarn, "AUDIT_LOG_DAMAGED", "a part of the audit log was passed over",
                  {{"reason", what}});
      });
  if (!log_opened.ok()) return log_opened.status();
  *opened = *std::move(log_opened);
  return absl::OkStatus();
}

absl::Status Router::Parts::OpenDelivery() {
  absl::StatusOr<std::unique_ptr<Transport>> created = CreateTransport(
      TransportOptionsOf(settings), settings.enable_fault_injection ? &faults : nullptr);
  if (!created.ok()) return created.status();
  transport = *std::move(created);
  if (failpoints != nullptr) {
    transport = std::make_unique<FailpointTransport>(std::move(transport), failpoints.get());
  }
  dispatcher = std::make_unique<Dispatcher>(DispatcherOptionsOf(settings), clock, mode.get(),
                                            transport.get(), queue.get(), &telemetry);
  if (absl::Status opened = dispatcher->OpenQueue(); !opened.ok()) return opened;
  drainer = std::make_unique<Drainer>(DrainerOptionsOf(settings), clock, dispatcher.get(),
                                      queue.get(), &telemetry);
  dead_letters = std::make_unique<DeadLetters>(DeadLettersOptionsOf(settings), clock,
                                               dispatcher.get(), transport.get(), queue.get());
  status = std::make_unique<StatusReporter>(
      StatusReporter::Options{settings.nats_max_pending_operations, settings.pending_max_bytes},
      clock, transport.get(), dispatcher.get(), drainer.get(), queue.get(), mode.get());
  metrics.SetGaugeProvider([this] {
    GaugeSnapshot gauges = status->GetGauges();
    gauges.clients = static_cast<int64_t>(limits.client_count());
    gauges.publish_in_flight_bytes = limits.in_flight_bytes();
    {
      absl::MutexLock lock(&limits_in_force_mutex);
      gauges.limits = limits_in_force;
    }
    gauges.grpc_connections = grpc_server == nullptr ? 0 : grpc_server->connection_count();
    gauges.tls_certificate_expire_time = security->certificate_expire_time();
    gauges.tls_certificate_stale = security->certificate_is_stale();
    gauges.access_rules_stale = security->rules_are_stale();
    gauges.config_read_time = reloader->read_time();
    gauges.config_last_reload_ok = reloader->last_ok();
    return gauges;
  });
  return absl::OkStatus();
}

absl::Status Router::Parts::Serve() {
  if (absl::Status started = dispatcher->Start(drainer.get()); !started.ok()) return started;
  drainer->Start();
  if (absl::Status served = ServeGrpc(); !served.ok()) return served;
  ticker = std::thread(&Parts::Tick, this);
  file_watcher = std::thread(&Parts::WatchFiles, this);
  SetServing(true);
  // Last, so that a router that says it is ready answers calls.
  if (absl::Status served = ServeHttp(); !served.ok()) return served;
  served = true;
  log.Event(LogLevel::kInfo, "ROUTER_STARTED", "the router is serving",
            {{"version", kRouterVersion},
             {"grpc_port", grpc_server->port()},
             {"http_port", http->port()},
             {"transport", settings.transport},
             {"pending_count", dispatcher->GetLedger().queued_count}});
  return absl::OkStatus();
}

absl::Status Router::Parts::ServeHttp() {
  HttpServer::Handlers handlers;
  handlers.metrics = [this] { return metrics.Render(); };
  handlers.readiness_problems = [this] {
    if (stopping.HasBeenNotified()) {
      return std::vector<std::string>{"the router is shutting down"};
    }
    return ReadinessProblems();
  };
  handlers.warnings = [this] { return status->Warnings(); };
  HttpServer::Options options;
  options.address = settings.http_listen;
  if (settings.http_tls_enabled) options.tls = security->tls_material();
  options.requires_client_certificate = settings.http_tls_client_auth == "require";
  absl::StatusOr<std::unique_ptr<HttpServer>> started =
      HttpServer::Start(options, std::move(handlers));
  if (!started.ok()) return started.status();
  http = *std::move(started);
  return absl::OkStatus();
}

absl::Status Router::Parts::ServeGrpc() {
  GrpcServer::Parts parts;
  parts.settings = &settings;
  parts.clock = clock;
  parts.log = &log;
  parts.metrics = &metrics;
  parts.spans = spans.get();
  parts.security = security.get();
  parts.dispatcher = dispatcher.get();
  parts.transport = transport.get();
  parts.limits = &limits;
  parts.faults = settings.enable_fault_injection ? &faults : nullptr;
  parts.admin.constants = StatusConstantsOf(settings);
  parts.admin.clock = clock;
  parts.admin.transport = transport.get();
  parts.admin.dispatcher = dispatcher.get();
  parts.admin.drainer = drainer.get();
  parts.admin.queue = queue.get();
  parts.admin.dead_letters = dead_letters.get();
  parts.admin.fail_open = fail_open.get();
  parts.admin.audit = audit.get();
  parts.admin.denials = denials.get();
  parts.admin.access = security->access();
  parts.admin.calls = &admin_calls;
  parts.admin.status = status.get();
  parts.admin.reloader = reloader.get();
  absl::StatusOr<std::unique_ptr<GrpcServer>> started = GrpcServer::Start(std::move(parts));
  if (!started.ok()) return started.status();
  grpc_server = *std::move(started);
  return absl::OkStatus();
}

void Router::Parts::Tick() {
  for (int tick = 0; !WaitSteadily(stopping, kTickInterval); ++tick) {
    dispatcher->Tick();
    // It may be in a wait that has become hours longer because the wall clock was set back.
    if (tick % kTicksPerWake == 0) drainer->OnDeliverable();
    if (tick % kTicksPerSweep == 0) limits.Sweep();
    fail_open->Tick();
    SetServing(ReadinessProblems().empty());
  }
}

// On a thread of its own, which waits for the disk as long as it takes.
void Router::Parts::WatchFiles() {
  while (!WaitSteadily(stopping, kWatchInterval)) security->Poll();
}

std::vector<std::string> Router::Parts::ReadinessProblems() const {
  std::vector<std::string> problems = status->ReadinessProblems();
  if (!grpc_server->is_listening()) {
    problems.push_back("the gRPC port is not listened at; see the event GRPC_LISTENER_DEAD");
  }
  return problems;
}

// Readiness does not fail because the broker is away: queueing is what the router is for.
void Router::Parts::SetServing(bool serving) {
  grpc_server->SetServing(serving, serving && !queue->GetStats().damage.any());
}

void Router::Parts::Stop() {
  if (stopping.HasBeenNotified()) return;
  const SteadyTime begun = clock->SteadyNow();
  stopping.Notify();
  if (ticker.joinable()) ticker.join();
  if (grpc_server != nullptr) SetServing(false);
  if (dispatcher != nullptr) dispatcher->StopAccepting();
  limits.Stop();
  if (grpc_server != nullptr) grpc_server->StopWatches();
  // Everything in hand gets its answer: confirmed by the transport, or from the queue.
  if (drainer != nullptr) drainer->Stop();
  if (transport != nullptr) {
    const absl::Duration passed = absl::FromChrono(clock->SteadyNow() - begun);
    transport->Stop(std::max(absl::ZeroDuration(), settings.shutdown_timeout - passed));
  }
  if (drainer != nullptr) drainer->SettleRest();
  if (queue != nullptr) queue->Close();
  if (grpc_server != nullptr) grpc_server->Shutdown();
  if (file_watcher.joinable()) file_watcher.join();
  if (security != nullptr) security->Close();
  if (exporter != nullptr) exporter->Stop(kExportTimeout);
  if (http != nullptr) http->Stop();
  metrics.SetGaugeProvider(nullptr);
  if (!served) return;
  log.Event(
      LogLevel::kInfo, "ROUTER_STOPPED", "the router has stopped",
      {{"pending_count", dispatcher == nullptr ? 0 : dispatcher->GetLedger().queued_count},
       {"duration_ms", absl::ToInt64Milliseconds(absl::FromChrono(clock->SteadyNow() - begun))}});
}

absl::StatusOr<std::unique_ptr<Router>> Router::Start(
    const LoadedConfig& config, std::function<absl::StatusOr<LoadedConfig>()> load) {
  auto parts = std::make_unique<Parts>(config, std::move(load));
  parts->StartExporter();
  for (absl::Status (Parts::*step)() :
       {&Parts::OpenState, &Parts::OpenSecurity, &Parts::OpenDelivery, &Parts::Serve}) {
    absl::Status status = (parts.get()->*step)();
    if (status.ok()) continue;
    parts->log.Event(LogLevel::kError, "ROUTER_START_FAILED", status.message());
    parts->Stop();
    return status;
  }
  return absl::WrapUnique(new Router(std::move(parts)));
}

Router::Router(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}

Router::~Router() { Stop(); }

void Router::Stop() { parts_->Stop(); }

void Router::Reload() {
  parts_->reloader->Reload({"router", "SIGHUP", "", false}).status().IgnoreError();
}

int Router::grpc_port() const { return parts_->grpc_server->port(); }

int Router::http_port() const { return parts_->http->port(); }

}  // namespace router
