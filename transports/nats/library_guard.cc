#include "transports/nats/library_guard.h"

#include <dlfcn.h>
#include <nats/nats.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <cstring>

namespace router {
namespace {

constexpr size_t kFirstBytesMax = 4096;

thread_local BoundedConnectScope* t_connect = nullptr;
thread_local bool t_event_loop = false;

// The library's own function of this name.
template <typename Function>
Function* Original(const char* name) {
  void* const symbol = dlsym(RTLD_NEXT, name);
  if (symbol == nullptr) std::abort();  // Linked against no nats.c at all.
  return reinterpret_cast<Function*>(symbol);
}

bool IsKnownVersion() {
  static const bool known = std::strcmp(nats_GetVersion(), "3.4.1") == 0;
  return known;
}

int64_t MillisLeft(SteadyTime deadline) {
  const auto left = deadline - std::chrono::steady_clock::now();
  return std::max<int64_t>(0, std::chrono::ceil<std::chrono::milliseconds>(left).count());
}

}  // namespace

struct LibraryGuardAccess {
  // The library sets a socket's mode right after making it: so this is where it becomes known.
  static void NoteSocket(BoundedConnectScope* scope, int socket, bool blocking) {
    scope->socket_ = socket;
    if (!blocking) return;
    // Zero would mean no timeout.
    const int64_t millis = std::max<int64_t>(1, MillisLeft(scope->deadline_));
    timeval timeout;
    timeout.tv_sec = millis / 1000;
    timeout.tv_usec = millis % 1000 * 1000;
    setsockopt(socket, SOL_SOCKET, SO_RCVTIMEO, &timeout, sizeof(timeout));
    setsockopt(socket, SOL_SOCKET, SO_SNDTIMEO, &timeout, sizeof(timeout));
  }

  // Waits until the socket is ready; anything but NATS_OK ends the attempt.
  static natsStatus Wait(BoundedConnectScope* scope, bool for_read) {
    if (scope->socket_ < 0) return NATS_OK;
    pollfd fds[2] = {};
    fds[0].fd = scope->socket_;
    fds[0].events = for_read ? POLLIN : POLLOUT;
    fds[1].fd = scope->cancel_fd_;
    fds[1].events = POLLIN;
    const int count = poll(fds, 2, static_cast<int>(MillisLeft(scope->deadline_)));
    if (count > 0 && fds[1].revents != 0) {
      scope->cancelled_ = true;
      return NATS_CONNECTION_CLOSED;
    }
    if (count == 0) {
      scope->timed_out_ = true;
      return NATS_TIMEOUT;
    }
    return NATS_OK;
  }

  static void NoteRead(BoundedConnectScope* scope, const char* data, int size) {
    if (!scope->first_bytes_.empty() || size <= 0) return;
    scope->first_bytes_.assign(data, std::min<size_t>(static_cast<size_t>(size), kFirstBytesMax));
  }
};

BoundedConnectScope::BoundedConnectScope(SteadyTime deadline, int cancel_fd)
    : deadline_(deadline), cancel_fd_(cancel_fd) {
  t_connect = this;
}

BoundedConnectScope::~BoundedConnectScope() { t_connect = nullptr; }

EventLoopScope::EventLoopScope() { t_event_loop = true; }

EventLoopScope::~EventLoopScope() { t_event_loop = false; }

}  // namespace router

// The functions below have the library's names and types; a natsSockCtx is opaque here.
extern "C" {

natsStatus natsSock_SetBlocking(int socket, bool blocking) {
  static auto* const original = router::Original<natsStatus(int, bool)>("natsSock_SetBlocking");
  if (router::t_connect != nullptr && router::IsKnownVersion()) {
    router::LibraryGuardAccess::NoteSocket(router::t_connect, socket, blocking);
  }
  return original(socket, blocking);
}

natsStatus natsSock_WaitReady(int mode, void* context) {
  static auto* const original = router::Original<natsStatus(int, void*)>("natsSock_WaitReady");
  constexpr int kWaitForRead = 0;
  if (router::IsKnownVersion()) {
    if (router::t_connect != nullptr) {
      const natsStatus status =
          router::LibraryGuardAccess::Wait(router::t_connect, mode == kWaitForRead);
      if (status != NATS_OK) return status;
    } else if (router::t_event_loop && mode == kWaitForRead) {
      return NATS_TIMEOUT;  // Which natsSock_Read below takes for "nothing yet".
    }
  }
  return original(mode, context);
}

natsStatus natsSock_Read(void* context, char* buffer, size_t size, int* count) {
  static auto* const original =
      router::Original<natsStatus(void*, char*, size_t, int*)>("natsSock_Read");
  natsStatus status = original(context, buffer, size, count);
  if (!router::IsKnownVersion()) return status;
  if (status == NATS_OK) {
    if (router::t_connect != nullptr && count != nullptr) {
      router::LibraryGuardAccess::NoteRead(router::t_connect, buffer, *count);
    }
    return status;
  }
  if (count == nullptr) return NATS_CONNECTION_CLOSED;  // The loop that knows no other error.
  if (status == NATS_TIMEOUT && router::t_event_loop && router::t_connect == nullptr) {
    *count = 0;
    return NATS_OK;
  }
  return status;
}

bool natsMsg_IsNoResponders(natsMsg* message) {
  static auto* const original = router::Original<bool(natsMsg*)>("natsMsg_IsNoResponders");
  if (router::t_event_loop && router::IsKnownVersion()) return false;
  return original(message);
}

// "Not collected" makes the caller free it.
bool natsGC_collect(void* item) {
  static auto* const original = router::Original<bool(void*)>("natsGC_collect");
  if (router::t_event_loop && router::IsKnownVersion()) return false;
  return original(item);
}

}  // extern "C"
