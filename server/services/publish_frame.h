#ifndef ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_

#include <cstddef>
#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include "absl/status/status.h"
#include "router/v1/publisher.pb.h"
#include "server/base/operation.h"
#include "server/errors/errors.h"
#include "server/services/message_conversion.h"
#include "server/services/publish_trace.h"
#include "server/services/turn_queue.h"

namespace router {

class PublishFrame;

class PublishFrameOwner {
 public:
  virtual ~PublishFrameOwner() = default;
  // Every message of a frame has its outcome. Called on any thread.
  virtual void OnFrameDone(PublishFrame* frame) = 0;
  // A frame that has waited may be published. Called on the thread of the stream's queue.
  virtual void OnFrameTurn(PublishFrame* frame) = 0;
};

// One frame of a PublishStream: the request, and the batch made of it.
class PublishFrame final : public PublishBatch, public LimitedMessages {
 public:
  // Makes `request` of what a caller sent, in the memory of the last one; `bytes` is empty then.
  // FRAME_INVALID where it is no such message.
  absl::Status Parse(grpc::ByteBuffer* bytes) {
    bool is_parsed = false;
    {
      grpc::ProtoBufferReader reader(bytes);
      is_parsed = reader.status().ok() && request.ParseFromZeroCopyStream(&reader);
    }
    bytes->Clear();
    return is_parsed ? absl::OkStatus() : error::FrameInvalid();
  }

  // A new frame in the memory of the last one. `request` has been parsed, `owner` is told.
  void Begin(PublishFrameOwner* owner) {
    owner_ = owner;
    size_bytes = static_cast<int64_t>(request.ByteSizeLong());
    trace.reset();
    storage.Clear();
    Reset(static_cast<size_t>(request.messages_size()));
  }

  // The memory that it takes.
  size_t SpaceUsed() {
    size_t bytes = storage.SpaceUsed() + operations().capacity() * sizeof(Operation);
    for (const v1::Message& message : request.messages()) bytes += router::SpaceUsed(message);
    return bytes;
  }

  v1::PublishStreamRequest request;
  OperationStorage storage;
  std::unique_ptr<PublishTrace> trace;  // Null on a stream without one.
  uint64_t first_number = 0;            // Of its messages, on their stream.
  int64_t size_bytes = 0;

 private:
  void Done() override { owner_->OnFrameDone(this); }
  void OnTurn() override { owner_->OnFrameTurn(this); }

  PublishFrameOwner* owner_ = nullptr;
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
