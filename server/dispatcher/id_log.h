#ifndef ROUTER_SERVER_DISPATCHER_ID_LOG_H_
#define ROUTER_SERVER_DISPATCHER_ID_LOG_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <utility>

#include "absl/container/flat_hash_set.h"

namespace router {

// Message ids, by their hashes, each with a value, in the order in which they were added: found by
// hash in constant time, forgotten one by one or from the oldest on. Values stand in the log
// itself, and the index holds four bytes for each: a million ids take their entries and about 10
// MB. Holds less than 2^32 ids. Not thread-safe.
template <typename Value>
class IdLog {
 public:
  struct Entry {
    uint64_t id_hash;
    Value value;
  };

  // Erased entries stand in the log until those before them are gone: at most as many as there are
  // ids, and this many.
  static constexpr size_t kErasedFew = 1024;

  IdLog() : index_(0, Hash{this}, Equal{this}) {}
  IdLog(const IdLog&) = delete;
  IdLog& operator=(const IdLog&) = delete;

  size_t size() const { return index_.size(); }
  bool empty() const { return index_.empty(); }
  // Ids, and erased ones that still take memory.
  size_t EntriesHeld() const { return entries_.size(); }

  // Null when the id is not known. Valid until the next change.
  const Value* Find(uint64_t id_hash) const {
    if (index_.empty()) return nullptr;
    const auto found = index_.find(id_hash);
    return found == index_.end() ? nullptr : &At(*found).value;
  }

  // The id must not be known.
  void Add(uint64_t id_hash, const Value& value) {
    entries_.push_back({id_hash, value});
    index_.insert(static_cast<uint32_t>(first_ + entries_.size() - 1));
  }

  // Nothing happens where the id is not known.
  void Erase(uint64_t id_hash) {
    index_.erase(id_hash);
    DropErased();
  }

  // The one that was added first. There must be one.
  const Entry& oldest() const { return entries_.front(); }
  void EraseOldest() { Erase(entries_.front().id_hash); }

  // Finds the entry for which `key_of(value)` is `key`, where those keys grow in the order of
  // adding. Null when there is none. Takes logarithmic time.
  template <typename KeyOf>
  const Entry* FindOrdered(uint64_t key, const KeyOf& key_of) const {
    const auto found = std::lower_bound(
        entries_.begin(), entries_.end(), key,
        [&](const Entry& entry, uint64_t sought) { return key_of(entry.value) < sought; });
    if (found == entries_.end() || key_of(found->value) != key) return nullptr;
    return IsKnown(static_cast<size_t>(found - entries_.begin())) ? &*found : nullptr;
  }

 private:
  // The index holds the numbers of entries, counted from the first one ever and cut to 32 bits.
  struct Hash {
    using is_transparent = void;
    const IdLog* log;
    size_t operator()(uint32_t number) const { return log->At(number).id_hash; }
    size_t operator()(uint64_t id_hash) const { return id_hash; }
  };
  struct Equal {
    using is_transparent = void;
    const IdLog* log;
    bool operator()(uint32_t a, uint32_t b) const { return a == b; }
    bool operator()(uint32_t a, uint64_t b) const { return log->At(a).id_hash == b; }
    bool operator()(uint64_t a, uint32_t b) const { return log->At(b).id_hash == a; }
  };

  const Entry& At(uint32_t number) const {
    return entries_[number - static_cast<uint32_t>(first_)];
  }

  // Whether the entry at `offset` was not erased since.
  bool IsKnown(size_t offset) const {
    const auto found = index_.find(entries_[offset].id_hash);
    return found != index_.end() && *found == static_cast<uint32_t>(first_ + offset);
  }

  // The oldest entry is a known one again, afterwards.
  void DropErased() {
    while (!entries_.empty() && !IsKnown(0)) {
      entries_.pop_front();
      ++first_;
    }
    if (entries_.size() > 2 * index_.size() + kErasedFew) Compact();
  }

  void Compact() {
    std::deque<Entry> known;
    for (size_t offset = 0; offset < entries_.size(); ++offset) {
      if (IsKnown(offset)) known.push_back(std::move(entries_[offset]));
    }
    index_.clear();
    entries_ = std::move(known);
    for (size_t offset = 0; offset < entries_.size(); ++offset) {
      index_.insert(static_cast<uint32_t>(first_ + offset));
    }
  }

  std::deque<Entry> entries_;
  uint64_t first_ = 0;  // The number of the oldest entry.
  absl::flat_hash_set<uint32_t, Hash, Equal> index_;
};

}  // namespace router

#endif  // ROUTER_SERVER_DISPATCHER_ID_LOG_H_
