// What came of the messages of one `routerctl publish`.
#ifndef ROUTER_CLIENTS_CLI_PUBLISH_REPORT_H_
#define ROUTER_CLIENTS_CLI_PUBLISH_REPORT_H_

#include <cstdint>
#include <map>

#include "absl/status/statusor.h"
#include "clients/cli/command.h"
#include "clients/cli/exit_code.h"
#include "router/v1/publisher.pb.h"

namespace router::cli {

// Prints the answer of a message that is published alone.
void PrintResult(const Invocation& invocation, const v1::PublishResult& result);

// Counts the answers of many messages. Prints each one as JSON or YAML where that is wanted, those
// of messages that were not accepted also on stderr. Not thread-safe.
class PublishReport {
 public:
  explicit PublishReport(const Invocation& invocation) : invocation_(invocation) {}

  void Add(int64_t line, const absl::StatusOr<v1::PublishResult>& result);
  int64_t answered() const { return accepted_ + failed_; }
  int64_t failed() const { return failed_; }

  // Prints the table of outcomes. OK where everything was accepted, kPartial where some of it was,
  // the first error where nothing was.
  absl::StatusOr<ExitCode> Finish();

 private:
  void PrintFailure(int64_t line, const absl::Status& status);

  const Invocation& invocation_;
  std::map<v1::PublishOutcome, int64_t> outcomes_;
  int64_t accepted_ = 0;
  int64_t failed_ = 0;
  int64_t duplicates_ = 0;
  absl::Status first_error_;
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_PUBLISH_REPORT_H_
