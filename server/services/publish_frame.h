#ifndef ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_
#define ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "router/v1/publisher.pb.h"
#include "server/base/operation.h"
#include "server/services/message_conversion.h"
#include "server/services/publish_trace.h"

namespace router {

class PublishFrame;

// Told, on any thread, that every message of a frame has its outcome.
class PublishFrameOwner {
 public:
  virtual ~PublishFrameOwner() = default;
  virtual void OnFrameDone(PublishFrame* frame) = 0;
};

// One frame of a PublishStream: the request, and the batch made of it.
class PublishFrame final : public PublishBatch {
 public:
  // A new frame in the memory of the last one. `request` has been read, `owner` is told.
  void Begin(PublishFrameOwner* owner) {
    owner_ = owner;
    size_bytes = static_cast<int64_t>(request.ByteSizeLong());
    trace.reset();
    storage.Clear();
    Reset(static_cast<size_t>(request.messages_size()));
  }

  v1::PublishStreamRequest request;
  OperationStorage storage;
  std::unique_ptr<PublishTrace> trace;  // Null on a stream without one.
  uint64_t first_number = 0;            // Of its messages, on their stream.
  int64_t size_bytes = 0;

 private:
  void Done() override { owner_->OnFrameDone(this); }

  PublishFrameOwner* owner_ = nullptr;
};

// Frames that are not in use, with their memory: parsing into it is several times as fast as into
// new memory. Holds a few MB at most. Not thread-safe.
class PublishFramePool {
 public:
  std::unique_ptr<PublishFrame> Take() {
    if (frames_.empty()) return std::make_unique<PublishFrame>();
    std::unique_ptr<PublishFrame> frame = std::move(frames_.back());
    frames_.pop_back();
    bytes_ -= frame->size_bytes;
    return frame;
  }

  void Give(std::unique_ptr<PublishFrame> frame) {
    if (frame->size_bytes > kFrameBytesMax || bytes_ + frame->size_bytes > kBytesMax) return;
    bytes_ += frame->size_bytes;
    frames_.push_back(std::move(frame));
  }

 private:
  // As they were on the wire; in memory it is about three times as much.
  static constexpr int64_t kFrameBytesMax = 128 << 10;
  static constexpr int64_t kBytesMax = 2 << 20;

  std::vector<std::unique_ptr<PublishFrame>> frames_;
  int64_t bytes_ = 0;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_PUBLISH_FRAME_H_
