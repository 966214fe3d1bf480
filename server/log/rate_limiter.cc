#include "server/log/rate_limiter.h"

#include <chrono>

#include "absl/hash/hash.h"

namespace router {
namespace {

constexpr int kSecondShift = 32;
constexpr uint64_t kCountMask = (uint64_t{1} << kSecondShift) - 1;

uint64_t SecondOf(SteadyTime time) {
  const auto since_start =
      std::chrono::duration_cast<std::chrono::seconds>(time.time_since_epoch()).count();
  return static_cast<uint64_t>(since_start) + 1;  // Never the 0 of a slot that is not in use.
}

}  // namespace

RateLimiter::Slot& RateLimiter::SlotOf(absl::string_view code) {
  const uint64_t hash = absl::Hash<absl::string_view>()(code) | 1;
  for (size_t i = 0; i < kCodeCountMax; ++i) {
    Slot& slot = slots_[(hash + i) % kCodeCountMax];
    uint64_t owner = slot.code_hash.load(std::memory_order_relaxed);
    if (owner == hash) return slot;
    if (owner != 0) continue;
    if (slot.code_hash.compare_exchange_strong(owner, hash, std::memory_order_relaxed) ||
        owner == hash) {
      return slot;
    }
  }
  return slots_[kCodeCountMax];
}

absl::optional<uint64_t> RateLimiter::Admit(absl::string_view code, SteadyTime now) {
  const int64_t limit = limit_.load(std::memory_order_relaxed);
  if (limit <= 0) return 0;
  Slot& slot = SlotOf(code);
  const uint64_t second = SecondOf(now);
  uint64_t window = slot.window.load(std::memory_order_relaxed);
  while (true) {
    uint64_t next = window + 1;
    if (second > window >> kSecondShift) {
      next = (second << kSecondShift) + 1;
    } else if (static_cast<int64_t>(window & kCountMask) >= limit) {
      slot.suppressed.fetch_add(1, std::memory_order_relaxed);
      return absl::nullopt;
    }
    if (slot.window.compare_exchange_weak(window, next, std::memory_order_relaxed)) break;
  }
  return slot.suppressed.exchange(0, std::memory_order_relaxed);
}

}  // namespace router
