#include "server/services/reflection_service.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/server_context.h>
#include <grpcpp/support/async_stream.h>

#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "server/errors/errors.h"
#include "server/errors/status_conversion.h"
#include "server/services/call_access.h"

namespace router {
namespace {

using ::google::protobuf::Descriptor;
using ::google::protobuf::DescriptorPool;
using ::google::protobuf::FieldDescriptor;
using ::google::protobuf::FileDescriptor;

// The two versions of the API differ in nothing but their names.
struct V1 {
  static constexpr char kName[] = "grpc.reflection.v1.ServerReflection";
  using Service = grpc::reflection::v1::ServerReflection::AsyncService;
  using Request = grpc::reflection::v1::ServerReflectionRequest;
  using Response = grpc::reflection::v1::ServerReflectionResponse;
};
struct V1Alpha {
  static constexpr char kName[] = "grpc.reflection.v1alpha.ServerReflection";
  using Service = grpc::reflection::v1alpha::ServerReflection::AsyncService;
  using Request = grpc::reflection::v1alpha::ServerReflectionRequest;
  using Response = grpc::reflection::v1alpha::ServerReflectionResponse;
};

constexpr size_t kShownBytesMax = 128;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

// One stream: reads a request, answers it, reads the next. Deletes itself at the end.
template <typename Version>
class ReflectionStream {
 public:
  ReflectionStream(typename Version::Service* service, const std::vector<std::string>* services,
                   AccessControl* access, CallQueue* queue)
      : service_(service), services_(services), access_(access), queue_(queue) {
    queue_->AddHandler();
    service_->RequestServerReflectionInfo(&server_context_, &stream_, queue_->get(), queue_->get(),
                                          &requested_);
  }
  ~ReflectionStream() { queue_->RemoveHandler(); }

 private:
  using Request = typename Version::Request;
  using Response = typename Version::Response;

  void OnRequested(bool ok) {
    if (!ok) {  // The server is shutting down.
      delete this;
      return;
    }
    new ReflectionStream(service_, services_, access_, queue_);
    const absl::Status may = CheckCaller();
    if (!may.ok()) return stream_.Finish(ToGrpcStatus(may), &finished_);
    stream_.Read(&request_, &read_);
  }

  absl::Status CheckCaller() {
    if (access_ == nullptr) return absl::OkStatus();
    const MethodRule* const rule = FindMethodRule(Version::kName, "ServerReflectionInfo");
    return Admit(access_, server_context_, rule).status();
  }

  void OnRead(bool ok) {
    if (!ok) return stream_.Finish(grpc::Status::OK, &finished_);
    response_.Clear();
    response_.set_valid_host(request_.host());
    *response_.mutable_original_request() = request_;
    Answer();
    stream_.Write(response_, &written_);
  }

  void OnWritten(bool ok) {
    if (!ok) return stream_.Finish(grpc::Status::CANCELLED, &finished_);
    stream_.Read(&request_, &read_);
  }

  void OnFinished(bool) { delete this; }

  void Answer() {
    switch (request_.message_request_case()) {
      case Request::kFileByFilename:
        return AnswerFile(Pool().FindFileByName(request_.file_by_filename()), "file",
                          request_.file_by_filename());
      case Request::kFileContainingSymbol:
        return AnswerFile(Pool().FindFileContainingSymbol(request_.file_containing_symbol()),
                          "symbol", request_.file_containing_symbol());
      case Request::kFileContainingExtension:
        return AnswerExtension();
      case Request::kAllExtensionNumbersOfType:
        return AnswerExtensionNumbers();
      case Request::kListServices:
        return AnswerServices();
      case Request::MESSAGE_REQUEST_NOT_SET:
        break;
    }
    AnswerError(grpc::StatusCode::INVALID_ARGUMENT, "the request asks for nothing");
  }

  void AnswerFile(const FileDescriptor* file, absl::string_view kind, absl::string_view name) {
    if (file == nullptr) return AnswerNotFound(kind, name);
    // What was asked for is always sent; what it needs, only once per stream.
    sent_.erase(file);
    AddFile(file);
  }

  void AddFile(const FileDescriptor* file) {
    if (!sent_.insert(file).second) return;
    google::protobuf::FileDescriptorProto proto;
    file->CopyTo(&proto);
    response_.mutable_file_descriptor_response()->add_file_descriptor_proto(
        proto.SerializeAsString());
    for (int i = 0; i < file->dependency_count(); ++i) AddFile(file->dependency(i));
  }

  void AnswerExtension() {
    const auto& wanted = request_.file_containing_extension();
    const Descriptor* type = Pool().FindMessageTypeByName(wanted.containing_type());
    if (type == nullptr) return AnswerNotFound("message", wanted.containing_type());
    const FieldDescriptor* extension =
        Pool().FindExtensionByNumber(type, wanted.extension_number());
    AnswerFile(extension == nullptr ? nullptr : extension->file(), "extension of",
               wanted.containing_type());
  }

  void AnswerExtensionNumbers() {
    const std::string& name = request_.all_extension_numbers_of_type();
    const Descriptor* type = Pool().FindMessageTypeByName(name);
    if (type == nullptr) return AnswerNotFound("message", name);
    auto* numbers = response_.mutable_all_extension_numbers_response();
    numbers->set_base_type_name(name);
    std::vector<const FieldDescriptor*> extensions;
    Pool().FindAllExtensions(type, &extensions);
    for (const FieldDescriptor* extension : extensions) {
      numbers->add_extension_number(extension->number());
    }
  }

  void AnswerServices() {
    auto* list = response_.mutable_list_services_response();
    for (const std::string& service : *services_) list->add_service()->set_name(service);
  }

  void AnswerNotFound(absl::string_view kind, absl::string_view name) {
    AnswerError(grpc::StatusCode::NOT_FOUND,
                absl::StrCat("there is no ", kind, " \"", error::Printable(name, kShownBytesMax),
                             "\" in this program"));
  }

  void AnswerError(grpc::StatusCode code, std::string message) {
    auto* answer = response_.mutable_error_response();
    answer->set_error_code(code);
    answer->set_error_message(std::move(message));
  }

  typename Version::Service* const service_;
  const std::vector<std::string>* const services_;
  AccessControl* const access_;
  CallQueue* const queue_;
  MemberTag<ReflectionStream> requested_{this, &ReflectionStream::OnRequested};
  MemberTag<ReflectionStream> read_{this, &ReflectionStream::OnRead};
  MemberTag<ReflectionStream> written_{this, &ReflectionStream::OnWritten};
  MemberTag<ReflectionStream> finished_{this, &ReflectionStream::OnFinished};
  grpc::ServerContext server_context_;
  grpc::ServerAsyncReaderWriter<Response, Request> stream_{&server_context_};
  std::set<const FileDescriptor*> sent_;
  Request request_;
  Response response_;
};

}  // namespace

ReflectionService::ReflectionService(std::vector<std::string> services, AccessControl* access)
    : services_(std::move(services)), access_(access) {}

void ReflectionService::Register(grpc::ServerBuilder* builder) {
  builder->RegisterService(&v1_);
  builder->RegisterService(&v1alpha_);
}

void ReflectionService::Start(CallQueue* queue) {
  new ReflectionStream<V1>(&v1_, &services_, access_, queue);
  new ReflectionStream<V1Alpha>(&v1alpha_, &services_, access_, queue);
}

}  // namespace router
