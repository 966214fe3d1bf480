#ifndef ROUTER_SERVER_SERVICES_CALL_QUEUE_H_
#define ROUTER_SERVER_SERVICES_CALL_QUEUE_H_

#include <cstdint>
#include <memory>
#include <thread>
#include <vector>

#include <grpcpp/alarm.h>
#include <grpcpp/completion_queue.h>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "server/services/completion_tag.h"

namespace router {

// A completion queue and the one thread that serves it: the events of all calls on it are handled
// there, one after the other, so a handler needs no lock. Nearly all reading and writing of
// connections is done by this thread: two that do so at a time cost more than they do.
class CallQueue {
 public:
  explicit CallQueue(std::unique_ptr<grpc::ServerCompletionQueue> queue);
  // Shutdown must have been called, if Start was.
  ~CallQueue();
  CallQueue(const CallQueue&) = delete;
  CallQueue& operator=(const CallQueue&) = delete;

  void Start();

  // Waits until there is no handler left, then ends the thread. Call after Server::Shutdown has
  // returned: handlers that wait come back unused, the others end what they have begun.
  void Shutdown() ABSL_LOCKS_EXCLUDED(mutex_);

  grpc::ServerCompletionQueue* get() const { return queue_.get(); }

  // The thread will call `tag->Complete(true)`. What several threads post at about the same time it
  // does in one go. Thread-safe. Not once Shutdown has returned.
  void Post(CompletionTag* tag) ABSL_LOCKS_EXCLUDED(mutex_);

  // For the thread of this queue, while it handles an event: it calls `tag->Complete(true)` when it
  // has handled the other events that are there already, or a good many of them. Also what is asked
  // for at the end of a round comes in that round.
  void AtEndOfRound(CompletionTag* tag) { at_end_of_round_.push_back(tag); }

  // Whether the caller is the thread of this queue.
  bool IsThisThread() const;

  // Handlers there are, waiting ones included. Thread-safe.
  void AddHandler() ABSL_LOCKS_EXCLUDED(mutex_);
  void RemoveHandler() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Serve();
  void EndRound();
  void RunPosted(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);

  const std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::thread thread_;

  // Wakes the thread. Set again only once it has gone off and the thread has seen it.
  MemberTag<CallQueue> run_posted_{this, &CallQueue::RunPosted};
  grpc::Alarm alarm_ ABSL_GUARDED_BY(mutex_);

  absl::Mutex mutex_;
  bool alarm_is_set_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<CompletionTag*> posted_ ABSL_GUARDED_BY(mutex_);
  int64_t handlers_ ABSL_GUARDED_BY(mutex_) = 0;

  // Of the thread.
  std::vector<CompletionTag*> running_;
  std::vector<CompletionTag*> at_end_of_round_;
};

}  // namespace router

#endif  // ROUTER_SERVER_SERVICES_CALL_QUEUE_H_
