// The input as an access file, as a pattern of subjects and, split at its first space, as a pattern
// and a subject. What is read twice is the same twice, and holds what the file's rules promise.
#include "server/access/access_file.h"

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "server/access/access_policy.h"
#include "server/access/subject_pattern.h"
#include "server/validation/validation.h"
#include "tests/fuzz/require.h"

namespace router {
namespace {

constexpr char kPath[] = "access.yaml";

bool AreEqual(const Grant& a, const Grant& b) {
  return a.publisher == b.publisher && a.subscriber == b.subscriber && a.viewer == b.viewer &&
         a.operator_ == b.operator_ && a.payloads == b.payloads &&
         a.publish.patterns() == b.publish.patterns() &&
         a.subscribe.patterns() == b.subscribe.patterns();
}

void CheckSet(bool has_role, const SubjectSet& set) {
  const std::vector<std::string>& patterns = set.patterns();
  Require(has_role != patterns.empty(), "a role and its subjects go together");
  for (const std::string& pattern : patterns) {
    Require(CheckSubjectPattern(pattern).ok(), "only patterns are taken");
  }
  Require(set.contains_all() == (std::count(patterns.begin(), patterns.end(), ">") > 0),
          "who may use every subject");
  Require(!set.contains_all() || set.Contains("a.b"), "every subject is a subject");
}

void CheckGrant(const Grant& grant) {
  CheckSet(grant.publisher, grant.publish);
  CheckSet(grant.subscriber, grant.subscribe);
  Require(!grant.payloads || grant.Has(Permission::kView), "who sees payloads is a viewer");
  Require(!grant.operator_ || grant.Has(Permission::kView), "an operator is a viewer");
}

void FuzzFile(const std::string& text) {
  AccessPolicy policy;
  const std::vector<std::string> errors = ReadAccessFile(kPath, text, &policy);
  for (const std::string& error : errors) {
    Require(absl::StartsWith(error, kPath), "an error says where");
  }
  if (!errors.empty()) return;
  Require(!policy.empty(), "a file that is taken names somebody");
  AccessPolicy again;
  Require(ReadAccessFile(kPath, text, &again).empty(), "what is right is right twice");
  std::vector<std::string> names = absl::StrSplit(text, absl::ByAnyChar(" \t\r\n,{}[]'\""));
  names.push_back(AccessPolicy::kAnyone);
  for (const std::string& name : names) {
    const Grant* const grant = policy.Find(name);
    const Grant* const other = again.Find(name);
    Require((grant == nullptr) == (other == nullptr), "the same names twice");
    if (grant == nullptr) continue;
    Require(AreEqual(*grant, *other), "the same grant twice");
    CheckGrant(*grant);
  }
}

// A subject that a pattern is for.
std::string ExampleOf(absl::string_view pattern) {
  std::vector<std::string> tokens = absl::StrSplit(pattern, '.');
  for (std::string& token : tokens) {
    if (token == "*") token = "x";
    if (token == ">") token = "x.y";
  }
  return absl::StrJoin(tokens, ".");
}

void FuzzPattern(absl::string_view pattern) {
  const absl::Status status = CheckSubjectPattern(pattern);
  if (ValidateSubject(pattern).ok()) {
    Require(status.ok(), "a subject is a pattern");
    Require(SubjectMatches(pattern, pattern), "a subject matches itself");
    Require(SubjectMatches(">", pattern), "`>` matches every subject");
    Require(SubjectMatches("*", pattern) == !absl::StrContains(pattern, '.'), "`*` is one token");
  }
  if (!status.ok()) {
    Require(!status.message().empty(), "an error says what is wrong");
    return;
  }
  const std::string example = ExampleOf(pattern);
  Require(SubjectMatches(pattern, example), "a pattern has a subject");
  Require(SubjectSet({std::string(pattern)}).Contains(example), "so has the set");
}

// What SubjectMatches does, in another way.
bool MatchesByTokens(absl::string_view pattern, absl::string_view subject) {
  const std::vector<absl::string_view> wanted = absl::StrSplit(pattern, '.');
  const std::vector<absl::string_view> tokens = absl::StrSplit(subject, '.');
  const bool is_open = wanted.back() == ">";
  const size_t fixed = wanted.size() - (is_open ? 1 : 0);
  if (is_open ? tokens.size() <= fixed : tokens.size() != fixed) return false;
  return std::equal(
      wanted.begin(), wanted.begin() + static_cast<std::ptrdiff_t>(fixed), tokens.begin(),
      [](absl::string_view one, absl::string_view token) { return one == "*" || one == token; });
}

void FuzzMatch(absl::string_view pattern, absl::string_view subject) {
  if (!CheckSubjectPattern(pattern).ok() || !ValidateSubject(subject).ok()) return;
  Require(SubjectMatches(pattern, subject) == MatchesByTokens(pattern, subject),
          "both ways match the same");
}

void Fuzz(absl::string_view input) {
  FuzzFile(std::string(input));
  FuzzPattern(input);
  const size_t space = input.find(' ');
  if (space != absl::string_view::npos) FuzzMatch(input.substr(0, space), input.substr(space + 1));
}

}  // namespace
}  // namespace router

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  router::Fuzz({reinterpret_cast<const char*>(data), size});
  return 0;
}
