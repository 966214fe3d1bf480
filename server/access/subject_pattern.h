#ifndef ROUTER_SERVER_ACCESS_SUBJECT_PATTERN_H_
#define ROUTER_SERVER_ACCESS_SUBJECT_PATTERN_H_

#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace router {

// OK for a pattern of subjects as NATS has them: tokens between dots, of which `*` stands for one
// token, and `>`, at the end, for one or more. INVALID_ARGUMENT says what is wrong.
absl::Status CheckSubjectPattern(absl::string_view pattern);

// Whether a subject, which has been validated, matches a pattern that is OK.
bool SubjectMatches(absl::string_view pattern, absl::string_view subject);

// Subjects, by patterns. Looking costs one comparison per pattern.
class SubjectSet {
 public:
  SubjectSet() = default;
  // Patterns that are OK.
  explicit SubjectSet(std::vector<std::string> patterns);

  bool Contains(absl::string_view subject) const;
  // Every subject there is.
  bool contains_all() const { return contains_all_; }
  const std::vector<std::string>& patterns() const { return patterns_; }

 private:
  std::vector<std::string> patterns_;
  bool contains_all_ = false;
};

}  // namespace router

#endif  // ROUTER_SERVER_ACCESS_SUBJECT_PATTERN_H_
