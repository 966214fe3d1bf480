// What JetStream answers to a message.
#ifndef ROUTER_TRANSPORTS_NATS_REPLY_H_
#define ROUTER_TRANSPORTS_NATS_REPLY_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "transports/transport.h"

namespace router {

struct PublishReply {
  enum class Kind {
    kStored,
    kRefused,      // And will be refused again.
    kUnavailable,  // Refused for now: the same message may be taken later.
    kMalformed,    // Not an answer to a message. Proves nothing.
  };
  Kind kind = Kind::kMalformed;

  // kStored.
  std::string stream;
  uint64_t sequence = 0;
  bool duplicate = false;

  // kRefused, kUnavailable.
  Refusal refusal = Refusal::kNone;
  std::string error;  // For people, with the server's number of the error.
};

// The answer to the usual case, `{"stream":"S","seq":1}` with or without domain and duplicate, read
// without allocation. `stream` points into `data`.
struct StoredReply {
  absl::string_view stream;
  uint64_t sequence = 0;
  bool duplicate = false;
};

// False for anything but the usual case, which ParsePublishReply then understands.
bool ParseStoredReply(absl::string_view data, StoredReply* reply);

// Reads any answer. An "error" counts before a "seq", since some answers carry both; a sequence
// must be over 0.
PublishReply ParsePublishReply(absl::string_view data);

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_REPLY_H_
