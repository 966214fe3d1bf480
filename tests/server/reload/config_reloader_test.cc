#include "server/reload/config_reloader.h"

#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "tests/server/base/fake_clock.h"
#include "tests/server/base/temp_folder.h"
#include "tests/server/log/log_capture.h"

namespace router {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class ConfigReloaderTest : public ::testing::Test {
 protected:
  ConfigReloaderTest() {
    folder_.Write("secret", "Authorization: hunter1");
    Write("log: {level: info}\n");
    AuditLogOptions options;
    options.dir = folder_.File("state");
    audit_ = *AuditLog::Open(options, &clock_, [](absl::string_view) {});
    reloader_ = std::make_unique<ConfigReloader>(
        *Load(),
        ConfigReloader::Hooks{[this] { return Load(); }, [this] { return ReadFiles(); },
                              [this](const Settings& settings) { applied_.push_back(settings); }},
        &clock_, &log_, &metrics_, audit_.get());
  }

  void Write(const std::string& text) {
    folder_.Write("router.yaml", text + "otlp:\n  endpoint: http://127.0.0.1:1\n  headers_file: " +
                                     folder_.File("secret") + "\n");
  }

  absl::StatusOr<LoadedConfig> Load() {
    return LoadConfig({"--config=" + folder_.File("router.yaml"), "--nats_name=flag"}, {});
  }

  absl::StatusOr<std::function<void()>> ReadFiles() {
    if (!files_.ok()) return files_;
    return std::function<void()>([this] { ++files_used_; });
  }

  absl::StatusOr<ConfigReloader::Reloaded> Reload(bool validate_only = false) {
    return reloader_->Reload({"alice", "a test", "r1", validate_only});
  }

  std::vector<AuditEvent> Audited() {
    return audit_->List(100, "", [](const AuditEvent&) { return true; })->events;
  }

  EffectiveSetting Effective(absl::string_view name) {
    for (const EffectiveSetting& setting : reloader_->effective()) {
      if (setting.name == name) return setting;
    }
    return {};
  }

  // Nothing has happened but that somebody was told.
  void ExpectUnchanged() {
    EXPECT_THAT(applied_, IsEmpty());
    EXPECT_EQ(files_used_, 0);
    EXPECT_EQ(Effective("log_level").value, "info");
    EXPECT_EQ(metrics_.config_reloads.ok.Value(), 0u);
  }

