#ifndef ROUTER_TRANSPORTS_MESSAGE_H_
#define ROUTER_TRANSPORTS_MESSAGE_H_

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace router {

// What a confirmation has to prove.
enum class Guarantee {
  kStored,    // The broker has stored the message (JetStream acknowledgement).
  kReceived,  // The broker has parsed the message (core NATS, proved by an in-band fence).
};

struct Header {
  absl::string_view key;
  absl::string_view value;
};

// One validated message. A view: whoever creates it owns the bytes and keeps them alive and
// unchanged until the message is settled. Validation happens before a Message is made (subject
// without wildcards or white space, header keys as RFC 7230 tokens, no CR, LF or NUL in values);
// transports rely on it and do not check again.
struct Message {
  absl::string_view subject;
  absl::string_view payload;
  absl::Span<const Header> headers;

  // Never empty. Sent as `Nats-Msg-Id` for kStored always, and for kReceived only where
  // `caller_chose_id` (a core subject may be captured by a stream that deduplicates).
  absl::string_view message_id;
  bool caller_chose_id = false;

  Guarantee guarantee = Guarantee::kStored;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_MESSAGE_H_
