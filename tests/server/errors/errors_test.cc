#include "server/errors/errors.h"

#include <map>
#include <string>
#include <vector>

#include "absl/strings/cord.h"
#include "absl/strings/match.h"
#include "google/rpc/error_details.pb.h"
#include "gtest/gtest.h"
#include "server/base/utf8.h"

namespace router {
namespace error {
namespace {

template <typename Detail>
bool GetDetail(const absl::Status& status, const char* type_url, Detail* detail) {
  const absl::optional<absl::Cord> payload = status.GetPayload(type_url);
  return payload.has_value() && detail->ParseFromString(std::string(*payload));
}

std::map<std::string, std::string> VariablesOf(const absl::Status& status) {
  google::rpc::ErrorInfo info;
  EXPECT_TRUE(GetDetail(status, kErrorInfoUrl, &info)) << status;
  return {info.metadata().begin(), info.metadata().end()};
}

std::string FieldOf(const absl::Status& status) {
  google::rpc::BadRequest bad_request;
  if (!GetDetail(status, kBadRequestUrl, &bad_request)) return "";
  EXPECT_EQ(bad_request.field_violations_size(), 1);
  EXPECT_EQ(bad_request.field_violations(0).description(), status.message());
  return bad_request.field_violations(0).field();
}

bool HelpsToRetry(const absl::Status& status) {
  google::rpc::RetryInfo retry;
  if (!GetDetail(status, kRetryInfoUrl, &retry)) return false;
  EXPECT_GT(retry.retry_delay().seconds() * 1000000000 + retry.retry_delay().nanos(), 0);
  return true;
}

struct Expected {
  absl::Status status;
  absl::StatusCode code;
  std::string reason;
  std::string field;  // Empty: the input is not at fault.
  bool retry = false;
  std::vector<std::string> variables;
};

std::vector<Expected> Vocabulary() {
  using C = absl::StatusCode;
  return {
      {SubjectInvalid("a b", "why"),
       C::kInvalidArgument,
       "SUBJECT_INVALID",
       "subject",
       false,
       {"subject", "why"}},
      {SubjectReserved("$JS.x"),
       C::kPermissionDenied,
       "SUBJECT_RESERVED",
       "subject",
       false,
       {"subject"}},
      {HeaderInvalid("k", "why"),
       C::kInvalidArgument,
       "HEADER_INVALID",
       "headers",
       false,
       {"header", "why"}},
      {MessageIdInvalid("m", "why"),
       C::kInvalidArgument,
       "MESSAGE_ID_INVALID",
       "message_id",
       false,
       {"message_id", "why"}},
      {MessageIdConflict("m"),
       C::kAlreadyExists,
       "MESSAGE_ID_CONFLICT",
       "message_id",
       false,
       {"message_id"}},
      {OrderingKeyInvalid("k", "why"),
       C::kInvalidArgument,
       "ORDERING_KEY_INVALID",
       "ordering_key",
       false,
       {"ordering_key", "why"}},
      {TtlInvalid("why"), C::kInvalidArgument, "TTL_INVALID", "ttl", false, {"why"}},
      {GuaranteeInvalid(7),
       C::kInvalidArgument,
       "GUARANTEE_INVALID",
       "guarantee",
       false,
       {"guarantee"}},
      {PayloadTooLarge(11, 10),
       C::kInvalidArgument,
       "PAYLOAD_TOO_LARGE",
       "payload",
       false,
       {"size_bytes", "size_bytes_max"}},
      {BatchInvalid(0, 10),
       C::kInvalidArgument,
       "BATCH_INVALID",
       "messages",
       false,
       {"message_count", "message_count_max"}},
      {ConfigInvalid({"a.yaml:1:1: wrong", "--b: wrong too"}),
       C::kInvalidArgument,
       "CONFIG_INVALID",
       "",
       false,
       {"errors"}},
      {TooManyFields(640000),
       C::kInvalidArgument,
       "BATCH_INVALID",
       "messages",
       false,
       {"field_count_max"}},
      {RequestInvalid(), C::kInvalidArgument, "REQUEST_INVALID", "", false, {}},
      {FrameInvalid(), C::kInvalidArgument, "FRAME_INVALID", "", false, {}},
      {NoStreamForSubject("a"),
       C::kFailedPrecondition,
       "NO_STREAM_FOR_SUBJECT",
       "",
       false,
       {"subject"}},
      {BrokerRefused("a", "why"),
       C::kFailedPrecondition,
       "BROKER_REFUSED",
       "",
       false,
       {"subject", "why"}},
      {PendingQueueFull(1, 2, 3, 4),
       C::kResourceExhausted,
       "PENDING_QUEUE_FULL",
       "",
       true,
       {"count", "count_max", "bytes", "bytes_max"}},
      {WindowFull(1, 2),
       C::kResourceExhausted,
       "WINDOW_FULL",
       "",
       true,
       {"waiting_bytes", "bytes_max"}},
      {SpoolFull("why"), C::kResourceExhausted, "SPOOL_FULL", "", true, {"why"}},
      {SpoolIoError("why"), C::kUnavailable, "SPOOL_IO_ERROR", "", true, {"why"}},
      {Draining(), C::kUnavailable, "DRAINING", "", true, {}},
      {DeadlineExceeded(), C::kDeadlineExceeded, "DEADLINE_EXCEEDED", "", false, {}},
      {CredentialsMissing(), C::kUnauthenticated, "CREDENTIALS_MISSING", "", false, {}},
      {CredentialsInvalid(), C::kUnauthenticated, "CREDENTIALS_INVALID", "", false, {}},
      {CertificateHasNoName(), C::kUnauthenticated, "CREDENTIALS_INVALID", "", false, {}},
      {CredentialsExpired(), C::kUnauthenticated, "CREDENTIALS_EXPIRED", "", false, {}},
      {IdentityUnknown("i"), C::kUnauthenticated, "IDENTITY_UNKNOWN", "", false, {"identity"}},
      {MethodNotAllowed("i", "m", "r"),
       C::kPermissionDenied,
       "METHOD_NOT_ALLOWED",
       "",
       false,
       {"identity", "method", "role"}},
      {SubjectNotAllowed("i", "s"),
       C::kPermissionDenied,
       "SUBJECT_NOT_ALLOWED",
       "subject",
       false,
       {"identity", "subject"}},
      {PayloadsNotAllowed("i", "m"),
       C::kPermissionDenied,
       "PAYLOADS_NOT_ALLOWED",
       "view",
       false,
       {"identity", "method"}},
      {NatsUnavailable("why"), C::kFailedPrecondition, "NATS_UNAVAILABLE", "", true, {"why"}},
      {EtagMismatch("1", "2"), C::kAborted, "ETAG_MISMATCH", "", false, {"etag", "current_etag"}},
      {OperationNotFound(7), C::kNotFound, "OPERATION_NOT_FOUND", "", false, {"operation_id"}},
      {StateIoError("why"), C::kUnavailable, "STATE_IO_ERROR", "", true, {"why"}},
      {AuditIncomplete("1", "r", "why"),
       C::kDataLoss,
       "AUDIT_INCOMPLETE",
       "",
       false,
       {"begin_event_id", "result", "why"}},
      {ReasonRequired(9),
       C::kInvalidArgument,
       "REASON_REQUIRED",
       "reason",
       false,
       {"size_bytes_max"}},
      {RequestIdInvalid(9),
       C::kInvalidArgument,
       "REQUEST_ID_INVALID",
       "request_id",
       false,
       {"size_bytes_max"}},
      {ExpireTimeInvalid("why"),
       C::kInvalidArgument,
       "EXPIRE_TIME_INVALID",
       "expire_time",
       false,
       {"why"}},
      {FilterRequired(), C::kInvalidArgument, "FILTER_REQUIRED", "filter", false, {}},
      {FilterInvalid(3, "why"),
       C::kInvalidArgument,
       "FILTER_INVALID",
       "filter",
       false,
       {"column", "why"}},
      {PageSizeInvalid(-1),
       C::kInvalidArgument,
       "PAGE_SIZE_INVALID",
       "page_size",
       false,
       {"page_size"}},
      {PageTokenInvalid(), C::kInvalidArgument, "PAGE_TOKEN_INVALID", "page_token", false, {}},
      {FaultInvalid("kind", "why"),
       C::kInvalidArgument,
       "FAULT_INVALID",
       "fault.kind",
       false,
       {"field", "why"}},
      {FieldInvalid("f", "why"),
       C::kInvalidArgument,
       "FIELD_INVALID",
       "f",
       false,
       {"field", "why"}},
  };
}

TEST(ErrorsTest, EachHasItsCodeReasonFieldAndRetry) {
  for (const Expected& expected : Vocabulary()) {
    SCOPED_TRACE(expected.reason);
    EXPECT_EQ(expected.status.code(), expected.code);
    EXPECT_EQ(ReasonOf(expected.status), expected.reason);
    EXPECT_EQ(FieldOf(expected.status), expected.field);
    EXPECT_EQ(HelpsToRetry(expected.status), expected.retry);
  }
}

TEST(ErrorsTest, EveryVariableOfTheMessageIsMetadata) {
  for (const Expected& expected : Vocabulary()) {
    SCOPED_TRACE(expected.reason);
    const auto variables = VariablesOf(expected.status);
    EXPECT_EQ(variables.size(), expected.variables.size());
    for (const std::string& name : expected.variables) {
      ASSERT_EQ(variables.count(name), 1u) << name;
      if (name == "field") continue;  // Part of the words in front.
      EXPECT_TRUE(absl::StrContains(expected.status.message(), variables.at(name))) << name;
    }
  }
}

TEST(ErrorsTest, TheDomainIsRouter) {
  google::rpc::ErrorInfo info;
  ASSERT_TRUE(GetDetail(Draining(), kErrorInfoUrl, &info));
  EXPECT_EQ(info.domain(), "router");
}

TEST(ErrorsTest, HostileBytesAreEscapedInMessagesAndVariables) {
  const std::string hostile("a\r\nPUB x 0\x1b[31m\x00\xff", 17);
  for (const absl::Status& status :
       {SubjectInvalid(hostile, hostile), SubjectReserved(hostile), HeaderInvalid(hostile, hostile),
        MessageIdInvalid(hostile, hostile), MessageIdConflict(hostile),
        OrderingKeyInvalid(hostile, hostile), NoStreamForSubject(hostile),
        BrokerRefused(hostile, hostile), EtagMismatch(hostile, hostile), FilterInvalid(1, hostile),
        SpoolIoError(hostile), FaultInvalid(hostile, hostile), FieldInvalid(hostile, hostile)}) {
    std::string shown(status.message());
    for (const auto& [name, value] : VariablesOf(status)) shown += value;
    shown += FieldOf(status);
    for (const char c : shown) {
      EXPECT_TRUE(c >= ' ' && c < 0x7F) << status << " has byte " << static_cast<int>(c);
    }
  }
}

TEST(ErrorsTest, MegabytesAreCut) {
  const std::string huge(1 << 20, 'x');
  for (const absl::Status& status :
       {SubjectInvalid(huge, huge), HeaderInvalid(huge, huge), BrokerRefused(huge, huge)}) {
    EXPECT_LT(status.message().size(), 1024u);
    for (const auto& [name, value] : VariablesOf(status)) EXPECT_LE(value.size(), 255u) << name;
  }
}

TEST(ErrorsTest, TextBeyondAsciiIsKeptInVariables) {
  EXPECT_EQ(VariablesOf(NoStreamForSubject("caf\xc3\xa9")).at("subject"), "caf\xc3\xa9");
  std::string long_subject;
  for (int i = 0; i < 200; ++i) long_subject += "\xc3\xa9";
  const std::string variable = VariablesOf(NoStreamForSubject(long_subject)).at("subject");
  EXPECT_EQ(variable.size(), 254u) << "no character is cut in two";
  EXPECT_TRUE(IsUtf8(variable));
}

TEST(ErrorsTest, QuotesOfTheCallerDoNotEndTheQuotedPart) {
  EXPECT_TRUE(absl::StrContains(SubjectReserved("a\" is fine").message(), "\"a\\\" is fine\""));
}

TEST(ErrorsTest, RetryDelayMayBeShorterThanASecond) {
  google::rpc::RetryInfo retry;
  ASSERT_TRUE(GetDetail(WindowFull(1, 2), kRetryInfoUrl, &retry));
  EXPECT_EQ(retry.retry_delay().seconds(), 0);
  EXPECT_EQ(retry.retry_delay().nanos(), 100000000);
}

TEST(ErrorsTest, StatusesMadeElsewhereHaveNoReason) {
  EXPECT_EQ(ReasonOf(absl::OkStatus()), "");
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), "");
  absl::Status broken = absl::InternalError("x");
  broken.SetPayload(kErrorInfoUrl, absl::Cord("\xff\xff"));
  EXPECT_EQ(ReasonOf(broken), "");
}

TEST(ErrorsTest, PrintableMarksWhereItCut) {
  EXPECT_EQ(Printable("abcd", 4), "abcd");
  EXPECT_EQ(Printable("abcde", 4), "abcd...");
  EXPECT_EQ(Printable(absl::string_view("\0\n", 2), 4), "\\x00\\n");
}

TEST(ErrorsTest, ManyErrorsOfAConfigurationFitIntoTheTrailersOfACall) {
  const std::vector<std::string> lines(100, std::string(600, 'x'));
  const absl::Status status = ConfigInvalid(lines);
  EXPECT_LT(status.message().size(), 2800u);
  EXPECT_TRUE(absl::StrContains(status.message(), "has 100 errors"));
  EXPECT_TRUE(absl::StrContains(status.message(), "and 96 more")) << status;
}

}  // namespace
}  // namespace error
}  // namespace router
