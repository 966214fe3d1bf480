#include "clients/cpp/message_ids.h"

#include <random>

#include "absl/strings/str_cat.h"

namespace router::client {
namespace {

uint64_t Random64() {
  std::random_device entropy;  // getrandom(2) or the processor's generator.
  return (static_cast<uint64_t>(entropy()) << 32) | entropy();
}

}  // namespace

MessageIds::MessageIds()
    : prefix_(absl::StrCat(absl::Hex(Random64(), absl::kZeroPad16),
                           absl::Hex(Random64(), absl::kZeroPad16), "-")) {}

std::string MessageIds::Next() {
  return absl::StrCat(prefix_, counter_.fetch_add(1, std::memory_order_relaxed) + 1);
}

}  // namespace router::client
