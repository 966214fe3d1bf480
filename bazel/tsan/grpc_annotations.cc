// Tells ThreadSanitizer what gRPC orders.
//
// Debian's gRPC is compiled without ThreadSanitizer, which therefore does not see that what
// precedes the start of an operation also precedes the arrival of its completion. The definitions
// below take the place of the library's and say so, operation by operation, by the tag that stands
// for it.

#include <dlfcn.h>
#include <grpc/grpc.h>
#include <sanitizer/tsan_interface.h>

#include <cstdio>
#include <cstdlib>

namespace {

template <typename Function>
Function* Original(const char* name, Function* /*replacement*/) {
  void* original = dlsym(RTLD_NEXT, name);
  if (original == nullptr) {
    std::fprintf(stderr, "grpc_annotations: no %s in gRPC\n", name);
    std::abort();
  }
  return reinterpret_cast<Function*>(original);
}

// The library's definition of a function, looked up once.
#define ROUTER_ORIGINAL(name)                               \
  ([] {                                                     \
    static auto* const original = Original(#name, &(name)); \
    return original;                                        \
  }())

grpc_event Arrived(const grpc_event& event) {
  if (event.type == GRPC_OP_COMPLETE) __tsan_acquire(event.tag);
  return event;
}

}  // namespace

extern "C" {

grpc_call_error grpc_call_start_batch(grpc_call* call, const grpc_op* ops, size_t ops_count,
                                      void* tag, void* reserved) {
  __tsan_release(tag);
  return ROUTER_ORIGINAL(grpc_call_start_batch)(call, ops, ops_count, tag, reserved);
}

grpc_call_error grpc_server_request_call(grpc_server* server, grpc_call** call,
                                         grpc_call_details* details, grpc_metadata_array* metadata,
                                         grpc_completion_queue* call_queue,
                                         grpc_completion_queue* notification_queue, void* tag) {
  __tsan_release(tag);
  return ROUTER_ORIGINAL(grpc_server_request_call)(server, call, details, metadata, call_queue,
                                                   notification_queue, tag);
}

grpc_call_error grpc_server_request_registered_call(
    grpc_server* server, void* method, grpc_call** call, gpr_timespec* deadline,
    grpc_metadata_array* metadata, grpc_byte_buffer** payload, grpc_completion_queue* call_queue,
    grpc_completion_queue* notification_queue, void* tag) {
  __tsan_release(tag);
  return ROUTER_ORIGINAL(grpc_server_request_registered_call)(
      server, method, call, deadline, metadata, payload, call_queue, notification_queue, tag);
}

grpc_event grpc_completion_queue_next(grpc_completion_queue* queue, gpr_timespec deadline,
                                      void* reserved) {
  return Arrived(ROUTER_ORIGINAL(grpc_completion_queue_next)(queue, deadline, reserved));
}

grpc_event grpc_completion_queue_pluck(grpc_completion_queue* queue, void* tag,
                                       gpr_timespec deadline, void* reserved) {
  return Arrived(ROUTER_ORIGINAL(grpc_completion_queue_pluck)(queue, tag, deadline, reserved));
}

}  // extern "C"
