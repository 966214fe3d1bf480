#include "server/services/list_filters.h"

#include <string>

#include "absl/time/time.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"

namespace router {
namespace {

PendingRecord MakeRecord() {
  PendingRecord record;
  record.sequence = 42;
  record.message_id = "mine";
  record.subject = "orders.eu";
  record.ordering_key = "customer-7";
  record.guarantee = Guarantee::kReceived;
  record.accept_time = absl::FromUnixSeconds(1767225600);  // 2026-01-01
  record.size_bytes = 300;
  return record;
}

AuditEvent MakeEvent() {
  AuditEvent event;
  event.id = "a-1";
  event.time = absl::FromUnixSeconds(1767225600);
  event.actor = "ops";
  event.method = "PauseDelivery";
  event.reason = "maintenance";
  event.outcome = "OK";
  event.request_id = "r-1";
  return event;
}

bool Matches(const PendingRecord& record, const std::string& text) {
  const absl::StatusOr<Filter> filter = ParsePendingFilter(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() && PendingMatches(*filter, record);
}

bool Matches(const AuditEvent& event, const std::string& text) {
  const absl::StatusOr<Filter> filter = ParseAuditFilter(text);
  EXPECT_TRUE(filter.ok()) << filter.status();
  return filter.ok() && AuditMatches(*filter, event);
}

TEST(PendingFilterTest, EveryFieldIsItsOwn) {
  const PendingRecord record = MakeRecord();
  for (const char* text :
       {"operation_id=42", "message_id=mine", "subject=orders.eu", "ordering_key=customer-7",
        "guarantee=GUARANTEE_RECEIVED", "accept_time=2026-01-01T00:00:00Z", "size_bytes=300", "",
        "*", "subject:orders AND size_bytes>299 AND accept_time<2027-01-01T00:00:00Z"}) {
    EXPECT_TRUE(Matches(record, text)) << text;
  }
  for (const char* text :
       {"operation_id=41", "message_id=42", "subject=customer-7", "ordering_key=orders.eu",
        "guarantee=GUARANTEE_STORED", "accept_time>2026-01-01T00:00:00Z", "size_bytes<300",
        "subject:orders AND size_bytes=1"}) {
    EXPECT_FALSE(Matches(record, text)) << text;
  }
}

TEST(PendingFilterTest, RefusesUnknownFieldsAndNames) {
  for (const char* text : {"payload=x", "guarantee=STORED", "size_bytes=many", "actor=ops"}) {
    EXPECT_EQ(error::ReasonOf(ParsePendingFilter(text).status()), "FILTER_INVALID") << text;
  }
}

TEST(AuditFilterTest, EveryFieldIsItsOwn) {
  const AuditEvent event = MakeEvent();
  for (const char* text : {"id=a-1", "time=2026-01-01T00:00:00Z", "actor=ops", "method:Pause",
                           "reason=maintenance", "outcome=OK", "request_id=r-1", "*"}) {
    EXPECT_TRUE(Matches(event, text)) << text;
  }
  for (const char* text : {"id=r-1", "time>2026-01-01T00:00:00Z", "actor=OK", "method=ops",
                           "reason=ops", "outcome=ops", "request_id=a-1"}) {
    EXPECT_FALSE(Matches(event, text)) << text;
  }
}

TEST(AuditFilterTest, RefusesFieldsOfOtherLists) {
  EXPECT_EQ(error::ReasonOf(ParseAuditFilter("subject=x").status()), "FILTER_INVALID");
}

}  // namespace
}  // namespace router
