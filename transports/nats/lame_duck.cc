#include "transports/nats/lame_duck.h"

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/synchronization/mutex.h"

namespace router {
namespace {

class FlagTable {
 public:
  uint64_t Add(std::atomic<bool>* flag) {
    absl::MutexLock lock(&mutex_);
    flags_[++last_number_] = flag;
    return last_number_;
  }
  void Remove(uint64_t number) {
    absl::MutexLock lock(&mutex_);
    flags_.erase(number);
  }
  void Raise(uint64_t number) {
    absl::MutexLock lock(&mutex_);
    const auto found = flags_.find(number);
    if (found != flags_.end()) found->second->store(true, std::memory_order_relaxed);
  }

 private:
  absl::Mutex mutex_;
  uint64_t last_number_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::flat_hash_map<uint64_t, std::atomic<bool>*> flags_ ABSL_GUARDED_BY(mutex_);
};

// Never destroyed: the library's thread may outlive main.
FlagTable& Flags() {
  static FlagTable* const table = new FlagTable();
  return *table;
}

}  // namespace

LameDuckFlag::LameDuckFlag() : number_(Flags().Add(&raised_)) {}

LameDuckFlag::~LameDuckFlag() { Flags().Remove(number_); }

void* LameDuckFlag::closure() const { return reinterpret_cast<void*>(number_); }

void LameDuckFlag::Raise(void* closure) { Flags().Raise(reinterpret_cast<uint64_t>(closure)); }

}  // namespace router
