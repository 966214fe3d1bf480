// Command lines: flags with and without values, in any place, and operands.
#ifndef ROUTER_CLIENTS_CLI_ARGUMENTS_H_
#define ROUTER_CLIENTS_CLI_ARGUMENTS_H_

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace router::cli {

struct Flag {
  std::string name;           // Without dashes.
  std::string value;          // What the help calls its value; empty for a switch.
  std::string help;           // One line.
  std::string default_value;  // For the help, too.
  char letter = '\0';         // Short form.
  bool repeated = false;
};

// A wrong command line. Ends routerctl with ExitCode::kUsage.
absl::Status UsageError(const std::string& message);

// The given names that look most like `word`, as ` (did you mean "…"?)`; empty where none does.
std::string DidYouMean(const std::string& word, const std::vector<std::string>& names);

// What Find says about one element of a command line.
struct FlagMatch {
  const Flag* flag;
  bool has_value;     // `--name=value`
  std::string value;  // After the `=`.
};

// Understands `--name`, `--name=value` and `-x`. Points into `flags`. A usage error with a
// suggestion where there is no such flag.
absl::StatusOr<FlagMatch> FindFlag(const std::string& element, const std::vector<Flag>& flags);

absl::StatusOr<FlagMatch> FindFlag(const std::string& element, std::vector<Flag>&& flags) = delete;

// Whether an element of a command line is a flag: `-` alone is not.
bool IsFlag(const std::string& element);

class Arguments {
 public:
  // `--` ends the flags. A switch may not have a value, a flag that is not repeated stands once.
  static absl::StatusOr<Arguments> Parse(const std::vector<std::string>& elements,
                                         const std::vector<Flag>& flags);

  bool Has(const std::string& name) const { return values_.count(name) > 0; }
  // The value, or the flag's default.
  std::string Get(const std::string& name) const;
  std::vector<std::string> GetAll(const std::string& name) const;
  // Usage errors that name the flag and what it takes.
  absl::StatusOr<absl::Duration> GetDuration(const std::string& name) const;
  absl::StatusOr<int64_t> GetInteger(const std::string& name, int64_t min, int64_t max) const;

  const std::vector<std::string>& operands() const { return operands_; }

 private:
  std::map<std::string, std::vector<std::string>> values_;
  std::map<std::string, std::string> defaults_;
  std::vector<std::string> operands_;
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_ARGUMENTS_H_
