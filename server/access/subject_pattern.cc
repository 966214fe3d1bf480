#include "server/access/subject_pattern.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "server/base/utf8.h"

namespace router {
namespace {

constexpr size_t kPatternBytesMax = 255;

// The part before the next dot, which is taken off with the dot.
absl::string_view TakeToken(absl::string_view* rest) {
  const size_t dot = rest->find('.');
  const absl::string_view token = rest->substr(0, dot);
  rest->remove_prefix(dot == absl::string_view::npos ? rest->size() : dot + 1);
  return token;
}

bool HasSpaceOrControl(absl::string_view text) {
  return std::any_of(text.begin(), text.end(), [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return byte <= ' ' || byte == 0x7F;
  });
}

}  // namespace

absl::Status CheckSubjectPattern(absl::string_view pattern) {
  if (pattern.empty()) return absl::InvalidArgumentError("it is empty");
  if (pattern.size() > kPatternBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("it has more than ", kPatternBytesMax, " bytes"));
  }
  if (!IsUtf8(pattern) || HasSpaceOrControl(pattern)) {
    return absl::InvalidArgumentError("it has white space, a control character or no UTF-8 in it");
  }
  const std::vector<absl::string_view> tokens = absl::StrSplit(pattern, '.');
  for (size_t i = 0; i < tokens.size(); ++i) {
    const absl::string_view token = tokens[i];
    if (token.empty()) return absl::InvalidArgumentError("a token between dots is empty");
    if (token == ">" && i + 1 < tokens.size()) {
      return absl::InvalidArgumentError("`>` may stand at the end only");
    }
    if (token.size() > 1 && token.find_first_of("*>") != absl::string_view::npos) {
      return absl::InvalidArgumentError("a wildcard has to be a token of its own");
    }
  }
  return absl::OkStatus();
}

bool SubjectMatches(absl::string_view pattern, absl::string_view subject) {
  while (!pattern.empty() && !subject.empty()) {
    const absl::string_view wanted = TakeToken(&pattern);
    if (wanted == ">") return true;
    const absl::string_view token = TakeToken(&subject);
    if (wanted != "*" && wanted != token) return false;
  }
  return pattern.empty() && subject.empty();
}

SubjectSet::SubjectSet(std::vector<std::string> patterns)
    : patterns_(std::move(patterns)),
      contains_all_(std::find(patterns_.begin(), patterns_.end(), ">") != patterns_.end()) {}

bool SubjectSet::Contains(absl::string_view subject) const {
  return contains_all_ ||
         std::any_of(patterns_.begin(), patterns_.end(), [subject](const std::string& pattern) {
           return SubjectMatches(pattern, subject);
         });
}

}  // namespace router
