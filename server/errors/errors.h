// The router's errors: every failure that a caller can meet is made here, so that its code, its
// reason and its words are the same everywhere.
//
// Each function returns a status that carries, as payloads under their type URLs,
//   * one google.rpc.ErrorInfo: a reason in UPPER_SNAKE (the function's name), the domain `router`,
//     and every variable of the message as metadata;
//   * a google.rpc.RetryInfo where trying again later helps;
//   * a google.rpc.BadRequest with the field, where the caller's input is wrong.
// Fields of a message to publish are named as in router.v1.Message, without a path in front. Bytes
// that come from outside are escaped and cut before they get into a status. Thread-safe.
#ifndef ROUTER_SERVER_ERRORS_ERRORS_H_
#define ROUTER_SERVER_ERRORS_ERRORS_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"

namespace router {
namespace error {

inline constexpr char kDomain[] = "router";

// Where a status keeps its details.
inline constexpr char kErrorInfoUrl[] = "type.googleapis.com/google.rpc.ErrorInfo";
inline constexpr char kRetryInfoUrl[] = "type.googleapis.com/google.rpc.RetryInfo";
inline constexpr char kBadRequestUrl[] = "type.googleapis.com/google.rpc.BadRequest";

// What is wrong with a message: INVALID_ARGUMENT, if not said otherwise.
absl::Status SubjectInvalid(absl::string_view subject, absl::string_view why);
absl::Status SubjectReserved(absl::string_view subject);  // PERMISSION_DENIED
absl::Status HeaderInvalid(absl::string_view key, absl::string_view why);
absl::Status MessageIdInvalid(absl::string_view message_id, absl::string_view why);
absl::Status MessageIdConflict(absl::string_view message_id);  // ALREADY_EXISTS
absl::Status OrderingKeyInvalid(absl::string_view ordering_key, absl::string_view why);
absl::Status TtlInvalid(absl::string_view why);
absl::Status GuaranteeInvalid(int guarantee);
absl::Status PayloadTooLarge(int64_t size_bytes, int64_t size_bytes_max);
absl::Status BatchInvalid(int64_t message_count, int64_t message_count_max);
absl::Status TooManyFields(int64_t field_count_max);  // BATCH_INVALID, too.
absl::Status RequestInvalid();                        // A call to publish that is no protobuf.
absl::Status FrameInvalid();  // A frame of a stream that is no protobuf; ends the stream.

// The broker has looked at the message and will not have it: FAILED_PRECONDITION.
absl::Status NoStreamForSubject(absl::string_view subject);
absl::Status BrokerRefused(absl::string_view subject, absl::string_view why);

// The router cannot take the message now.
absl::Status PendingQueueFull(int64_t count, int64_t count_max, int64_t bytes,
                              int64_t bytes_max);                   // RESOURCE_EXHAUSTED
absl::Status WindowFull(int64_t waiting_bytes, int64_t bytes_max);  // RESOURCE_EXHAUSTED
absl::Status SpoolFull(absl::string_view why);                      // RESOURCE_EXHAUSTED
// One client has more in hand, or comes faster, than it may; `what` is "messages" or "bytes".
// RESOURCE_EXHAUSTED
absl::Status ClientInFlightLimited(absl::string_view what, int64_t in_flight, int64_t max,
                                   absl::Duration retry_after);
absl::Status ClientRateLimited(int64_t messages_per_second, absl::Duration retry_after);
absl::Status ClientAdminCallsLimited(int64_t calls_max, absl::Duration retry_after);
absl::Status InFlightLimited(int64_t bytes, int64_t bytes_max,
                             absl::Duration retry_after);  // All clients. RESOURCE_EXHAUSTED
absl::Status SpoolIoError(absl::string_view why);          // UNAVAILABLE
absl::Status Draining();                                   // UNAVAILABLE
absl::Status DeadlineExceeded();                           // DEADLINE_EXCEEDED

// Who calls, and what it may do. UNAUTHENTICATED:
absl::Status CredentialsMissing();
absl::Status CredentialsInvalid();
absl::Status CertificateHasNoName();  // CREDENTIALS_INVALID, too.
absl::Status CredentialsExpired();
absl::Status IdentityUnknown(absl::string_view identity);
// PERMISSION_DENIED:
absl::Status MethodNotAllowed(absl::string_view identity, absl::string_view method,
                              absl::string_view role);
absl::Status SubjectNotAllowed(absl::string_view identity, absl::string_view subject);
absl::Status PayloadsNotAllowed(absl::string_view identity, absl::string_view method);

// Administration.
absl::Status NatsUnavailable(absl::string_view why);  // FAILED_PRECONDITION
absl::Status EtagMismatch(absl::string_view etag, absl::string_view current_etag);  // ABORTED
absl::Status OperationNotFound(uint64_t operation_id);                              // NOT_FOUND
absl::Status DeadLetterNotFound(uint64_t operation_id);                             // NOT_FOUND
absl::Status HealthServiceUnknown(absl::string_view service);                       // NOT_FOUND
absl::Status RedriveRateLimited(int64_t per_second,
                                absl::Duration retry_after);  // RESOURCE_EXHAUSTED
absl::Status TooManyWatches(int watches_max);                 // RESOURCE_EXHAUSTED
absl::Status StateIoError(absl::string_view why);  // UNAVAILABLE: audit log or mode, not written
// DATA_LOSS: the change was made.
absl::Status AuditIncomplete(absl::string_view begin_event_id, absl::string_view result,
                             absl::string_view why);
// The rest is INVALID_ARGUMENT.
absl::Status ReasonRequired(int64_t size_bytes_max);  // None at all, or one that is too long.
absl::Status RequestIdInvalid(int64_t size_bytes_max);
absl::Status ExpireTimeInvalid(absl::string_view why);
absl::Status FilterRequired();
absl::Status FilterInvalid(int64_t column, absl::string_view why);  // Column from 1.
absl::Status PageSizeInvalid(int64_t page_size);
absl::Status PageTokenInvalid();
absl::Status ConfigInvalid(absl::Span<const std::string> errors);  // Shows about 2 KB of them.
absl::Status FaultInvalid(absl::string_view field, absl::string_view why);
// Whatever has no error of its own.
absl::Status FieldInvalid(absl::string_view field, absl::string_view why);

// The reason of a status made here, such as "SUBJECT_INVALID"; "" for any other.
std::string ReasonOf(const absl::Status& status);

// How bytes from outside are shown: the first `bytes_max` of them, with `...` where there are more;
// what is not printable ASCII is escaped as in C.
std::string Printable(absl::string_view text, size_t bytes_max);

}  // namespace error
}  // namespace router

#endif  // ROUTER_SERVER_ERRORS_ERRORS_H_
