#include "server/errors/errors.h"

#include <initializer_list>
#include <string>
#include <utility>

#include "absl/strings/cord.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "google/rpc/error_details.pb.h"
#include "server/base/utf8.h"

namespace router {
namespace error {
namespace {

using absl::StatusCode;

// Most bytes of an outside text in a message for people, and in a variable for programs.
constexpr size_t kShownBytesMax = 128;
constexpr size_t kWhyBytesMax = 512;
constexpr size_t kVariableBytesMax = 255;
constexpr size_t kConfigErrorsBytesMax = 2000;

std::string Quoted(absl::string_view text) {
  return absl::StrCat("\"", Printable(text, kShownBytesMax), "\"");
}

bool HasControlCharacter(absl::string_view text) {
  for (const char c : text) {
    if (static_cast<unsigned char>(c) < 0x20 || c == 0x7F) return true;
  }
  return false;
}

// What programs get: as it is, where it is text.
std::string VariableText(absl::string_view text, size_t bytes_max = kVariableBytesMax) {
  const absl::string_view shown = CutUtf8(text, bytes_max);
  if (IsUtf8(shown) && !HasControlCharacter(shown)) return std::string(shown);
  return Printable(shown, bytes_max / 4);  // A byte becomes up to four.
}

struct Variable {
  Variable(absl::string_view name, absl::string_view value)
      : name(name), value(VariableText(value)) {}
  Variable(absl::string_view name, int64_t value) : name(name), value(absl::StrCat(value)) {}

  absl::string_view name;
  std::string value;
};

// One error as it comes into being: converts to the status.
class Error {
 public:
  Error(StatusCode code, absl::string_view reason, absl::string_view message,
        std::initializer_list<Variable> variables = {})
      : status_(code, message) {
    google::rpc::ErrorInfo info;
    info.set_reason(std::string(reason));
    info.set_domain(kDomain);
    for (const Variable& variable : variables) {
      (*info.mutable_metadata())[std::string(variable.name)] = variable.value;
    }
    status_.SetPayload(kErrorInfoUrl, absl::Cord(info.SerializeAsString()));
  }

  Error&& RetryAfter(absl::Duration delay) && {
    google::rpc::RetryInfo retry;
    absl::Duration rest;
    retry.mutable_retry_delay()->set_seconds(absl::IDivDuration(delay, absl::Seconds(1), &rest));
    retry.mutable_retry_delay()->set_nanos(static_cast<int32_t>(absl::ToInt64Nanoseconds(rest)));
    status_.SetPayload(kRetryInfoUrl, absl::Cord(retry.SerializeAsString()));
    return std::move(*this);
  }

  // The input at fault; its description is the message.
  Error&& InField(absl::string_view field) && {
    google::rpc::BadRequest bad_request;
    google::rpc::BadRequest::FieldViolation* violation = bad_request.add_field_violations();
    violation->set_field(std::string(field));
    violation->set_description(std::string(status_.message()));
    status_.SetPayload(kBadRequestUrl, absl::Cord(bad_request.SerializeAsString()));
    return std::move(*this);
  }

  operator absl::Status() && { return std::move(status_); }  // NOLINT: meant to be implicit.

 private:
  absl::Status status_;
};

std::string Why(absl::string_view why) { return Printable(why, kWhyBytesMax); }

}  // namespace

std::string Printable(absl::string_view text, size_t bytes_max) {
  return absl::StrCat(absl::CHexEscape(text.substr(0, bytes_max)),
                      text.size() > bytes_max ? "..." : "");
}

std::string ReasonOf(const absl::Status& status) {
  const absl::optional<absl::Cord> payload = status.GetPayload(kErrorInfoUrl);
  google::rpc::ErrorInfo info;
  if (!payload.has_value() || !info.ParseFromString(std::string(*payload))) return "";
  return info.reason();
}

absl::Status SubjectInvalid(absl::string_view subject, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "SUBJECT_INVALID",
               absl::StrCat("subject ", Quoted(subject), " is not valid: ", Why(why)),
               {{"subject", subject}, {"why", why}})
      .InField("subject");
}

absl::Status SubjectReserved(absl::string_view subject) {
  return Error(StatusCode::kPermissionDenied, "SUBJECT_RESERVED",
               absl::StrCat("subject ", Quoted(subject),
                            " is reserved for the broker: publish to one that does not start with "
                            "`$`, `_INBOX.` or `_R_.`"),
               {{"subject", subject}})
      .InField("subject");
}

absl::Status HeaderInvalid(absl::string_view key, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "HEADER_INVALID",
               absl::StrCat("header ", Quoted(key), " is not valid: ", Why(why)),
               {{"header", key}, {"why", why}})
      .InField("headers");
}

