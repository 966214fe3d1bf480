#include "clients/cpp/stream_window.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "clients/cpp/errors.h"

namespace router::client {
namespace {

// What keeping a message costs beside its bytes on the wire.
constexpr int64_t kOverheadBytes = 200;

absl::Status WrongAnswer(uint64_t number) {
  return absl::InternalError(
      absl::StrCat("the router answered message ", number, ", which awaits no answer"));
}

// The result of the message that is `offset` messages behind the first one of `range`.
v1::PublishResult RangeResult(const v1::PublishStreamRange& range, uint64_t offset,
                              const std::string& message_id) {
  v1::PublishResult result;
  result.set_outcome(range.outcome());
  result.set_message_id(message_id);
  if (!range.stream().empty()) {
    result.set_stream(range.stream());
    result.set_sequence(range.first_sequence() + offset);
  }
  if (range.outcome() == v1::PUBLISH_OUTCOME_QUEUED) {
    result.set_operation_id(range.first_operation_id() + offset);
  }
  return result;
}

}  // namespace

bool StreamWindow::HasRoom(int64_t bytes) const {
  if (messages_ == 0) return true;
  return messages_ < options_.window_messages_max &&
         bytes_ + bytes + kOverheadBytes <= options_.window_bytes_max;
}

void StreamWindow::Add(v1::Message message, int64_t bytes, PublishCallback done, Time now) {
  bytes += kOverheadBytes;
  if (open_ != nullptr && open_->bytes + bytes > options_.frame_bytes_max) Seal();
  if (open_ == nullptr) {
    open_ = std::make_shared<StreamFrame>();
    open_->start = now;
    open_->expire = now + absl::ToChronoNanoseconds(options_.answer_timeout);
  }
  *open_->request.add_messages() = std::move(message);
  open_->callbacks.push_back(std::move(done));
  open_->bytes += bytes;
  ++open_->messages;
  ++open_->unanswered;
  ++open_->unfinished;
  ++messages_;
  bytes_ += bytes;
  if (open_->unanswered >= options_.frame_messages_max) Seal();
}

void StreamWindow::Seal() {
  if (open_ != nullptr) sealed_.push_back(std::move(open_));
  open_ = nullptr;
}

std::optional<StreamWindow::Time> StreamWindow::SealTime() const {
  if (open_ == nullptr) return std::nullopt;
  return open_->start + absl::ToChronoNanoseconds(options_.linger);
}

std::shared_ptr<StreamFrame> StreamWindow::TakeToSend() {
  if (sealed_.empty()) return nullptr;
  FramePointer frame = std::move(sealed_.front());
  sealed_.pop_front();
  frame->first_number = next_number_;
  next_number_ += frame->request.messages_size();
  sent_.emplace(frame->first_number, frame);
  return frame;
}

StreamWindow::FramePointer StreamWindow::Find(uint64_t number) const {
  auto behind = sent_.upper_bound(number);
  if (behind == sent_.begin()) return nullptr;
  const FramePointer& frame = std::prev(behind)->second;
  const uint64_t offset = number - frame->first_number;
  return offset < static_cast<uint64_t>(frame->request.messages_size()) ? frame : nullptr;
}

absl::Status StreamWindow::Answer(const v1::PublishStreamResponse& response,
                                  Completions& completions) {
  for (const auto& range : response.ranges()) {
    const absl::Status status = AnswerRange(range, completions);
    if (!status.ok()) return status;
  }
  for (const auto& answer : response.results()) {
    const FramePointer frame = Find(answer.number());
    if (frame == nullptr) return WrongAnswer(answer.number());
    const int index = static_cast<int>(answer.number() - frame->first_number);
    if (frame->callbacks[index] == nullptr) return WrongAnswer(answer.number());
    if (answer.result().outcome() == v1::PUBLISH_OUTCOME_REJECTED) {
      absl::Status error = FromRpcStatus(answer.result().error());
      if (error.ok()) error = absl::UnknownError("rejected without a reason");
      Settle(frame, index, std::move(error), completions);
    } else {
      Settle(frame, index, answer.result(), completions);
    }
  }
  return absl::OkStatus();
}

absl::Status StreamWindow::AnswerRange(const v1::PublishStreamRange& range,
                                       Completions& completions) {
  if (range.outcome() != v1::PUBLISH_OUTCOME_DELIVERED &&
      range.outcome() != v1::PUBLISH_OUTCOME_QUEUED &&
      range.outcome() != v1::PUBLISH_OUTCOME_DROPPED) {
    return absl::InternalError("the router answered a range of messages without an outcome");
  }
  uint64_t number = range.first();
  while (number <= range.last()) {
    const FramePointer frame = Find(number);
    if (frame == nullptr) return WrongAnswer(number);
    const uint64_t frame_end = frame->first_number + frame->request.messages_size();
    for (; number <= range.last() && number < frame_end; ++number) {
      const int index = static_cast<int>(number - frame->first_number);
      if (frame->callbacks[index] == nullptr) return WrongAnswer(number);
      Settle(
          frame, index,
          RangeResult(range, number - range.first(), frame->request.messages(index).message_id()),
          completions);
    }
  }
  return absl::OkStatus();
}

void StreamWindow::Settle(const FramePointer& frame, int index,
                          absl::StatusOr<v1::PublishResult> result, Completions& completions) {
  completions.push_back(
      {frame, index, std::exchange(frame->callbacks[index], nullptr), std::move(result)});
  if (--frame->unanswered == 0) sent_.erase(frame->first_number);
}

int64_t StreamWindow::Requeue() {
  std::vector<FramePointer> again;
  int64_t messages = 0;
  for (auto& [number, frame] : sent_) {
    messages += frame->unanswered;
    const bool whole = frame->unanswered == frame->request.messages_size();
    again.push_back(whole ? frame : SplitUnanswered(*frame));
    again.back()->first_number = 0;
  }
  sent_.clear();
  next_number_ = 1;
  sealed_.insert(sealed_.begin(), again.begin(), again.end());
  return messages;
}

StreamWindow::FramePointer StreamWindow::SplitUnanswered(StreamFrame& frame) {
  auto rest = std::make_shared<StreamFrame>();
  rest->start = frame.start;
  rest->expire = frame.expire;
  const int64_t message_bytes = frame.bytes / frame.messages;
  for (int i = 0; i < frame.request.messages_size(); ++i) {
    if (frame.callbacks[i] == nullptr) continue;
    // Swapped, not removed: completions on their way refer to the others by index.
    rest->request.add_messages()->Swap(frame.request.mutable_messages(i));
    rest->callbacks.push_back(std::exchange(frame.callbacks[i], nullptr));
  }
  rest->messages = rest->unanswered = rest->unfinished = frame.unanswered;
  rest->bytes = message_bytes * rest->messages;
  frame.messages -= rest->messages;
  frame.bytes -= rest->bytes;
  frame.unfinished -= rest->messages;
  frame.unanswered = 0;
  ReleaseIfFinished(frame);
  return rest;
}

void StreamWindow::ReleaseIfFinished(const StreamFrame& frame) {
  if (frame.unfinished > 0) return;
  messages_ -= frame.messages;
  bytes_ -= frame.bytes;
}

void StreamWindow::Finish(const Completions& completions) {
  for (const StreamCompletion& completion : completions) {
    --completion.frame->unfinished;
    ReleaseIfFinished(*completion.frame);
  }
}

void StreamWindow::FailFrame(const FramePointer& frame, const absl::Status& status,
                             Completions& completions) {
  for (int i = 0; i < frame->request.messages_size(); ++i) {
    if (frame->callbacks[i] == nullptr) continue;
    completions.push_back({frame, i, std::exchange(frame->callbacks[i], nullptr), status});
  }
  frame->unanswered = 0;
}

bool StreamWindow::Expire(Time now, Completions& completions) {
  const auto overdue = absl::DeadlineExceededError(absl::StrCat(
      "no answer from the router for ", absl::FormatDuration(options_.answer_timeout)));
  bool sent = false;
  while (!sent_.empty() && sent_.begin()->second->expire <= now) {
    FailFrame(sent_.begin()->second, overdue, completions);
    sent_.erase(sent_.begin());
    sent = true;
  }
  while (!sealed_.empty() && sealed_.front()->expire <= now) {
    FailFrame(sealed_.front(), overdue, completions);
    sealed_.pop_front();
  }
  if (open_ != nullptr && open_->expire <= now) {
    FailFrame(std::exchange(open_, nullptr), overdue, completions);
  }
  return sent;
}

std::optional<StreamWindow::Time> StreamWindow::ExpireTime() const {
  if (!sent_.empty()) return sent_.begin()->second->expire;
  if (!sealed_.empty()) return sealed_.front()->expire;
  if (open_ != nullptr) return open_->expire;
  return std::nullopt;
}

void StreamWindow::FailAll(const absl::Status& status, Completions& completions) {
  Seal();
  for (auto& [number, frame] : sent_) FailFrame(frame, status, completions);
  for (const FramePointer& frame : sealed_) FailFrame(frame, status, completions);
  sent_.clear();
  sealed_.clear();
}

}  // namespace router::client
