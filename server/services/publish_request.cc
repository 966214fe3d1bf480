#include "server/services/publish_request.h"

#include <google/protobuf/io/coded_stream.h>
#include <google/protobuf/unknown_field_set.h>
#include <google/protobuf/wire_format_lite.h>
#include <grpcpp/support/proto_buffer_reader.h>

namespace router {
namespace {

using google::protobuf::UnknownFieldSet;
using google::protobuf::internal::WireFormatLite;
using google::protobuf::io::CodedInputStream;

constexpr auto kBytes = WireFormatLite::WIRETYPE_LENGTH_DELIMITED;
constexpr uint32_t kMessagesTag = WireFormatLite::MakeTag(1, kBytes);
constexpr uint32_t kTtlTag = WireFormatLite::MakeTag(v1::Message::kTtlFieldNumber, kBytes);

bool SkipValue(CodedInputStream* input, uint32_t tag) {
  switch (WireFormatLite::GetTagWireType(tag)) {
    case WireFormatLite::WIRETYPE_VARINT: {
      uint64_t ignored = 0;
      return input->ReadVarint64(&ignored);
    }
    case WireFormatLite::WIRETYPE_FIXED64:
      return input->Skip(8);
    case WireFormatLite::WIRETYPE_FIXED32:
      return input->Skip(4);
    case WireFormatLite::WIRETYPE_LENGTH_DELIMITED: {
      uint32_t size = 0;
      return input->ReadVarint32(&size) && input->Skip(static_cast<int>(size));
    }
    default:  // Groups: what is in them would have to be counted, and nobody uses them any more.
      return false;
  }
}

// Adds the fields of a message, whose size comes next, to `fields`. May stop beyond `fields_max`.
bool CountFields(CodedInputStream* input, int64_t fields_max, int64_t* fields) {
  uint32_t size = 0;
  if (!input->ReadVarint32(&size) || size > INT32_MAX) return false;
  const CodedInputStream::Limit outer = input->PushLimit(static_cast<int>(size));
  while (*fields <= fields_max) {
    const uint32_t tag = input->ReadTag();
    if (tag == 0) break;
    ++*fields;
    const bool ok = tag == kTtlTag ? CountFields(input, fields_max, fields) : SkipValue(input, tag);
    if (!ok) return false;
  }
  const bool is_whole = input->ConsumedEntireMessage() && input->BytesUntilLimit() == 0;
  input->PopLimit(outer);
  return is_whole || *fields > fields_max;
}

void DropUnknown(google::protobuf::Message* message) {
  const google::protobuf::Reflection* const reflection = message->GetReflection();
  if (reflection->GetUnknownFields(*message).empty()) return;
  UnknownFieldSet dropped;
  reflection->MutableUnknownFields(message)->Swap(&dropped);  // With its memory.
}

void DropUnknownOf(v1::Message* message) {
  DropUnknown(message);
  if (message->has_ttl()) DropUnknown(message->mutable_ttl());
}

bool ParseBytes(grpc::ByteBuffer* bytes, google::protobuf::Message* request) {
  bool is_parsed = false;
  {
    grpc::ProtoBufferReader reader(bytes);
    is_parsed = reader.status().ok() && request->ParseFromZeroCopyStream(&reader);
  }
  bytes->Clear();
  return is_parsed;
}

template <typename Request>
bool ParseMessages(grpc::ByteBuffer* bytes, Request* request) {
  const bool is_parsed = ParseBytes(bytes, request);
  DropUnknown(request);
  for (v1::Message& message : *request->mutable_messages()) DropUnknownOf(&message);
  return is_parsed;
}

}  // namespace

absl::optional<PublishRequestShape> ShapeOf(grpc::ByteBuffer* bytes, int64_t messages_max,
                                            int64_t fields_max) {
  PublishRequestShape shape;
  grpc::ProtoBufferReader reader(bytes);
  if (!reader.status().ok()) return absl::nullopt;
  CodedInputStream input(&reader);
  while (shape.messages <= messages_max && shape.fields <= fields_max) {
    const uint32_t tag = input.ReadTag();
    if (tag == 0) return input.ConsumedEntireMessage() ? absl::make_optional(shape) : absl::nullopt;
    if (tag != kMessagesTag) {
      ++shape.fields;
      if (!SkipValue(&input, tag)) return absl::nullopt;
      continue;
    }
    ++shape.messages;
    if (!CountFields(&input, fields_max, &shape.fields)) return absl::nullopt;
  }
  return shape;
}

bool Parse(grpc::ByteBuffer* bytes, v1::PublishRequest* request) {
  const bool is_parsed = ParseBytes(bytes, request);
  DropUnknown(request);
  if (request->has_message()) DropUnknownOf(request->mutable_message());
  return is_parsed;
}

bool Parse(grpc::ByteBuffer* bytes, v1::PublishBatchRequest* request) {
  return ParseMessages(bytes, request);
}

bool Parse(grpc::ByteBuffer* bytes, v1::PublishStreamRequest* request) {
  return ParseMessages(bytes, request);
}

}  // namespace router
