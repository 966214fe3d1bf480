#include <atomic>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "clients/cli/commands.h"
#include "clients/cli/errors.h"
#include "clients/cli/interrupt.h"
#include "clients/cli/publish_input.h"
#include "clients/cli/publish_report.h"
#include "clients/cli/units.h"
#include "clients/cpp/errors.h"
#include "clients/cpp/publisher.h"
#include "clients/cpp/stream_publisher.h"

namespace router::cli {
namespace {

constexpr size_t kBatchMessagesMax = 1000;
constexpr size_t kBatchBytesMax = 1 << 20;
constexpr absl::Duration kProgressInterval = absl::Milliseconds(200);

absl::Status InputError() { return absl::UnknownError("the input cannot be read to its end"); }

absl::StatusOr<ExitCode> PublishOne(const Invocation& invocation, PublishInput& input) {
  v1::Message message;
  if (!input.Next(message)) return InputError();
  client::Publisher publisher(invocation.channel, {invocation.options.timeout});
  const auto result = publisher.Publish(std::move(message));
  if (!result.ok()) return Annotate(result.status(), "publish");
  PrintResult(invocation, *result);
  return ExitCode::kOk;
}

// Publishes one batch. False where the call failed as a whole: going on would break the order.
bool PublishBatch(client::Publisher& publisher, std::vector<v1::Message> messages,
                  const std::vector<int64_t>& lines, PublishReport& report) {
  const auto results = publisher.PublishBatch(std::move(messages));
  for (size_t i = 0; i < lines.size(); ++i) {
    if (!results.ok()) {
      report.Add(lines[i], Annotate(results.status(), "publish"));
    } else if ((*results)[i].outcome() == v1::PUBLISH_OUTCOME_REJECTED) {
      report.Add(lines[i], Annotate(client::FromRpcStatus((*results)[i].error()), "publish"));
    } else {
      report.Add(lines[i], (*results)[i]);
    }
  }
  return results.ok();
}

absl::StatusOr<ExitCode> PublishLines(const Invocation& invocation, PublishInput& input) {
  client::Publisher publisher(invocation.channel, {invocation.options.timeout});
  PublishReport report(invocation);
  bool going_on = true;
  bool more = true;
  while (more && going_on) {
    std::vector<v1::Message> messages;
    std::vector<int64_t> lines;
    size_t bytes = 0;
    v1::Message message;
    while (messages.size() < kBatchMessagesMax && bytes < kBatchBytesMax &&
           (more = input.Next(message))) {
      bytes += message.ByteSizeLong();
      lines.push_back(input.line());
      messages.push_back(std::move(message));
    }
    if (!messages.empty()) going_on = PublishBatch(publisher, std::move(messages), lines, report);
  }
  if (!going_on) {
    invocation.environment.err << "Stopped at line " << input.line() << "; nothing behind it was "
                               << "published.\n";
  }
  auto exit_code = report.Finish();
  if (exit_code.ok() && input.failed()) return InputError();
  return exit_code;
}

// Answers of a stream arrive on the library's thread, while this one reads lines.
class StreamProgress {
 public:
  explicit StreamProgress(const Invocation& invocation)
      : invocation_(invocation), report_(invocation), start_(absl::Now()) {}

  void Answered(int64_t line, const absl::StatusOr<v1::PublishResult>& result)
      ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    report_.Add(line, result.ok() ? result : Annotate(result.status(), "publish"));
    Show(/*last=*/false);
  }
  absl::StatusOr<ExitCode> Finish() ABSL_LOCKS_EXCLUDED(mutex_) {
    absl::MutexLock lock(&mutex_);
    Show(/*last=*/true);
    return report_.Finish();
  }

