#include "transports/nats/reply_subject.h"

#include <cstddef>

namespace router {
namespace {

constexpr size_t kMaxDigits = 16;

}  // namespace

void AppendReplyToken(ReplyKind kind, uint64_t number, std::string* subject) {
  char digits[kMaxDigits];
  size_t begin = kMaxDigits;
  do {
    digits[--begin] = "0123456789abcdef"[number & 0xf];
    number >>= 4;
  } while (number != 0);
  subject->push_back(static_cast<char>(kind));
  subject->append(digits + begin, kMaxDigits - begin);
}

bool ParseReplyToken(absl::string_view token, ReplyKind* kind, uint64_t* number) {
  if (token.size() < 2 || token.size() > 1 + kMaxDigits) return false;
  const char letter = token[0];
  if (letter != 'a' && letter != 'f' && letter != 'q' && letter != 's') return false;
  uint64_t value = 0;
  for (const char c : token.substr(1)) {
    if (c >= '0' && c <= '9') {
      value = value << 4 | static_cast<uint64_t>(c - '0');
    } else if (c >= 'a' && c <= 'f') {
      value = value << 4 | static_cast<uint64_t>(c - 'a' + 10);
    } else {
      return false;
    }
  }
  *kind = static_cast<ReplyKind>(letter);
  *number = value;
  return true;
}

}  // namespace router
