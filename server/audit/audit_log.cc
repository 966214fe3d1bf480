#include "server/audit/audit_log.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "server/base/utf8.h"
#include "server/errors/errors.h"
#include "server/pending/durable_file.h"

namespace router {
namespace {

absl::Status IoError(const absl::Status& status) { return error::StateIoError(status.message()); }

void Clean(std::string* text) {
  if (!IsUtf8(*text)) {
    *text = error::Printable(*text, kAuditTextBytesMax / 4);  // A byte becomes up to four.
  } else if (text->size() > kAuditTextBytesMax) {
    *text = std::string(CutUtf8(*text, kAuditTextBytesMax));
  }
}

// Collects a page from events that come newest first.
class PageBuilder {
 public:
  PageBuilder(size_t page_size, absl::FunctionRef<bool(const AuditEvent&)> matches)
      : page_size_(std::max<size_t>(page_size, 1)), matches_(matches) {}

  // False once the page is full and there is more to come.
  bool Add(const AuditEvent& event) {
    if (!matches_(event)) return true;
    if (page_.events.size() == page_size_) {
      page_.next_before_id = page_.events.back().id;
      return false;
    }
    page_.events.push_back(event);
    return true;
  }

  AuditPage Take() { return std::move(page_); }

 private:
  const size_t page_size_;
  const absl::FunctionRef<bool(const AuditEvent&)> matches_;
  AuditPage page_;
};

// Adds the events of a file with ids below `before_id`. False once the page is full.
absl::StatusOr<bool> AddFromFile(BackwardLineReader* reader, absl::string_view before_id,
                                 PageBuilder* page) {
  std::string line;
  while (true) {
    absl::StatusOr<bool> has_line = reader->Next(&line);
    if (!has_line.ok()) return has_line.status();
    if (!*has_line) return true;
    const absl::optional<AuditEvent> event = FromJsonLine(line);
    if (!event.has_value() || (!before_id.empty() && event->id >= before_id)) continue;
    if (!page->Add(*event)) return false;
  }
}

}  // namespace

absl::StatusOr<std::unique_ptr<AuditLog>> AuditLog::Open(const AuditLogOptions& options,
                                                         Clock* clock,
                                                         const DamageReporter& on_damage) {
  if (absl::Status status = CreateDirectories(options.dir); !status.ok()) return IoError(status);
  std::unique_ptr<AuditLog> log(new AuditLog(options, clock));
  std::vector<std::string> damage;
  const absl::Status status = log->Load(&damage);
  for (const std::string& what : damage) on_damage(what);
  if (!status.ok()) return IoError(status);
  return log;
}

AuditLog::AuditLog(const AuditLogOptions& options, Clock* clock)
    : options_(options),
      path_(absl::StrCat(options.dir, "/", options.file_name)),
      rotated_path_(absl::StrCat(path_, ".1")),
      next_path_(absl::StrCat(path_, ".new")),
      clock_(clock) {}

absl::Status AuditLog::Load(std::vector<std::string>* damage) {
  absl::MutexLock lock(&mutex_);
  bool was_torn = false;
  if (absl::Status status = file_.Open(path_, &was_torn); !status.ok()) return status;
  if (was_torn) {
    damage->push_back(absl::StrCat(
        path_, " ended in the middle of a line, as after a crash; the line has been closed off"));
  }
  if (absl::Status status = LoadFile(path_, was_torn, damage); !status.ok()) return status;
  return LoadFile(rotated_path_, false, damage);
}

absl::Status AuditLog::LoadFile(const std::string& path, bool first_is_torn,
                                std::vector<std::string>* damage) {
  BackwardLineReader reader;
  if (absl::Status status = reader.Open(path); !status.ok()) return status;
  int64_t bad_lines = 0;
  std::string line;
  for (bool is_first = true; !has_older_; is_first = false) {
    const absl::StatusOr<bool> has_line = reader.Next(&line);
    if (!has_line.ok()) return has_line.status();
    if (!*has_line) break;
    absl::optional<AuditEvent> event = FromJsonLine(line);
    if (!event.has_value()) {
      const bool is_known = (is_first && first_is_torn) || line.empty();
      bad_lines += is_known ? 0 : 1;
      continue;
    }
    last_id_ = std::max(last_id_, *ParseAuditId(event->id));
    const int64_t bytes = SizeBytes(*event);
    if (!MemoryHasRoom(bytes)) {
      has_older_ = true;
      break;
    }
    newest_bytes_ += bytes;
    newest_.push_front(std::make_shared<const AuditEvent>(*std::move(event)));
  }
  if (bad_lines > 0) {
    damage->push_back(
        absl::StrCat(path, " has ", bad_lines, " lines that are no events; passed over"));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> AuditLog::Record(AuditEvent event) {
  for (std::string* text : {&event.actor, &event.method, &event.reason, &event.detail,
                            &event.outcome, &event.request_id}) {
    Clean(text);
  }
  absl::StatusOr<std::string> id = Write(&event);
  if (id.ok()) return id;
  if (options_.on_error != nullptr) options_.on_error(event, id.status());
  return IoError(id.status());
}

absl::StatusOr<std::string> AuditLog::Write(AuditEvent* event) {
  absl::MutexLock lock(&mutex_);
  event->time = clock_->WallNow();
  event->id = NextId(event->time);
  const std::string line = ToJsonLine(*event);
  if (absl::Status status = RotateIfFull(line.size()); !status.ok()) return status;
  if (absl::Status status = file_.Append(line); !status.ok()) return status;
  std::string id = event->id;
  Remember(std::move(*event));
  return id;
}

absl::StatusOr<AuditPage> AuditLog::List(size_t page_size, absl::string_view before_id,
                                         absl::FunctionRef<bool(const AuditEvent&)> matches) const {
  std::vector<EventPtr> events;
  std::string files_before_id(before_id);
  BackwardLineReader readers[2];
  bool has_older;
  {
    absl::MutexLock lock(&mutex_);
    has_older = has_older_;
    for (auto it = newest_.rbegin(); it != newest_.rend(); ++it) {
      if (before_id.empty() || (*it)->id < before_id) events.push_back(*it);
    }
    const bool starts_in_memory = !newest_.empty() && (before_id.empty() || !events.empty());
    if (starts_in_memory) files_before_id = newest_.front()->id;
    if (has_older) {
      // Opened now, a rotation that comes between takes nothing away.
      absl::Status status = readers[0].Open(path_);
      if (status.ok()) status = readers[1].Open(rotated_path_);
      if (!status.ok()) return IoError(status);
    }
  }
  PageBuilder page(page_size, matches);
  for (const EventPtr& event : events) {
    if (!page.Add(*event)) return page.Take();
  }
  for (BackwardLineReader& reader : readers) {
    if (!has_older) break;
    const absl::StatusOr<bool> goes_on = AddFromFile(&reader, files_before_id, &page);
    if (!goes_on.ok()) return IoError(goes_on.status());
    if (!*goes_on) break;
  }
  return page.Take();
}

absl::Status AuditLog::RotateIfFull(size_t line_bytes) {
  const int64_t size_bytes = file_.size_bytes();
  const bool fits = size_bytes + static_cast<int64_t>(line_bytes) <= options_.file_bytes_max;
  if (size_bytes > 0 && !fits) {
    if (absl::Status status = Rotate(); !status.ok()) return status;
  }
  if (names_are_durable_) return absl::OkStatus();
  // What is written to a file whose name a power cut takes away is lost.
  absl::Status status = SyncDirectory(options_.dir);
  names_are_durable_ = status.ok();
  return status;
}

// In an order in which every step may be the last one: the full file is under one of its two names,
// and nothing but the file before it goes. Whatever failed is done by the next call.
absl::Status AuditLog::Rotate() {
  AuditFile next;
  bool was_torn = false;
  if (absl::Status status = next.Open(next_path_, &was_torn); !status.ok()) return status;
  // Moved already where an earlier call came as far as this: then `path_` is nobody's.
  if (file_.path() != rotated_path_) {
    if (absl::Status status = file_.Rename(rotated_path_); !status.ok()) return status;
  }
  if (absl::Status status = SyncDirectory(options_.dir); !status.ok()) return status;
  if (absl::Status status = next.Rename(path_); !status.ok()) return status;
  file_ = std::move(next);
  names_are_durable_ = false;
  return absl::OkStatus();
}

std::string AuditLog::NextId(absl::Time now) {
  // The time, so that ids go on growing also where the files of earlier runs are gone.
  const auto micros = static_cast<uint64_t>(std::max<int64_t>(absl::ToUnixMicros(now), 0));
  last_id_ = std::max(last_id_ + 1, micros);
  if ((last_id_ % 2 == 1) != options_.has_odd_ids) ++last_id_;
  return MakeAuditId(last_id_);
}

bool AuditLog::MemoryHasRoom(int64_t bytes) const {
  return newest_.size() < options_.memory_events_max &&
         newest_bytes_ + bytes <= options_.memory_bytes_max;
}

void AuditLog::Remember(AuditEvent event) {
  const int64_t bytes = SizeBytes(event);
  while (!newest_.empty() && !MemoryHasRoom(bytes)) {
    newest_bytes_ -= SizeBytes(*newest_.front());
    newest_.pop_front();
    has_older_ = true;
  }
  newest_bytes_ += bytes;
  newest_.push_back(std::make_shared<const AuditEvent>(std::move(event)));
}

absl::StatusOr<AuditPage> ListBoth(const AuditLog& one, const AuditLog& other, size_t page_size,
                                   absl::string_view before_id,
                                   absl::FunctionRef<bool(const AuditEvent&)> matches) {
  absl::StatusOr<AuditPage> page = one.List(page_size, before_id, matches);
  if (!page.ok()) return page;
  absl::StatusOr<AuditPage> more = other.List(page_size, before_id, matches);
  if (!more.ok()) return more;
  std::vector<AuditEvent>& events = page->events;
  events.insert(events.end(), std::make_move_iterator(more->events.begin()),
                std::make_move_iterator(more->events.end()));
  std::sort(events.begin(), events.end(),
            [](const AuditEvent& a, const AuditEvent& b) { return a.id > b.id; });
  const size_t size = std::min(events.size(), std::max<size_t>(page_size, 1));
  const bool has_more =
      events.size() > size || !page->next_before_id.empty() || !more->next_before_id.empty();
  events.resize(size);
  page->next_before_id = has_more ? events.back().id : "";
  return page;
}

}  // namespace router
