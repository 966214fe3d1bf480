// What `routerctl publish` publishes: messages made of arguments, a file or stdin.
#ifndef ROUTER_CLIENTS_CLI_PUBLISH_INPUT_H_
#define ROUTER_CLIENTS_CLI_PUBLISH_INPUT_H_

#include <cstdint>
#include <fstream>
#include <istream>
#include <string>

#include "absl/status/statusor.h"
#include "clients/cli/command.h"
#include "router/v1/message.pb.h"

namespace router::cli {

// Everything of a message but its payload, from --header, --id, --key, --guarantee and --ttl.
absl::StatusOr<v1::Message> MessageFromFlags(const Arguments& arguments);

// Messages one after the other. Holds one at a time in memory.
class PublishInput {
 public:
  // Borrows the invocation.
  static absl::StatusOr<std::unique_ptr<PublishInput>> Open(const Invocation& invocation);

  // Whether there is exactly one message: everything that is read.
  bool single() const { return !lines_; }
  // The next message; false at the end. Lines that are empty are skipped. With --id the messages of
  // several lines get its value with `-` and the number of the line.
  bool Next(v1::Message& message);
  // The number of the line that the last message came from, from 1.
  int64_t line() const { return line_; }
  // Whether reading failed, once Next has returned false.
  bool failed() const { return stream_ != nullptr && stream_->bad(); }

 private:
  PublishInput() = default;

  v1::Message prototype_;
  bool lines_ = false;
  bool done_ = false;
  int64_t line_ = 0;
  std::string payload_;             // Where there is no stream.
  std::istream* stream_ = nullptr;  // `file_` or stdin.
  std::ifstream file_;
};

}  // namespace router::cli

#endif  // ROUTER_CLIENTS_CLI_PUBLISH_INPUT_H_
