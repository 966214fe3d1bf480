#include "server/audit/audit_event.h"

#include <algorithm>
#include <string>

#include "gtest/gtest.h"

namespace router {
namespace {

AuditEvent MakeEvent() {
  AuditEvent event;
  event.id = MakeAuditId(42);
  event.time = absl::FromUnixMicros(1767225600123456);
  event.actor = "operator ipv4:127.0.0.1:5";
  event.method = "SetFailOpenMode";
  event.reason = "broker moves\nto \"new\" rack \\ caf\xC3\xA9";
  event.detail = "off -> on";
  event.outcome = "OK";
  event.request_id = "r-1";
  return event;
}

TEST(AuditEventTest, LineHoldsAllOfIt) {
  const AuditEvent event = MakeEvent();
  std::string line = ToJsonLine(event);
  ASSERT_EQ(line.back(), '\n');
  line.pop_back();
  EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 0);
  const absl::optional<AuditEvent> back = FromJsonLine(line);
  ASSERT_TRUE(back.has_value());
  EXPECT_EQ(back->id, event.id);
  EXPECT_EQ(back->time, event.time);
  EXPECT_EQ(back->actor, event.actor);
  EXPECT_EQ(back->method, event.method);
  EXPECT_EQ(back->reason, event.reason);
  EXPECT_EQ(back->detail, event.detail);
  EXPECT_EQ(back->outcome, event.outcome);
  EXPECT_EQ(back->request_id, event.request_id);
}

TEST(AuditEventTest, LineReadsWellForPeople) {
  EXPECT_EQ(ToJsonLine(MakeEvent())
                .rfind("{\"id\":\"00000000000000000042\",\"time\":"
                       "\"2026-01-01T00:00:00.123456Z\",\"actor\":\"operator",
                       0),
            0u)
      << ToJsonLine(MakeEvent());
}

TEST(AuditEventTest, WhatIsNoEventIsNone) {
  const std::string line = ToJsonLine(MakeEvent());
  for (size_t size = 0; size + 2 < line.size(); ++size) {
    EXPECT_FALSE(FromJsonLine(line.substr(0, size)).has_value()) << size;
  }
  for (const char* other :
       {"{}", "[]", "7", "null", "{\"id\":7}", "{\"id\":\"00000000000000000042\"}",
        "{\"id\":\"42\",\"time\":\"2026-01-01T00:00:00Z\"}",
        "{\"id\":\"00000000000000000042\",\"time\":\"yesterday\"}",
        "{\"id\":\"99999999999999999999\",\"time\":\"2026-01-01T00:00:00Z\"}"}) {
    EXPECT_FALSE(FromJsonLine(other).has_value()) << other;
  }
  EXPECT_FALSE(FromJsonLine(std::string(100000, '[')).has_value());
}

TEST(AuditEventTest, IdsAreOrderedAsText) {
  EXPECT_LT(MakeAuditId(9), MakeAuditId(10));
  EXPECT_LT(MakeAuditId(999), MakeAuditId(18446744073709551615u));
  EXPECT_EQ(ParseAuditId(MakeAuditId(18446744073709551615u)), 18446744073709551615u);
  EXPECT_FALSE(ParseAuditId("").has_value());
  EXPECT_FALSE(ParseAuditId("0000000000000000004x").has_value());
  EXPECT_FALSE(ParseAuditId("                  42").has_value()) << "it comes before 0 as text";
  EXPECT_FALSE(ParseAuditId("+0000000000000000042").has_value());
}

TEST(AuditEventTest, BytesThatAreNotUtf8AreReplaced) {
  AuditEvent event = MakeEvent();
  event.reason = "a\xFFz";
  std::string line = ToJsonLine(event);
  line.pop_back();
  EXPECT_EQ(FromJsonLine(line)->reason, "a\xEF\xBF\xBDz");
}

}  // namespace
}  // namespace router
