// PublishStream: frames, as many unanswered as the load has in flight.
#include <grpcpp/client_context.h>
#include <grpcpp/completion_queue.h>
#include <grpcpp/generic/generic_stub.h>

#include "absl/strings/str_cat.h"
#include "tests/benchmarks/load.h"

namespace router {
namespace {

class Stream {
 public:
  Stream(const LoadOptions& options, const std::shared_ptr<grpc::Channel>& channel,
         int64_t messages_max, Meter* meter, grpc::CompletionQueue* queue)
      : options_(options), messages_max_(messages_max), meter_(meter), stub_(channel) {
    stream_ = stub_.PrepareCall(&context_, options.method, queue);
    stream_->StartCall(&started_);
  }

  bool ended() const { return ended_; }

  static void Complete(void* tag, bool ok) {
    Operation* const operation = static_cast<Operation*>(tag);
    (operation->stream->*operation->done)(ok);
  }

 private:
  struct Operation {
    Stream* stream;
    void (Stream::*done)(bool ok);
  };

  void OnStarted(bool ok) {
    if (ok) Read();
    Advance();
  }

  void OnWritten(bool) {
    writing_ = false;
    Advance();
  }

  void OnHalfClosed(bool) {}

  void OnRead(bool ok) {
    if (!ok) {
      stream_->Finish(&status_, &finished_);
      return;
    }
    std::string problem;
    const int64_t messages = options_.read_answer(answer_, &problem);
    if (!problem.empty()) meter_->Fail(problem);
    unanswered_ -= messages;
    meter_->Complete(messages);
    Read();
    Advance();
  }

  void OnFinished(bool) {
    ended_ = true;
    if (!status_.ok()) meter_->Fail(absl::StrCat("a stream failed: ", status_.error_message()));
    if (unanswered_ != 0) meter_->Fail(absl::StrCat(unanswered_, " messages have no answer"));
  }

  void Read() { stream_->Read(&answer_, &read_); }

  void Advance() {
    if (writing_ || half_closed_) return;
    if (meter_->stopping() || (meter_->count_max() > 0 && sent_ >= meter_->count_max())) {
      half_closed_ = true;
      stream_->WritesDone(&half_closed_tag_);
      return;
    }
    if (unanswered_ + options_.messages_per_request > messages_max_) return;
    writing_ = true;
    unanswered_ += options_.messages_per_request;
    sent_ += options_.messages_per_request;
    stream_->Write(options_.requests.front(), &written_);
  }

  const LoadOptions& options_;
  const int64_t messages_max_;  // Unanswered at a time.
  Meter* const meter_;
  grpc::GenericStub stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  grpc::ByteBuffer answer_;
  grpc::Status status_;
  int64_t sent_ = 0;
  int64_t unanswered_ = 0;
  bool writing_ = false;
  bool half_closed_ = false;
  bool ended_ = false;
  Operation started_{this, &Stream::OnStarted};
  Operation written_{this, &Stream::OnWritten};
  Operation half_closed_tag_{this, &Stream::OnHalfClosed};
  Operation read_{this, &Stream::OnRead};
  Operation finished_{this, &Stream::OnFinished};
};

}  // namespace

void RunStreams(const LoadOptions& options, Meter* meter) {
  grpc::CompletionQueue queue;
  std::vector<std::unique_ptr<Stream>> streams;
  const int64_t frames =
      std::max<int64_t>(1, options.in_flight / static_cast<int64_t>(options.channels.size()));
  for (const auto& channel : options.channels) {
    streams.push_back(std::make_unique<Stream>(
        options, channel, frames * options.messages_per_request, meter, &queue));
  }
  const auto all_ended = [&streams] {
    for (const auto& stream : streams) {
      if (!stream->ended()) return false;
    }
    return true;
  };
  void* tag = nullptr;
  bool ok = false;
  while (!all_ended() && queue.Next(&tag, &ok)) Stream::Complete(tag, ok);
  queue.Shutdown();
  while (queue.Next(&tag, &ok)) {
  }
}

}  // namespace router
