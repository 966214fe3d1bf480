#include "server/services/reflection.h"

#include <google/protobuf/descriptor.h>
#include <google/protobuf/descriptor.pb.h>
#include <grpcpp/support/server_callback.h>

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

constexpr size_t kShownBytesMax = 128;

const DescriptorPool& Pool() { return *DescriptorPool::generated_pool(); }

// One stream: reads a request, answers it, reads the next. Deletes itself at the end.
template <typename Version>
class ReflectionStream final
    : public grpc::ServerBidiReactor<typename Version::Request, typename Version::Response> {
  using Request = typename Version::Request;
  using Response = typename Version::Response;

 public:
  explicit ReflectionStream(const std::vector<std::string>& services) : services_(services) {
    this->StartRead(&request_);
  }

  // One that ends at once.
  ReflectionStream(const std::vector<std::string>& services, const grpc::Status& error)
      : services_(services) {
    this->Finish(error);
  }

  void OnReadDone(bool ok) override {
    if (!ok) {
      this->Finish(grpc::Status::OK);
      return;
    }
    response_.Clear();
    response_.set_valid_host(request_.host());
    *response_.mutable_original_request() = request_;
    Answer();
    this->StartWrite(&response_);
  }

  void OnWriteDone(bool ok) override {
    if (ok) {
      this->StartRead(&request_);
    } else {
      this->Finish(grpc::Status::CANCELLED);
    }
  }

  void OnDone() override { delete this; }

 private:
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
    for (const std::string& service : services_) list->add_service()->set_name(service);
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

  const std::vector<std::string>& services_;
  std::set<const FileDescriptor*> sent_;
  Request request_;
  Response response_;
};

}  // namespace

template <typename Version>
grpc::ServerBidiReactor<typename Version::Request, typename Version::Response>*
ReflectionService<Version>::ServerReflectionInfo(grpc::CallbackServerContext* context) {
  if (access_ == nullptr) return new ReflectionStream<Version>(services_);
  const absl::Status may =
      Admit(access_, *context, FindMethodRule(Version::kName, "ServerReflectionInfo")).status();
  if (!may.ok()) return new ReflectionStream<Version>(services_, ToGrpcStatus(may));
  return new ReflectionStream<Version>(services_);
}

template class ReflectionService<ReflectionV1>;
template class ReflectionService<ReflectionV1Alpha>;

}  // namespace router
