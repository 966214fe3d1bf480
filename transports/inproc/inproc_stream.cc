#include "transports/inproc/inproc_stream.h"

#include "absl/time/time.h"

namespace router {
namespace {

int64_t PayloadAndHeaderBytes(const Message& message) {
  size_t bytes = message.payload.size();
  for (const Header& header : message.headers) bytes += header.key.size() + header.value.size();
  return static_cast<int64_t>(bytes);
}

int64_t KeptBytes(const InprocStoredMessage& stored) {
  size_t bytes = stored.subject.size() + stored.payload.size() + stored.message_id.size();
  for (const auto& [key, value] : stored.headers) bytes += key.size() + value.size();
  return static_cast<int64_t>(bytes);
}

}  // namespace

InprocStream::InprocStream(const InprocOptions& options)
    : messages_max_(options.messages_max),
      bytes_max_(options.bytes_max),
      max_payload_bytes_(options.max_payload_bytes),
      duplicates_max_(options.duplicates_max),
      duplicate_window_(absl::ToChronoNanoseconds(options.duplicate_window)) {}

InprocStream::StoreResult InprocStream::Store(const Message& message, SteadyTime now) {
  StoreResult result;
  if (PayloadAndHeaderBytes(message) > max_payload_bytes_) {
    result.too_large = true;
    return result;
  }
  const bool has_id = message.guarantee == Guarantee::kStored || message.caller_chose_id;
  absl::MutexLock lock(&mutex_);
  ForgetIds(now);
  if (has_id) {
    const auto known = sequence_by_id_.find(message.message_id);
    if (known != sequence_by_id_.end()) {
      result.duplicate = true;
      result.sequence = known->second;
      return result;
    }
  }
  Append(message, has_id);
  result.sequence = last_sequence_;
  if (has_id) {
    sequence_by_id_.emplace(message.message_id, last_sequence_);
    remembered_ids_.push_back({now + duplicate_window_, std::string(message.message_id)});
    ForgetIds(now);
  }
  return result;
}

std::vector<InprocStoredMessage> InprocStream::Messages() const {
  absl::MutexLock lock(&mutex_);
  return {messages_.begin(), messages_.end()};
}

void InprocStream::ForgetIds(SteadyTime now) {
  while (!remembered_ids_.empty() &&
         (remembered_ids_.front().expires <= now ||
          static_cast<int64_t>(remembered_ids_.size()) > duplicates_max_)) {
    sequence_by_id_.erase(remembered_ids_.front().message_id);
    remembered_ids_.pop_front();
  }
}

void InprocStream::Append(const Message& message, bool has_id) {
  InprocStoredMessage stored;
  stored.sequence = ++last_sequence_;
  stored.subject = std::string(message.subject);
  stored.payload = std::string(message.payload);
  for (const Header& header : message.headers)
    stored.headers.emplace_back(header.key, header.value);
  if (has_id) stored.message_id = std::string(message.message_id);
  bytes_ += KeptBytes(stored);
  messages_.push_back(std::move(stored));
  while (static_cast<int64_t>(messages_.size()) > messages_max_ || bytes_ > bytes_max_) {
    bytes_ -= KeptBytes(messages_.front());
    messages_.pop_front();
  }
}

}  // namespace router
