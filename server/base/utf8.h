#ifndef ROUTER_SERVER_BASE_UTF8_H_
#define ROUTER_SERVER_BASE_UTF8_H_

#include <cstddef>

#include "absl/strings/string_view.h"

namespace router {

// Whether `text` is well-formed UTF-8 as Unicode has it: no overlong forms, no surrogates, nothing
// above U+10FFFF. Runs of ASCII are checked eight bytes at a time. Allocates nothing.
bool IsUtf8(absl::string_view text);

// The longest part of `text`, from its start, that has at most `bytes_max` bytes and does not end
// inside a character. For text that is not UTF-8, any part of at most `bytes_max` bytes.
absl::string_view CutUtf8(absl::string_view text, size_t bytes_max);

}  // namespace router

#endif  // ROUTER_SERVER_BASE_UTF8_H_
