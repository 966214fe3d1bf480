// Validation is on the way of every message: it must not allocate. Counted by this program's own
// operator new, which is why the test stands alone.
#include <cstdlib>
#include <new>
#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "server/validation/validation.h"

namespace {
thread_local int allocation_count = 0;
}  // namespace

void* operator new(size_t size) {
  ++allocation_count;
  if (void* p = std::malloc(size == 0 ? 1 : size)) return p;
  std::abort();
}
void operator delete(void* p) noexcept { std::free(p); }
void operator delete(void* p, size_t) noexcept { std::free(p); }

namespace router {
namespace {

TEST(ValidationAllocationTest, AllocatesNothingForValidMessage) {
  v1::Message message;
  message.set_subject("caf\xC3\xA9.orders");
  message.set_payload(std::string(100000, 'x'));
  message.set_message_id("id-1");
  message.set_ordering_key(std::string(200, 'k'));
  message.mutable_ttl()->set_seconds(5);
  for (int i = 0; i < 20; ++i) (*message.mutable_headers())[absl::StrCat("Key-", i)] = "value";
  const int before = allocation_count;
  const bool ok = ValidateMessage(message, 1 << 20).ok();
  const int after_valid = allocation_count;
  EXPECT_TRUE(ok);
  EXPECT_EQ(after_valid, before);

  message.set_subject("a b");
  EXPECT_FALSE(ValidateMessage(message, 1 << 20).ok());
  EXPECT_GT(allocation_count, after_valid) << "the counter counts";
}

}  // namespace
}  // namespace router
