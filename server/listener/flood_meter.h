#ifndef ROUTER_SERVER_LISTENER_FLOOD_METER_H_
#define ROUTER_SERVER_LISTENER_FLOOD_METER_H_

#include <chrono>
#include <cstdint>

#include "server/base/clock.h"

namespace router {

// What a connection has brought since it was opened.
struct ConnectionCounts {
  int64_t received_bytes = 0;  // And parsed.
  int64_t streams_started = 0;
  int64_t streams_succeeded = 0;  // The server has answered.
  int64_t streams_failed = 0;     // Ended before that. Known some time after it has happened.
  int64_t messages_received = 0;  // Whole ones.
};

// Tells a connection that makes work and brings nothing from one that is merely busy: every call
// that is meant brings a message. One for each connection. Not thread-safe.
class FloodMeter {
 public:
  struct Limits {
    int64_t streams_max = 1000;  // At a time.
    int64_t message_bytes_max = 16 << 20;
    // Of messages that are not complete, where there are several.
    int64_t incomplete_bytes_max = 128 << 20;
  };

  // Why a connection is a flood.
  enum class Verdict {
    kNone,     // It is none.
    kStreams,  // Calls are begun, over and over, and bring no message: resets, and header floods.
    kResets,   // Calls bring a message, and most are broken off before they are answered.
    kBytes,    // Bytes come that are part of no message.
    kMessage,  // One message, or its metadata, is much larger than it may be.
    kUploads,  // More of several messages that are not complete than there may be.
  };

  // `now` must not be before that of the last call, `counts` not less, and the connection have
  // brought something meanwhile.
  Verdict Look(const Limits& limits, const ConnectionCounts& counts, SteadyTime now);

 private:
  ConnectionCounts last_;
  SteadyTime last_time_ = SteadyTime::min();
  double empty_streams_ = 0;   // Begun and without a message; leaks away.
  double broken_streams_ = 0;  // Broken off; leaks away.
  // Since when all looks were such, and how many.
  struct Streak {
    SteadyTime since;
    int looks = 0;

    void Add(bool is_one, SteadyTime now);
    bool Lasts(int looks_min, std::chrono::milliseconds time_min, SteadyTime now) const;
  };

  Streak fruitless_;
  double bytes_since_message_ = 0;  // Leaks away.
  Streak overlong_;
};

}  // namespace router

#endif  // ROUTER_SERVER_LISTENER_FLOOD_METER_H_
