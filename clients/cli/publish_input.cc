#include "clients/cli/publish_input.h"

#include <cerrno>
#include <cstring>
#include <memory>

#include "absl/strings/str_cat.h"
#include "clients/cli/units.h"

namespace router::cli {
namespace {

// Through read(), which reports what goes wrong in the stream's state instead of throwing it.
std::string ReadAll(std::istream& stream) {
  std::string text;
  char buffer[1 << 16];
  while (stream.read(buffer, sizeof(buffer)) || stream.gcount() > 0) {
    text.append(buffer, stream.gcount());
  }
  return text;
}

}  // namespace

absl::StatusOr<v1::Message> MessageFromFlags(const Arguments& arguments) {
  v1::Message message;
  message.set_subject(arguments.operands()[0]);
  message.set_message_id(arguments.Get("id"));
  message.set_ordering_key(arguments.Get("key"));
  for (const std::string& header : arguments.GetAll("header")) {
    const size_t equals = header.find('=');
    if (equals == std::string::npos || equals == 0) {
      return UsageError(absl::StrCat("--header: \"", header, "\" is not KEY=VALUE"));
    }
    (*message.mutable_headers())[header.substr(0, equals)] = header.substr(equals + 1);
  }
  const std::string guarantee = arguments.Get("guarantee");
  if (guarantee == "stored") {
    message.set_guarantee(v1::GUARANTEE_STORED);
  } else if (guarantee == "received") {
    message.set_guarantee(v1::GUARANTEE_RECEIVED);
  } else {
    return UsageError(absl::StrCat("--guarantee: \"", guarantee, "\" is not stored or received"));
  }
  if (arguments.Has("ttl")) {
    const auto ttl = arguments.GetDuration("ttl");
    if (!ttl.ok()) return ttl.status();
    *message.mutable_ttl() = ToProto(*ttl);
  }
  return message;
}

absl::StatusOr<std::unique_ptr<PublishInput>> PublishInput::Open(const Invocation& invocation) {
  const Arguments& arguments = invocation.arguments;
  auto prototype = MessageFromFlags(arguments);
  if (!prototype.ok()) return prototype.status();
  const bool has_payload = arguments.operands().size() > 1;
  if (has_payload == arguments.Has("file")) {
    return UsageError("say what to publish with either PAYLOAD, `-` for stdin, or --file FILE");
  }
  std::unique_ptr<PublishInput> input(new PublishInput());
  input->prototype_ = *std::move(prototype);
  input->lines_ = arguments.Has("lines") || arguments.Has("stream");
  const std::string source = has_payload ? arguments.operands()[1] : arguments.Get("file");
  if (source == "-") {
    input->stream_ = &invocation.environment.in;
  } else if (has_payload) {
    if (input->lines_) return UsageError("--lines and --stream read from `-` or --file FILE");
    input->payload_ = source;
  } else {
    input->file_.open(source, std::ios::binary);
    if (!input->file_) {
      return absl::UnknownError(absl::StrCat("cannot open ", source, ": ", std::strerror(errno)));
    }
    input->stream_ = &input->file_;
  }
  return input;
}

bool PublishInput::Next(v1::Message& message) {
  if (done_) return false;
  if (!lines_) {
    done_ = true;
    if (stream_ != nullptr) {
      payload_ = ReadAll(*stream_);
      if (failed()) return false;
    }
    message = prototype_;
    message.set_payload(std::move(payload_));
    return true;
  }
  std::string line;
  while (std::getline(*stream_, line)) {
    ++line_;
    if (line.empty()) continue;
    message = prototype_;
    message.set_payload(std::move(line));
    if (!prototype_.message_id().empty()) {
      message.set_message_id(absl::StrCat(prototype_.message_id(), "-", line_));
    }
    return true;
  }
  done_ = true;
  return false;
}

}  // namespace router::cli
