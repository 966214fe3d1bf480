#include "server/config/settings_table.h"

#include <set>
#include <string>

#include "absl/strings/match.h"
#include "absl/time/time.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/setting_value.h"
#include "server/config/settings_check.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

const SettingSpec& Spec(absl::string_view name) { return *FindSetting(name); }

TEST(SettingsTableTest, HasTheNamesAndDefaultsThatOperatorsRelyOn) {
  const Settings settings = DefaultSettings();
  EXPECT_EQ(settings.nats_reconnect_attempts, 10);
  EXPECT_EQ(settings.nats_reconnect_delay, absl::Seconds(1));
  EXPECT_EQ(settings.nats_max_reconnect_delay, absl::Seconds(30));
  EXPECT_FALSE(settings.nats_fail_open_mode);
  EXPECT_EQ(settings.nats_max_pending_operations, 1000000);
  EXPECT_EQ(settings.transport, "nats");
  EXPECT_EQ(settings.grpc_listen, "127.0.0.1:50051");
  EXPECT_EQ(settings.http_listen, "127.0.0.1:9001");
  EXPECT_THAT(settings.nats_urls, ElementsAre("nats://127.0.0.1:4222"));
  EXPECT_EQ(settings.pending_max_bytes, int64_t{10} << 30);
  EXPECT_EQ(settings.pending_full_policy, "reject");
  EXPECT_EQ(settings.nats_on_exhausted, "keep_queueing");
  EXPECT_EQ(settings.log_level, "info");
  EXPECT_FALSE(settings.enable_fault_injection);
  for (absl::string_view name :
       {"nats_reconnect_attempts", "nats_reconnect_delay_ms", "nats_max_reconnect_delay_ms",
        "nats_fail_open_mode", "nats_max_pending_operations", "config", "transport", "grpc_listen",
        "http_listen", "nats_urls", "pending_dir", "pending_max_bytes", "pending_full_policy",
        "enable_fault_injection"}) {
    EXPECT_NE(FindSetting(name), nullptr) << name;
  }
}

TEST(SettingsTableTest, DefaultsAreAllowedAndDoNotContradictEachOther) {
  for (const SettingSpec& setting : SettingsTable()) {
    Settings settings;
    EXPECT_TRUE(SetValue(setting, setting.default_text, settings)) << setting.name;
  }
  EXPECT_THAT(CheckSettings(DefaultSettings()), IsEmpty());
}

TEST(SettingsTableTest, EverySettingHasItsOwnNameAndMemberAndADescription) {
  std::set<std::string> names;
  const auto table = SettingsTable();
  for (size_t i = 0; i < table.size(); ++i) {
    EXPECT_TRUE(names.insert(std::string(table[i].name)).second) << table[i].name;
    EXPECT_TRUE(absl::EndsWith(table[i].description, ".")) << table[i].name;
    for (size_t j = 0; j < i; ++j) {
      EXPECT_FALSE(table[i].member == table[j].member) << table[i].name << table[j].name;
    }
  }
}

TEST(SettingsTableTest, NamesAreTheSectionAndTheKeyAndSectionsStandTogether) {
  std::set<std::string> sections;
  absl::string_view section;
  for (const SettingSpec& setting : SettingsTable()) {
    if (setting.section != section) {
      section = setting.section;
      EXPECT_TRUE(sections.insert(std::string(section)).second) << section << " stands twice";
    }
    if (!section.empty()) {
      EXPECT_EQ(setting.name, std::string(section) + "_" + std::string(setting.key()));
    }
  }
}

TEST(SettingValueTest, NumbersHaveARange) {
  Settings settings;
  const SettingSpec& attempts = Spec("nats_reconnect_attempts");
  for (absl::string_view allowed : {"-1", "0", "10", "1000000"}) {
    EXPECT_TRUE(SetValue(attempts, allowed, settings)) << allowed;
  }
  EXPECT_EQ(settings.nats_reconnect_attempts, 1000000);
  for (absl::string_view wrong :
       {"-2", "1000001", "", "ten", "1.5", "10KiB", "0x10", "99999999999999999999"}) {
    EXPECT_FALSE(SetValue(attempts, wrong, settings)) << wrong;
  }
  EXPECT_EQ(settings.nats_reconnect_attempts, 1000000);
}

TEST(SettingValueTest, BytesMayHaveAUnit) {
  Settings settings;
  const SettingSpec& bytes = Spec("pending_max_bytes");
  ASSERT_TRUE(SetValue(bytes, "3GiB", settings));
  EXPECT_EQ(settings.pending_max_bytes, int64_t{3} << 30);
  ASSERT_TRUE(SetValue(bytes, "2048 KiB", settings));
  EXPECT_EQ(FormatValue(bytes, settings), "2097152");
  for (absl::string_view wrong : {"3GB", "GiB", "1.5GiB", "9223372036854775807KiB", "1023"}) {
    EXPECT_FALSE(SetValue(bytes, wrong, settings)) << wrong;
  }
}

TEST(SettingValueTest, DurationsAreInMilliseconds) {
  Settings settings;
  ASSERT_TRUE(SetValue(Spec("nats_ack_timeout_ms"), "1500", settings));
  EXPECT_EQ(settings.nats_ack_timeout, absl::Milliseconds(1500));
  EXPECT_EQ(FormatValue(Spec("nats_ack_timeout_ms"), settings), "1500");
  EXPECT_FALSE(SetValue(Spec("nats_ack_timeout_ms"), "1s", settings));
}

TEST(SettingValueTest, ListsAreSeparatedByCommas) {
  Settings settings;
  ASSERT_TRUE(SetValue(Spec("nats_urls"), "nats://a:1, nats://b:2", settings));
  EXPECT_THAT(settings.nats_urls, ElementsAre("nats://a:1", "nats://b:2"));
  EXPECT_EQ(FormatValue(Spec("nats_urls"), settings), "nats://a:1,nats://b:2");
  EXPECT_FALSE(SetValue(Spec("nats_urls"), "nats://a:1,", settings));
  EXPECT_FALSE(SetValue(Spec("nats_urls"), "", settings));
}

TEST(SettingValueTest, ChoicesAndBooleansAreExact) {
  Settings settings;
  EXPECT_TRUE(SetValue(Spec("pending_full_policy"), "drop_oldest", settings));
  EXPECT_FALSE(SetValue(Spec("pending_full_policy"), "Drop_Oldest", settings));
  EXPECT_TRUE(SetValue(Spec("insecure"), "true", settings));
  EXPECT_TRUE(settings.insecure);
  EXPECT_FALSE(SetValue(Spec("insecure"), "yes", settings));
  EXPECT_EQ(AllowedValues(Spec("pending_full_policy")), "one of reject, drop_oldest, block");
  EXPECT_EQ(AllowedValues(Spec("nats_max_pings_out")), "an integer from 1 to 100");
}

}  // namespace
}  // namespace router