absl::Status MessageIdInvalid(absl::string_view message_id, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "MESSAGE_ID_INVALID",
               absl::StrCat("message_id ", Quoted(message_id), " is not valid: ", Why(why)),
               {{"message_id", message_id}, {"why", why}})
      .InField("message_id");
}

absl::Status MessageIdConflict(absl::string_view message_id) {
  return Error(StatusCode::kAlreadyExists, "MESSAGE_ID_CONFLICT",
               absl::StrCat("message_id ", Quoted(message_id),
                            " was used for another message a short while ago: give each message an "
                            "id of its own, and repeat one only with the same content"),
               {{"message_id", message_id}})
      .InField("message_id");
}

absl::Status OrderingKeyInvalid(absl::string_view ordering_key, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "ORDERING_KEY_INVALID",
               absl::StrCat("ordering_key ", Quoted(ordering_key), " is not valid: ", Why(why)),
               {{"ordering_key", ordering_key}, {"why", why}})
      .InField("ordering_key");
}

absl::Status TtlInvalid(absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "TTL_INVALID",
               absl::StrCat("ttl is not valid: ", Why(why)), {{"why", why}})
      .InField("ttl");
}

absl::Status GuaranteeInvalid(int guarantee) {
  return Error(
             StatusCode::kInvalidArgument, "GUARANTEE_INVALID",
             absl::StrCat("guarantee ", guarantee,
                          " is not known: use GUARANTEE_STORED or GUARANTEE_RECEIVED, or leave it "
                          "out for the default"),
             {{"guarantee", guarantee}})
      .InField("guarantee");
}

absl::Status PayloadTooLarge(int64_t size_bytes, int64_t size_bytes_max) {
  return Error(StatusCode::kInvalidArgument, "PAYLOAD_TOO_LARGE",
               absl::StrCat("payload and headers (the router's own `Nats-Msg-Id` included) take ",
                            size_bytes, " bytes, and at most ", size_bytes_max,
                            " are taken: send less, or raise publish_max_message_bytes and the "
                            "broker's max_payload"),
               {{"size_bytes", size_bytes}, {"size_bytes_max", size_bytes_max}})
      .InField("payload");
}

absl::Status BatchInvalid(int64_t message_count, int64_t message_count_max) {
  return Error(StatusCode::kInvalidArgument, "BATCH_INVALID",
               absl::StrCat("a request takes 1 to ", message_count_max,
                            " messages, and this one has ", message_count),
               {{"message_count", message_count}, {"message_count_max", message_count_max}})
      .InField("messages");
}

absl::Status TooManyFields(int64_t field_count_max) {
  return Error(StatusCode::kInvalidArgument, "BATCH_INVALID",
               absl::StrCat("the messages of a request have up to ", field_count_max,
                            " fields and headers together, and these have more"),
               {{"field_count_max", field_count_max}})
      .InField("messages");
}

absl::Status RequestInvalid() {
  return Error(
      StatusCode::kInvalidArgument, "REQUEST_INVALID",
      "the request is not the message of router.v1 that this method takes, or a text in it "
      "is not UTF-8: nothing of it was taken");
}

absl::Status FrameInvalid() {
  return Error(StatusCode::kInvalidArgument, "FRAME_INVALID",
               "a frame of the stream is no router.v1.PublishStreamRequest, or a text in it is not "
               "UTF-8: nothing of it was taken, and the frames before it have their answers");
}

absl::Status NoStreamForSubject(absl::string_view subject) {
  return Error(StatusCode::kFailedPrecondition, "NO_STREAM_FOR_SUBJECT",
               absl::StrCat("no JetStream stream takes subject ", Quoted(subject),
                            ": create one that does, or publish with GUARANTEE_RECEIVED"),
               {{"subject", subject}});
}

absl::Status BrokerRefused(absl::string_view subject, absl::string_view why) {
  return Error(StatusCode::kFailedPrecondition, "BROKER_REFUSED",
               absl::StrCat("the broker refused a message on subject ", Quoted(subject),
                            " for good: ", Why(why)),
               {{"subject", subject}, {"why", why}});
}

