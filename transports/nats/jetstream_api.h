// What the router asks JetStream's API about streams, and how it reads the answers.
#ifndef ROUTER_TRANSPORTS_NATS_JETSTREAM_API_H_
#define ROUTER_TRANSPORTS_NATS_JETSTREAM_API_H_

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"

namespace router {

// A request: to be published to `subject` with `data`.
struct ApiRequest {
  std::string subject;
  std::string data;
};

ApiRequest StreamNamesRequest(absl::string_view message_subject);
ApiRequest StreamInfoRequest(absl::string_view stream);
// A consumer that reads the headers of the messages of one subject, stored at or after `start`. It
// goes away by itself when nobody has asked it for half a minute.
ApiRequest CreateReaderRequest(absl::string_view stream, absl::string_view message_subject,
                               absl::Time start);
// The next `batch` messages of a reader, as far as they are there.
ApiRequest ReadRequest(absl::string_view stream, absl::string_view reader, int batch);
ApiRequest DeleteReaderRequest(absl::string_view stream, absl::string_view reader);

// Which stream takes a subject; empty where there is none. Absent: not an answer.
absl::optional<std::string> ParseStreamName(absl::string_view data);

// Whether an answer says that JetStream, or a stream, has no leader just now.
bool IsUnavailable(absl::string_view data);

struct StreamFacts {
  absl::Duration duplicate_window;
  uint64_t first_sequence = 0;
  absl::Time first_time;   // Of its oldest message; InfiniteFuture when it is empty.
  absl::Time last_time;    // Of the last message ever stored; InfinitePast when there was none.
  bool keeps_all = false;  // It has removed nothing but its oldest messages.
};
absl::optional<StreamFacts> ParseStreamInfo(absl::string_view data);

struct ReaderFacts {
  std::string name;
  uint64_t pending = 0;  // How many messages there are to be read.
};
absl::optional<ReaderFacts> ParseReaderCreated(absl::string_view data);

// What the reply subject of a message from a reader says. The views point into it.
struct ReaderMessage {
  absl::string_view reader;
  uint64_t sequence = 0;  // In the stream.
  uint64_t pending = 0;   // How many come after it.
};
absl::optional<ReaderMessage> ParseReaderMessage(absl::string_view reply_subject);

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_JETSTREAM_API_H_
