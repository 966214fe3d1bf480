#ifndef ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "absl/status/status.h"
#include "router/v1/publisher.pb.h"
#include "server/base/operation.h"
#include "server/errors/errors.h"
#include "server/services/message_conversion.h"
#include "server/services/publish_request.h"
#include "server/services/publish_trace.h"
#include "server/services/turn_queue.h"

namespace router {

class PublishFrame;

class PublishFrameOwner {
 public:
  virtual ~PublishFrameOwner() = default;
  // Every message of a frame has its outcome. Called on any thread.
  virtual void OnFrameDone(PublishFrame* frame) = 0;
  // The frame that waits may be published. Called on the thread of the stream's queue.
  virtual void OnFrameTurn() = 0;
};

// One frame of a PublishStream: the request, and the batch made of it.
class PublishFrame final : public PublishBatch, public LimitedMessages {
 public:
  // A new frame in the memory of the last one. `owner` is told.
  void Begin(PublishFrameOwner* owner, int64_t bytes) {
    owner_ = owner;
    size_bytes = bytes;
  }

  // Makes `request` and its operations, empty ones, of what a caller sent; `bytes` is empty then.
  // FRAME_INVALID where it is no such message.
  absl::Status Parse(grpc::ByteBuffer* bytes) {
    if (!router::Parse(bytes, &request)) return error::FrameInvalid();
    trace.reset();
    storage.Clear();
    Reset(static_cast<size_t>(request.messages_size()));
    return absl::OkStatus();
  }

  // The most memory that it has taken: what a smaller request does not need is kept.
  size_t SpaceUsed() {
    size_t bytes = storage.SpaceUsed() + operations().capacity() * sizeof(Operation);
    for (const v1::Message& message : request.messages()) bytes += router::SpaceUsed(message);
    space_used_ = std::max(space_used_, bytes);
    return space_used_;
  }

  v1::PublishStreamRequest request;
  OperationStorage storage;
  std::unique_ptr<PublishTrace> trace;  // Null on a stream without one.
  uint64_t first_number = 0;            // Of its messages, on their stream.
  int64_t size_bytes = 0;               // Of what the caller sent.

 private:
  void Done() override { owner_->OnFrameDone(this); }
  void OnTurn() override { owner_->OnFrameTurn(); }

  PublishFrameOwner* owner_ = nullptr;
  size_t space_used_ = 0;
};

// Frames that are not in use, with their memory: parsing into it is several times as fast as into
// new memory. Not thread-safe.
class PublishFramePool {
 public:
  // Most memory of one frame that is kept, and of all.
  static constexpr size_t kFrameBytesMax = 512 << 10;
  static constexpr size_t kBytesMax = 8 << 20;

  std::unique_ptr<PublishFrame> Take() {
    if (frames_.empty()) return std::make_unique<PublishFrame>();
    Kept kept = std::move(frames_.back());
    frames_.pop_back();
    bytes_ -= kept.bytes;
    return std::move(kept.frame);
  }

  void Give(std::unique_ptr<PublishFrame> frame) {
    const size_t bytes = frame->SpaceUsed();
    if (bytes > kFrameBytesMax || bytes_ + bytes > kBytesMax) return;
    bytes_ += bytes;
    frames_.push_back({std::move(frame), bytes});
  }

  size_t size() const { return frames_.size(); }

 private:
  struct Kept {
    std::unique_ptr<PublishFrame> frame;
    size_t bytes;
  };

  std::vector<Kept> frames_;
  size_t bytes_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_