absl::Status PendingQueueFull(int64_t count, int64_t count_max, int64_t bytes, int64_t bytes_max) {
  return Error(StatusCode::kResourceExhausted, "PENDING_QUEUE_FULL",
               absl::StrCat("the pending queue is full: ", count, " of ", count_max,
                            " operations, ", bytes, " of ", bytes_max,
                            " bytes; try again when the broker is back and the queue is shorter"),
               {{"count", count},
                {"count_max", count_max},
                {"bytes", bytes},
                {"bytes_max", bytes_max}})
      .RetryAfter(absl::Seconds(1));
}

absl::Status TooManyWatches(int watches_max) {
  return Error(
             StatusCode::kResourceExhausted, "TOO_MANY_WATCHES",
             absl::StrCat("at most ", watches_max,
                          " callers can watch the status at a time; use GetStatus, or end a watch"),
             {{"watches_max", watches_max}})
      .RetryAfter(absl::Seconds(10));
}

absl::Status WindowFull(int64_t waiting_bytes, int64_t bytes_max) {
  return Error(
             StatusCode::kResourceExhausted, "WINDOW_FULL",
             absl::StrCat("messages are coming faster than the broker takes them: ", waiting_bytes,
                          " of ", bytes_max, " bytes are waiting in memory; slow down"),
             {{"waiting_bytes", waiting_bytes}, {"bytes_max", bytes_max}})
      .RetryAfter(absl::Milliseconds(100));
}

absl::Status ClientInFlightLimited(absl::string_view what, int64_t in_flight, int64_t max,
                                   absl::Duration retry_after) {
  return Error(StatusCode::kResourceExhausted, "CLIENT_IN_FLIGHT_LIMIT",
               absl::StrCat("this client has ", in_flight, " ", what, " in flight and may have ",
                            max, "; wait for answers before publishing more"),
               {{"what", what}, {"in_flight", in_flight}, {"max", max}})
      .RetryAfter(retry_after);
}

absl::Status ClientRateLimited(int64_t messages_per_second, absl::Duration retry_after) {
  return Error(StatusCode::kResourceExhausted, "CLIENT_RATE_LIMIT",
               absl::StrCat("this client may publish ", messages_per_second,
                            " messages per second; slow down"),
               {{"messages_per_second", messages_per_second}})
      .RetryAfter(retry_after);
}

absl::Status ClientAdminCallsLimited(int64_t calls_max, absl::Duration retry_after) {
  return Error(StatusCode::kResourceExhausted, "CLIENT_ADMIN_CALLS_LIMIT",
               absl::StrCat("this client may have ", calls_max,
                            " calls of administration at a time; read the answers, or end some"),
               {{"calls_max", calls_max}})
      .RetryAfter(retry_after);
}

absl::Status InFlightLimited(int64_t bytes, int64_t bytes_max, absl::Duration retry_after) {
  return Error(StatusCode::kResourceExhausted, "IN_FLIGHT_LIMIT",
               absl::StrCat("all clients together have ", bytes, " bytes in flight and may have ",
                            bytes_max, "; try again later"),
               {{"bytes", bytes}, {"bytes_max", bytes_max}})
      .RetryAfter(retry_after);
}

absl::Status SpoolFull(absl::string_view why) {
  return Error(StatusCode::kResourceExhausted, "SPOOL_FULL",
               absl::StrCat("the message cannot be kept, the disk is full: ", Why(why)),
               {{"why", why}})
      .RetryAfter(absl::Seconds(5));
}

absl::Status SpoolIoError(absl::string_view why) {
  return Error(StatusCode::kUnavailable, "SPOOL_IO_ERROR",
               absl::StrCat("the pending queue could not be read or written: ", Why(why)),
               {{"why", why}})
      .RetryAfter(absl::Seconds(1));
}

absl::Status Draining() {
  return Error(StatusCode::kUnavailable, "DRAINING",
               "the router is shutting down and takes nothing more: use another one, or try again "
               "when it is back")
      .RetryAfter(absl::Seconds(1));
}

absl::Status DeadlineExceeded() {
  return Error(StatusCode::kDeadlineExceeded, "DEADLINE_EXCEEDED",
               "the deadline passed before the message was delivered or queued: allow more time, "
               "and publish again with the same message_id");
}

