// A process to be killed: appends to the queue in the folder of its first argument, forever, and
// writes the sequence of every operation that was accepted, one line each, when it was.
#include <stdio.h>
#include <unistd.h>

#include <string>

#include "absl/strings/str_cat.h"
#include "server/base/clock.h"
#include "server/pending/sqlite_pending_queue.h"
#include "tests/server/pending/pending_testing.h"

namespace router {
namespace {

class PrintingObserver : public RecordingObserver {
 public:
  void OnAppended(absl::Span<Operation* const> operations, const absl::Status& status) override {
    std::string lines;
    for (const Operation* operation : operations) {
      if (status.ok()) absl::StrAppend(&lines, operation->operation_id, "\n");
    }
    if (write(STDOUT_FILENO, lines.data(), lines.size()) < 0) _exit(1);
    RecordingObserver::OnAppended(operations, status);
  }
};

int Run(const std::string& directory) {
  SqlitePendingQueue::Options options;
  options.directory = directory;
  options.min_free_disk_bytes = 0;
  options.clock = SystemClock();
  PrintingObserver observer;
  SqlitePendingQueue queue(options);
  const absl::StatusOr<RecoveredQueue> recovered = queue.Open(&observer);
  if (!recovered.ok()) {
    fprintf(stderr, "%s\n", recovered.status().ToString().c_str());
    return 1;
  }
  OperationPool pool;
  size_t appended = 0;
  for (int batch = 1; batch < 100000; batch = batch % 50 + 1) {
    queue.Append(pool.MakeMany(batch));
    appended += batch;
    // Two batches under way, so that there is always one to be cut short.
    observer.WaitForAnswers(appended - batch);
  }
  return 0;
}

}  // namespace
}  // namespace router

int main(int argc, char** argv) { return argc == 2 ? router::Run(argv[1]) : 2; }