  const TempFolder folder_;
  FakeClock clock_;
  LogCapture capture_;
  Logger log_{{}, &clock_, capture_.AsSink()};
  Metrics metrics_{"test", "test"};
  std::unique_ptr<AuditLog> audit_;
  absl::Status files_;
  int files_used_ = 0;
  std::vector<Settings> applied_;
  std::unique_ptr<ConfigReloader> reloader_;
};

auto Change(const std::string& name, const std::string& before, const std::string& after) {
  return AllOf(Field(&SettingChange::name, name), Field(&SettingChange::before, before),
               Field(&SettingChange::after, after));
}

TEST_F(ConfigReloaderTest, PutsInForceWhatCanChangeAndNamesTheRest) {
  Write("log: {level: warn}\nredrive: {rate_per_second: 7}\nnats: {strict_order: true}\n");
  clock_.Advance(absl::Seconds(5));
  const absl::StatusOr<ConfigReloader::Reloaded> reloaded = Reload();
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  EXPECT_THAT(reloaded->difference.reloadable,
              ElementsAre(Change("redrive_rate_per_second", "1000", "7"),
                          Change("log_level", "info", "warn")));
  EXPECT_THAT(reloaded->difference.needs_restart,
              ElementsAre(Change("nats_strict_order", "false", "true")));
  ASSERT_EQ(applied_.size(), 1u);
  EXPECT_EQ(applied_[0].log_level, "warn");
  EXPECT_EQ(applied_[0].redrive_rate_per_second, 7);
  EXPECT_FALSE(applied_[0].nats_strict_order) << "it is not in force";
  EXPECT_EQ(files_used_, 1);
  EXPECT_EQ(Effective("log_level").value, "warn");
  EXPECT_EQ(Effective("log_level").source, "file");
  EXPECT_EQ(Effective("nats_strict_order").value, "false");
  EXPECT_EQ(Effective("nats_strict_order").source, "default");
  EXPECT_EQ(Effective("nats_name").value, "flag");
  EXPECT_EQ(reloader_->read_time(), clock_.WallNow());
  EXPECT_EQ(metrics_.config_reloads.ok.Value(), 1u);
}

TEST_F(ConfigReloaderTest, SaysItInLogAndAuditLog) {
  Write("log: {level: debug}\nnats: {strict_order: true}\n");
  const absl::StatusOr<ConfigReloader::Reloaded> reloaded = Reload();
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  const auto events = capture_.Events("CONFIG_RELOADED");
  ASSERT_EQ(events.size(), 1u);
  EXPECT_EQ(events[0]["actor"], "alice");
  EXPECT_EQ(events[0]["changed"], "log_level: info → debug");
  EXPECT_EQ(events[0]["needs_restart"], "nats_strict_order");
  const std::vector<AuditEvent> audited = Audited();
  ASSERT_EQ(audited.size(), 1u);
  EXPECT_EQ(audited[0].id, reloaded->audit_event_id);
  EXPECT_EQ(audited[0].actor, "alice");
  EXPECT_EQ(audited[0].method, "ReloadConfig");
  EXPECT_EQ(audited[0].request_id, "r1");
  EXPECT_EQ(audited[0].outcome, "OK");
  EXPECT_EQ(audited[0].detail,
            "changed log_level: info → debug; needs a restart: nats_strict_order");
}

TEST_F(ConfigReloaderTest, WhatStaysDifferentIsNamedEachTime) {
  Write("nats: {strict_order: true}\n");
  for (int i = 0; i < 2; ++i) {
    const absl::StatusOr<ConfigReloader::Reloaded> reloaded = Reload();
    ASSERT_TRUE(reloaded.ok()) << reloaded.status();
    EXPECT_THAT(reloaded->difference.reloadable, IsEmpty());
    EXPECT_EQ(reloaded->difference.needs_restart.size(), 1u);
  }
}

TEST_F(ConfigReloaderTest, AnyErrorLeavesEverythingAndAllAreTold) {
  Write("log: {level: loud}\nredrive: {rate_per_second: 7}\nnats: {reconect_attempts: 3}\n");
  files_ = absl::InvalidArgumentError("tls_cert_file: gone\naccess.yaml:1:1: bad");
  const absl::Status status = Reload().status();
  EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(error::ReasonOf(status), "CONFIG_INVALID");
  for (const char* part : {"4 errors", "\"loud\" is not allowed", "reconect_attempts",
                           "tls_cert_file: gone", "access.yaml:1:1: bad"}) {
    EXPECT_THAT(std::string(status.message()), HasSubstr(part));
  }
  ExpectUnchanged();
  EXPECT_FALSE(reloader_->last_ok());
  EXPECT_EQ(metrics_.config_reloads.failed.Value(), 1u);
  EXPECT_EQ(capture_.Events("CONFIG_RELOAD_FAILED").size(), 1u);
  ASSERT_EQ(Audited().size(), 1u);
  EXPECT_EQ(Audited()[0].outcome, "INVALID_ARGUMENT");
  Write("log: {level: info}\n");
  files_ = absl::OkStatus();
  EXPECT_TRUE(Reload().ok());
  EXPECT_TRUE(reloader_->last_ok());
}

TEST_F(ConfigReloaderTest, FilesThatCannotBeUsedChangeNothing) {
  Write("log: {level: warn}\n");
  files_ = absl::InvalidArgumentError("tls_cert_file: gone");
  EXPECT_EQ(error::ReasonOf(Reload().status()), "CONFIG_INVALID");
  ExpectUnchanged();
}

TEST_F(ConfigReloaderTest, ValidateOnlyChangesAndWritesNothing) {
  Write("log: {level: warn}\n");
  const absl::StatusOr<ConfigReloader::Reloaded> reloaded = Reload(/*validate_only=*/true);
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  EXPECT_THAT(reloaded->difference.reloadable, ElementsAre(Change("log_level", "info", "warn")));
  EXPECT_EQ(reloaded->audit_event_id, "");
  Write("log: {level: loud}\n");
  EXPECT_FALSE(Reload(/*validate_only=*/true).ok());
  ExpectUnchanged();
  EXPECT_TRUE(reloader_->last_ok());
  EXPECT_THAT(Audited(), IsEmpty());
  EXPECT_THAT(capture_.Lines(), IsEmpty());
}

TEST_F(ConfigReloaderTest, SecretsThatChangeAreNamedAndNeverShown) {
  folder_.Write("secret", "Authorization: hunter2");
  const absl::StatusOr<ConfigReloader::Reloaded> reloaded = Reload();
  ASSERT_TRUE(reloaded.ok()) << reloaded.status();
  const std::string path = folder_.File("secret");
  EXPECT_THAT(reloaded->difference.needs_restart,
              ElementsAre(Change("otlp_headers_file", path, path)));
  folder_.Write("secret", "hunter3 is no header");
  const absl::Status status = Reload().status();
  EXPECT_FALSE(status.ok());
  std::string told(status.message());
  for (const std::string& line : capture_.Lines()) told += line;
  for (const AuditEvent& event : Audited()) told += event.detail;
  EXPECT_THAT(told, Not(HasSubstr("hunter")));
}

TEST_F(ConfigReloaderTest, SeveralAtATimeFollowOneAnother) {
  Write("log: {level: warn}\n");
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([this] {
      for (int j = 0; j < 5; ++j) {
        EXPECT_TRUE(Reload().ok());
        EXPECT_EQ(Effective("log_level").value, "warn");
        reloader_->read_time();
        reloader_->last_ok();
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(applied_.size(), 20u);
  EXPECT_EQ(metrics_.config_reloads.ok.Value(), 20u);
}

}  // namespace
}  // namespace router