absl::Status CredentialsMissing() {
  return Error(StatusCode::kUnauthenticated, "CREDENTIALS_MISSING",
               "show a client certificate, or a token in the header `authorization: Bearer …`");
}

absl::Status CredentialsInvalid() {
  return Error(StatusCode::kUnauthenticated, "CREDENTIALS_INVALID",
               "the token or the name in the client certificate is not valid here: the router's "
               "log says why");
}

absl::Status CertificateHasNoName() {
  return Error(StatusCode::kUnauthenticated, "CREDENTIALS_INVALID",
               "the client certificate names nobody: it needs a URI or a DNS name as its subject "
               "alternative name; its common name does not count");
}

absl::Status CredentialsExpired() {
  return Error(StatusCode::kUnauthenticated, "CREDENTIALS_EXPIRED",
               "the token has expired: get a new one");
}

absl::Status IdentityUnknown(absl::string_view identity) {
  return Error(StatusCode::kUnauthenticated, "IDENTITY_UNKNOWN",
               absl::StrCat("nothing is known here of ", Quoted(identity),
                            ": it has to be in the router's access_file"),
               {{"identity", identity}});
}

absl::Status MethodNotAllowed(absl::string_view identity, absl::string_view method,
                              absl::string_view role) {
  return Error(
      StatusCode::kPermissionDenied, "METHOD_NOT_ALLOWED",
      absl::StrCat(Quoted(identity), " may not call ", method, ", which needs the role ", role),
      {{"identity", identity}, {"method", method}, {"role", role}});
}

absl::Status SubjectNotAllowed(absl::string_view identity, absl::string_view subject) {
  return Error(StatusCode::kPermissionDenied, "SUBJECT_NOT_ALLOWED",
               absl::StrCat(Quoted(identity), " may not publish to subject ", Quoted(subject)),
               {{"identity", identity}, {"subject", subject}})
      .InField("subject");
}

absl::Status PayloadsNotAllowed(absl::string_view identity, absl::string_view method) {
  return Error(StatusCode::kPermissionDenied, "PAYLOADS_NOT_ALLOWED",
               absl::StrCat(Quoted(identity), " may call ", method,
                            " in the BASIC view only: it may not see payloads"),
               {{"identity", identity}, {"method", method}})
      .InField("view");
}

absl::Status NatsUnavailable(absl::string_view why) {
  return Error(StatusCode::kFailedPrecondition, "NATS_UNAVAILABLE",
               absl::StrCat("there is no connection to the broker",
                            why.empty() ? "" : absl::StrCat(" (", Why(why), ")"),
                            ": try again when it is back"),
               {{"why", why}})
      .RetryAfter(absl::Seconds(1));
}

absl::Status EtagMismatch(absl::string_view etag, absl::string_view current_etag) {
  return Error(StatusCode::kAborted, "ETAG_MISMATCH",
               absl::StrCat("etag ", Quoted(etag), " is out of date, it is now ",
                            Quoted(current_etag), ": look at the present state and decide again"),
               {{"etag", etag}, {"current_etag", current_etag}});
}

absl::Status OperationNotFound(uint64_t operation_id) {
  return Error(
      StatusCode::kNotFound, "OPERATION_NOT_FOUND",
      absl::StrCat("operation ", operation_id,
                   " is not in the pending queue: it was never there, or has been delivered "
                   "or removed"),
      {{"operation_id", absl::StrCat(operation_id)}});
}

absl::Status DeadLetterNotFound(uint64_t operation_id) {
  return Error(StatusCode::kNotFound, "DEAD_LETTER_NOT_FOUND",
               absl::StrCat("operation ", operation_id,
                            " is not among the dead letters: it never was, or has been redriven or "
                            "purged"),
               {{"operation_id", absl::StrCat(operation_id)}});
}

absl::Status HealthServiceUnknown(absl::string_view service) {
  return Error(
      StatusCode::kNotFound, "HEALTH_SERVICE_UNKNOWN",
      absl::StrCat("there is no health of ", Quoted(service),
                   ": ask for \"\", \"readiness\", \"liveness\", \"spool\" or a service by "
                   "its full name"),
      {{"service", service}});
}

absl::Status RedriveRateLimited(int64_t per_second, absl::Duration retry_after) {
  return Error(StatusCode::kResourceExhausted, "REDRIVE_RATE_LIMITED",
               absl::StrCat("at most ", per_second,
                            " dead letters are redriven per second (redrive_rate_per_second): "
                            "call again for the rest"),
               {{"per_second", per_second}})
      .RetryAfter(retry_after);
}

