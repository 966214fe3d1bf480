// Puts messages among the dead letters of the queue in the folder of its first argument, unchecked,
// as another version or another hand might have: one for each line of its input, which holds, in
// hexadecimal and between tabs, subject, message id, ordering key, payload, and then keys and
// values of headers.
#include <cstdint>
#include <cstdio>
#include <iostream>
#include <limits>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/escaping.h"
#include "absl/strings/str_split.h"
#include "server/base/clock.h"
#include "server/pending/sqlite_pending_queue.h"
#include "tests/server/pending/pending_testing.h"

namespace router {
namespace {

std::vector<Operation*> ReadOperations(std::istream& in, OperationPool* pool) {
  std::vector<Operation*> operations;
  for (std::string line; std::getline(in, line);) {
    std::vector<std::string> fields;
    for (const absl::string_view field : absl::StrSplit(line, '\t')) {
      fields.push_back(absl::HexStringToBytes(field));
    }
    OperationSpec spec;
    spec.subject = fields[0];
    spec.message_id = fields[1];
    spec.caller_chose_id = true;
    spec.ordering_key = fields[2];
    spec.payload = fields[3];
    for (size_t i = 4; i + 1 < fields.size(); i += 2) {
      spec.headers.emplace_back(fields[i], fields[i + 1]);
    }
    operations.push_back(pool->Make(spec));
  }
  return operations;
}

absl::Status Bury(PendingQueue* queue, RecordingObserver* observer,
                  const std::vector<Operation*>& operations) {
  const absl::StatusOr<RecoveredQueue> recovered = queue->Open(observer);
  if (!recovered.ok()) return recovered.status();
  queue->Append(operations);
  std::vector<DeadLetterVerdict> verdicts;
  for (const RecordingObserver::Answer& answer : observer->WaitForAnswers(operations.size())) {
    if (!answer.status.ok()) return answer.status;
    verdicts.push_back({answer.operation_id, {"attempts", "a test has put it here", 1}});
  }
  const auto claimed =
      queue->Claim(0, static_cast<int64_t>(operations.size()), std::numeric_limits<int64_t>::max());
  if (!claimed.ok()) return claimed.status();
  return queue->MoveToDeadLetters(verdicts);
}

int Run(const std::string& directory) {
  OperationPool pool;
  const std::vector<Operation*> operations = ReadOperations(std::cin, &pool);
  SqlitePendingQueue::Options options;
  options.directory = directory;
  options.min_free_disk_bytes = 0;
  options.clock = SystemClock();
  RecordingObserver observer;
  SqlitePendingQueue queue(options);
  const absl::Status status = Bury(&queue, &observer, operations);
  queue.Close();
  if (status.ok()) return 0;
  std::cerr << status << "\n";
  return 1;
}

}  // namespace
}  // namespace router

int main(int argc, char** argv) { return argc == 2 ? router::Run(argv[1]) : 2; }
