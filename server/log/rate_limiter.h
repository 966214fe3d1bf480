#ifndef ROUTER_SERVER_LOG_RATE_LIMITER_H_
#define ROUTER_SERVER_LOG_RATE_LIMITER_H_

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>

#include "absl/strings/string_view.h"
#include "absl/types/optional.h"
#include "transports/transport.h"

namespace router {

// Lets at most so many events per second and code through, and counts the others. Thread-safe,
// lock-free, never allocates. Codes are told apart by a 64-bit hash; beyond kCodeCountMax different
// codes, which are constants of the program, the rest share one allowance.
class RateLimiter {
 public:
  static constexpr size_t kCodeCountMax = 128;

  // 0: no limit.
  explicit RateLimiter(int64_t events_per_second_max) : limit_(events_per_second_max) {}
  void SetLimit(int64_t events_per_second_max) { limit_ = events_per_second_max; }
  RateLimiter(const RateLimiter&) = delete;
  RateLimiter& operator=(const RateLimiter&) = delete;

  // Whether an event of this code may pass now: if so, how many were held back since the last that
  // did; otherwise nothing.
  absl::optional<uint64_t> Admit(absl::string_view code, SteadyTime now);

 private:
  struct Slot {
    std::atomic<uint64_t> code_hash{0};  // 0: free.
    std::atomic<uint64_t> window{0};  // Second in the upper half, events let through in the lower.
    std::atomic<uint64_t> suppressed{0};
  };

  Slot& SlotOf(absl::string_view code);

  std::atomic<int64_t> limit_;
  std::array<Slot, kCodeCountMax + 1> slots_;
};

}  // namespace router

#endif  // ROUTER_SERVER_LOG_RATE_LIMITER_H_