 private:
  // One line on a terminal that is written over.
  void Show(bool last) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const absl::Time now = absl::Now();
    if (!invocation_.environment.err_is_terminal) return;
    if (!last && now - shown_ < kProgressInterval) return;
    shown_ = now;
    const double seconds = absl::ToDoubleSeconds(now - start_);
    const auto rate =
        static_cast<int64_t>(static_cast<double>(report_.answered()) / std::max(seconds, 0.001));
    invocation_.environment.err << "\r" << HumanCount(report_.answered()) << " answered, "
                                << HumanCount(report_.failed()) << " failed, " << HumanCount(rate)
                                << "/s   " << (last ? "\n" : "") << std::flush;
  }

  const Invocation& invocation_;
  absl::Mutex mutex_;
  PublishReport report_ ABSL_GUARDED_BY(mutex_);
  const absl::Time start_;
  absl::Time shown_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

absl::StatusOr<ExitCode> PublishStream(const Invocation& invocation, PublishInput& input) {
  client::StreamPublisherOptions options;
  options.answer_timeout = invocation.options.timeout;
  options.full_window_wait = invocation.options.timeout * 2;
  StreamProgress progress(invocation);
  std::atomic<bool> interrupted{false};
  {
    client::StreamPublisher publisher(invocation.channel, options);
    Interrupt interrupt([&interrupted] { interrupted = true; });
    v1::Message message;
    while (!interrupted && input.Next(message)) {
      const int64_t line = input.line();
      const absl::Status taken = publisher.Publish(
          std::move(message),
          [&progress, line](const v1::Message&, const absl::StatusOr<v1::PublishResult>& result) {
            progress.Answered(line, result);
          });
      if (!taken.ok()) progress.Answered(line, taken);
    }
    publisher.Flush(invocation.options.timeout * 2);
  }
  if (interrupted) {
    invocation.environment.err << "Interrupted after line " << input.line() << ".\n";
  }
  auto exit_code = progress.Finish();
  if (exit_code.ok() && input.failed()) return InputError();
  if (exit_code.ok() && interrupted) return ExitCode::kPartial;
  return exit_code;
}

absl::StatusOr<ExitCode> RunPublish(const Invocation& invocation) {
  const auto input = PublishInput::Open(invocation);
  if (!input.ok()) return input.status();
  if ((*input)->single()) return PublishOne(invocation, **input);
  if (invocation.arguments.Has("stream")) return PublishStream(invocation, **input);
  return PublishLines(invocation, **input);
}

}  // namespace

std::vector<Command> PublishCommands() {
  Command publish;
  publish.path = "publish";
  publish.operands = "SUBJECT [PAYLOAD|-]";
  publish.summary = "Publishes a message, or one for each line of the input";
  publish.details =
      "The payload is an argument, stdin (`-`) or a file (--file). All of the input is one "
      "message; with "
      "--lines\nevery line that is not empty is one, in batches, and with --stream too, over one "
      "stream "
      "at full speed.\nA failed line does not stop the others; a call that fails as a whole does. "
      "Ends "
      "with 7 where only some\nmessages were accepted. With -o json every line's answer is a JSON "
      "object "
      "on a line of its own; with\n--stream in the order of the answers.";
  publish.flags = {
      {"file", "FILE", "read the payload from a file; `-` for stdin", "", 'f'},
      {"lines", "", "publish one message for each line", ""},
      {"stream", "", "publish one message for each line through a stream", ""},
      {"header", "KEY=VALUE", "a header of the message", "", 'H', true},
      {"id", "ID", "message id, against duplicates; with lines ID-<line number>", ""},
      {"key", "KEY", "ordering key; the subject where none is given", ""},
      {"guarantee", "stored|received", "what delivered has to mean", "stored"},
      {"ttl", "DURATION", "how long the message is worth delivering", ""},
  };
  publish.operands_min = 1;
  publish.operands_max = 2;
  publish.examples = {
      "routerctl publish demo.hello 'hello world' --header trace=4711",
      "date | routerctl publish demo.time - --guarantee received",
      "routerctl publish demo.orders --file orders.ndjson --stream --id import-2026-01-31"};
  publish.run = RunPublish;
  return {publish};
}

}  // namespace router::cli