absl::Status StateIoError(absl::string_view why) {
  return Error(StatusCode::kUnavailable, "STATE_IO_ERROR",
               absl::StrCat("the router's own state could not be read or written: ", Why(why)),
               {{"why", why}})
      .RetryAfter(absl::Seconds(1));
}

absl::Status AuditIncomplete(absl::string_view begin_event_id, absl::string_view result,
                             absl::string_view why) {
  return Error(StatusCode::kDataLoss, "AUDIT_INCOMPLETE",
               absl::StrCat("the change was made (", result,
                            "), but the audit log has only that it was begun, in event ",
                            begin_event_id, ": ", Why(why)),
               {{"begin_event_id", begin_event_id}, {"result", result}, {"why", why}});
}

absl::Status ReasonRequired(int64_t size_bytes_max) {
  return Error(StatusCode::kInvalidArgument, "REASON_REQUIRED",
               absl::StrCat("say in `reason`, in 1 to ", size_bytes_max,
                            " bytes, why you make this change"),
               {{"size_bytes_max", size_bytes_max}})
      .InField("reason");
}

absl::Status RequestIdInvalid(int64_t size_bytes_max) {
  return Error(StatusCode::kInvalidArgument, "REQUEST_ID_INVALID",
               absl::StrCat("request_id may have at most ", size_bytes_max, " bytes"),
               {{"size_bytes_max", size_bytes_max}})
      .InField("request_id");
}

absl::Status ExpireTimeInvalid(absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "EXPIRE_TIME_INVALID",
               absl::StrCat("expire_time is not valid: ", Why(why)), {{"why", why}})
      .InField("expire_time");
}

absl::Status FilterRequired() {
  return Error(StatusCode::kInvalidArgument, "FILTER_REQUIRED",
               "say in `filter` what is meant, or `*` for everything")
      .InField("filter");
}

absl::Status FilterInvalid(int64_t column, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "FILTER_INVALID",
               absl::StrCat("filter, column ", column, ": ", Why(why)),
               {{"column", column}, {"why", why}})
      .InField("filter");
}

absl::Status PageSizeInvalid(int64_t page_size) {
  return Error(StatusCode::kInvalidArgument, "PAGE_SIZE_INVALID",
               absl::StrCat("page_size ", page_size,
                            " is negative: use 1 to 1000, or leave it out for 100"),
               {{"page_size", page_size}})
      .InField("page_size");
}

absl::Status PageTokenInvalid() {
  return Error(StatusCode::kInvalidArgument, "PAGE_TOKEN_INVALID",
               "page_token is not one that this method returned for this filter: start again "
               "without one")
      .InField("page_token");
}

absl::Status ConfigInvalid(absl::Span<const std::string> errors) {
  const auto count = static_cast<int64_t>(errors.size());
  std::string shown;
  for (int64_t i = 0; i < count; ++i) {
    // Trailers of a call have room for 8 KB, and a status is in them twice.
    if (shown.size() > kConfigErrorsBytesMax) {
      absl::StrAppend(&shown, "; and ", count - i, " more: routerd --check-config shows them all");
      break;
    }
    absl::StrAppend(&shown, i == 0 ? "" : "; ", "(", i + 1, ") ",
                    VariableText(errors[i], kWhyBytesMax));
  }
  return Error(StatusCode::kInvalidArgument, "CONFIG_INVALID",
               absl::StrCat("the configuration has ", count, count == 1 ? " error" : " errors",
                            ", and nothing has changed: ", shown),
               {{"errors", count}});
}

absl::Status FaultInvalid(absl::string_view field, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "FAULT_INVALID",
               absl::StrCat("fault.", Printable(field, kShownBytesMax), ": ", Why(why)),
               {{"field", field}, {"why", why}})
      .InField(absl::StrCat("fault.", VariableText(field)));
}

absl::Status FieldInvalid(absl::string_view field, absl::string_view why) {
  return Error(StatusCode::kInvalidArgument, "FIELD_INVALID",
               absl::StrCat(Printable(field, kShownBytesMax), ": ", Why(why)),
               {{"field", field}, {"why", why}})
      .InField(VariableText(field));
}

}  // namespace error
}  // namespace router
