#include "server/listener/flood_meter.h"

#include <algorithm>

#include "absl/time/time.h"

namespace router {
namespace {

// A client may break off this many calls each second for ever, as one does whose deadlines pass
// while the broker is slow, and so many more at once.
constexpr double kBrokenPerSecond = 2000;
constexpr double kBrokenMax = 10000;
// A call that is cancelled before its message has come is rare.
constexpr double kEmptyPerSecond = 100;
// A look is fruitless where so many calls were begun and not one in so many has brought a message.
// Large messages may take that long, but whoever sends those does not go on beginning calls.
constexpr double kFruitlessStreamsPerSecond = 200;
constexpr int64_t kStreamsPerMessage = 20;
constexpr int kFruitlessLooks = 3;
constexpr std::chrono::milliseconds kFruitlessTime{200};
// As many calls may be without their message yet, however few the server lets in at a time.
constexpr int64_t kEmptyMin = 1000;
// gRPC reads a message that is larger than it may be to its end before it refuses it. So much of
// it, in times of what it may have, it gets to read.
constexpr int64_t kOneMessageFactor = 2;
// The metadata of each call.
constexpr int64_t kHeaderBytes = 8 << 10;
// Pings, and answers to ours, for as long as a connection is idle.
constexpr double kIdleBytesPerSecond = 1024;
// What is not part of a message: headers, and frames that steer the connection. It may have been
// parsed when the streams that it opens are not counted yet, hence the second look.
constexpr int64_t kOverheadBytesMax = 1 << 20;
constexpr int kOverlongLooks = 2;
constexpr std::chrono::milliseconds kOverlongTime{100};
// A connection without any call so far has nothing to say.
constexpr int64_t kIdleBytesMax = 32 << 10;

double Leak(double level, double inflow, double outflow) {
  return std::max(0.0, level + inflow - outflow);
}

}  // namespace

void FloodMeter::Streak::Add(bool is_one, SteadyTime now) {
  if (!is_one) {
    looks = 0;
  } else if (++looks == 1) {
    since = now;
  }
}

bool FloodMeter::Streak::Lasts(int looks_min, std::chrono::milliseconds time_min,
                               SteadyTime now) const {
  return looks >= looks_min && now - since >= time_min;
}

FloodMeter::Verdict FloodMeter::Look(const Limits& limits, const ConnectionCounts& counts,
                                     SteadyTime now) {
  const double seconds = last_time_ == SteadyTime::min()
                             ? 0
                             : absl::ToDoubleSeconds(absl::FromChrono(now - last_time_));
  const int64_t started = counts.streams_started - last_.streams_started;
  const int64_t failed = counts.streams_failed - last_.streams_failed;
  const int64_t messages = counts.messages_received - last_.messages_received;
  const int64_t bytes =
      std::max<int64_t>(0, counts.received_bytes - last_.received_bytes - started * kHeaderBytes);
  last_ = counts;
  last_time_ = now;

  empty_streams_ =
      Leak(empty_streams_, static_cast<double>(started - messages), kEmptyPerSecond * seconds);
  broken_streams_ = Leak(broken_streams_, static_cast<double>(failed), kBrokenPerSecond * seconds);
  bytes_since_message_ = messages > 0 ? 0
                                      : Leak(bytes_since_message_, static_cast<double>(bytes),
                                             kIdleBytesPerSecond * seconds);
  fruitless_.Add(static_cast<double>(started) > kFruitlessStreamsPerSecond * seconds &&
                     messages * kStreamsPerMessage < started,
                 now);

  if (empty_streams_ > static_cast<double>(std::max(limits.streams_max, kEmptyMin)) ||
      fruitless_.Lasts(kFruitlessLooks, kFruitlessTime, now)) {
    return Verdict::kStreams;
  }
  if (broken_streams_ > kBrokenMax) return Verdict::kResets;
  if (counts.streams_started == 0 && bytes_since_message_ > kIdleBytesMax) return Verdict::kBytes;
  const int64_t open = counts.streams_started - counts.streams_succeeded - counts.streams_failed;
  int64_t bytes_max = 0;
  if (open == 1) bytes_max = kOneMessageFactor * limits.message_bytes_max;
  if (open > 1) {
    // Those of one that is very large are not fewer than those of it alone.
    bytes_max = std::max(std::min(open * limits.message_bytes_max, limits.incomplete_bytes_max),
                         kOneMessageFactor * limits.message_bytes_max);
  }
  bytes_max += kOverheadBytesMax;
  overlong_.Add(bytes_since_message_ > static_cast<double>(bytes_max), now);
  if (!overlong_.Lasts(kOverlongLooks, kOverlongTime, now)) return Verdict::kNone;
  if (open <= 0) return Verdict::kBytes;
  return open == 1 ? Verdict::kMessage : Verdict::kUploads;
}

}  // namespace router
