#ifndef ROUTER_TRANSPORTS_NATS_STREAM_NAMES_H_
#define ROUTER_TRANSPORTS_NATS_STREAM_NAMES_H_

#include <string>

#include "absl/container/node_hash_set.h"
#include "absl/strings/string_view.h"

namespace router {

// Interned names of streams: views that live as long as this. As many as the broker has streams.
// Not thread-safe.
class StreamNames {
 public:
  absl::string_view Intern(absl::string_view name) {
    if (name != last_) last_ = *names_.emplace(name).first;
    return last_;
  }

 private:
  absl::node_hash_set<std::string> names_;
  absl::string_view last_;  // Most answers come from the stream of the one before.
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_STREAM_NAMES_H_
