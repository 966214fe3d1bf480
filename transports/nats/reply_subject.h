// The last token of the subjects that answers come back on: a letter that says what was asked, and
// a number in hexadecimal.
#ifndef ROUTER_TRANSPORTS_NATS_REPLY_SUBJECT_H_
#define ROUTER_TRANSPORTS_NATS_REPLY_SUBJECT_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"

namespace router {

enum class ReplyKind : char {
  kAck = 'a',       // The answer to a message; the number is its number in the window.
  kFence = 'f',     // A fence that came back; all core messages below the number were parsed.
  kQuestion = 'q',  // Whether a stream takes a subject; the number is the question's.
  kSearch = 's',    // Part of a search for stored messages; the number is the question's.
};

// Appends the token to `subject`.
void AppendReplyToken(ReplyKind kind, uint64_t number, std::string* subject);

// False where `token` is none that AppendReplyToken writes.
bool ParseReplyToken(absl::string_view token, ReplyKind* kind, uint64_t* number);

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_REPLY_SUBJECT_H_
