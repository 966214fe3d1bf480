#include "transports/nats/stored_search.h"

#include <algorithm>
#include <chrono>

namespace router {
namespace {

// How far the clocks of router and broker may be apart.
constexpr absl::Duration kClockSkew = absl::Seconds(30);
// A message is sent again only while the stream will surely remember it on arrival.
constexpr absl::Duration kArrivalMax = absl::Seconds(5);

constexpr std::chrono::seconds kAnswerTimeout(2);
constexpr std::chrono::seconds kSearchTimeout(5);
constexpr std::chrono::seconds kSilenceMax(30);
constexpr size_t kSilentSubjectsMax = 10000;
constexpr size_t kSearchesAtATime = 32;
constexpr int kBatch = 512;

bool InsideWindow(absl::Time since, absl::Duration window, absl::Time wall) {
  return wall - since < window - kArrivalMax;
}

}  // namespace

void StoredSearch::Add(uint64_t number, absl::string_view subject, absl::string_view id,
                       absl::Time since, SteadyTime now) {
  const auto inserted = searches_.try_emplace(std::string(subject));
  Search& search = inserted.first->second;
  const bool too_late = search.step == Step::kCreateReader || search.step == Step::kRead;
  (too_late ? search.next : search.sought).emplace(number, Sought{std::string(id), since});
  if (inserted.second) not_begun_.emplace_back(subject);
  BeginSome(now);
  if (!is_permitted_) FinishNotBegun(Answer::kUnknown, now);
}

void StoredSearch::NotPermitted(SteadyTime now) {
  is_permitted_ = false;
  std::vector<std::string> begun;
  for (const auto& [subject, search] : searches_) {
    if (search.step != Step::kNotBegun) begun.push_back(subject);
  }
  FinishNotBegun(Answer::kUnknown, now);
  for (const std::string& subject : begun) {
    const auto found = searches_.find(subject);
    if (found != searches_.end()) Finish(found, Answer::kUnknown, now);
  }
  FinishNotBegun(Answer::kUnknown, now);
}

void StoredSearch::BeginSome(SteadyTime now) {
  while (is_permitted_ && begun_ < kSearchesAtATime && !not_begun_.empty()) {
    const std::string subject = std::move(not_begun_.front());
    not_begun_.pop_front();
    Search& search = searches_.find(subject)->second;
    ++begun_;
    search.step = Step::kFindStream;
    search.end_by = now + kSearchTimeout;
    Ask(subject, &search, StreamNamesRequest(subject), now);
  }
}

void StoredSearch::Ask(absl::string_view subject, Search* search, ApiRequest request,
                       SteadyTime now) {
  asked_.erase(search->question);
  search->question = ++last_question_;
  search->answer_by = now + kAnswerTimeout;
  asked_.emplace(search->question, subject);
  questions_.push_back({search->question, std::move(request)});
}

void StoredSearch::HandleAnswer(uint64_t question, bool no_responders, absl::string_view data,
                                absl::Time wall, SteadyTime now) {
  const auto asked = asked_.find(question);
  if (asked == asked_.end()) return;
  const std::string subject = asked->second;
  const auto found = searches_.find(subject);
  Search& search = found->second;
  if (no_responders || IsUnavailable(data)) return Finish(found, Answer::kLater, now);
  NoteAnswer(search.step);
  switch (search.step) {
    case Step::kNotBegun:
      return;
    case Step::kFindStream: {
      absl::optional<std::string> stream = ParseStreamName(data);
      if (!stream.has_value()) return Finish(found, Answer::kUnknown, now);
      // Where no stream takes the subject, the broker will say so to the message itself.
      if (stream->empty()) return Finish(found, Answer::kSendAgain, now);
      search.stream = *std::move(stream);
      search.step = Step::kGetFacts;
      return Ask(subject, &search, StreamInfoRequest(search.stream), now);
    }
    case Step::kGetFacts: {
      const absl::optional<StreamFacts> facts = ParseStreamInfo(data);
      if (!facts.has_value()) return Finish(found, Answer::kUnknown, now);
      return Judge(subject, &search, *facts, wall, now);
    }
    case Step::kCreateReader: {
      absl::optional<ReaderFacts> reader = ParseReaderCreated(data);
      if (!reader.has_value()) return Finish(found, Answer::kUnknown, now);
      search.reader = std::move(reader->name);
      readers_.emplace(search.reader, subject);
      search.step = Step::kRead;
      if (reader->pending > 0) return Read(subject, &search, now);
      return Finish(found, search.keeps_all ? Answer::kSendAgain : Answer::kUnknown, now);
    }
    case Step::kRead:
      // A reader answers with messages; anything else says that it will not go on.
      return Finish(found, Answer::kUnknown, now);
  }
}

// Settles what the facts alone settle, and reads the stream for the rest.
void StoredSearch::Judge(absl::string_view subject, Search* search, const StreamFacts& facts,
                         absl::Time wall, SteadyTime now) {
  absl::Time start = absl::InfiniteFuture();
  std::vector<uint64_t> again;
  for (const auto& [number, sought] : search->sought) {
    const absl::Time earliest = sought.since - kClockSkew;
    if (InsideWindow(sought.since, facts.duplicate_window, wall) || facts.last_time < earliest) {
      again.push_back(number);
    } else {
      start = std::min(start, earliest);
    }
  }
  for (const uint64_t number : again) Report(search, number, Answer::kSendAgain, 0);
  if (search->sought.empty()) return Finish(searches_.find(subject), Answer::kSendAgain, now);
  search->keeps_all = facts.keeps_all && (facts.first_time <= start || facts.first_sequence <= 1);
  for (const auto& [number, sought] : search->sought) {
    search->numbers_by_id.emplace(sought.id, number);
  }
  search->step = Step::kCreateReader;
  Ask(subject, search, CreateReaderRequest(search->stream, subject, start), now);
}

void StoredSearch::Read(absl::string_view subject, Search* search, SteadyTime now) {
  search->left_in_batch = kBatch;
  Ask(subject, search, ReadRequest(search->stream, search->reader, kBatch), now);
}

void StoredSearch::HandleMessage(absl::string_view reply_subject, absl::string_view id,
                                 SteadyTime now) {
  const absl::optional<ReaderMessage> message = ParseReaderMessage(reply_subject);
  if (!message.has_value()) return;
  const auto reader = readers_.find(message->reader);
  if (reader == readers_.end()) return;
  const std::string subject = reader->second;
  const auto found = searches_.find(subject);
  Search& search = found->second;
  search.answer_by = now + kAnswerTimeout;
  NoteAnswer(Step::kRead);
  const auto sought = search.numbers_by_id.find(id);
  if (sought != search.numbers_by_id.end()) {
    Report(&search, sought->second, Answer::kStored, message->sequence);
    search.numbers_by_id.erase(sought);
  }
  if (search.sought.empty() || message->pending == 0) {
    return Finish(found, search.keeps_all ? Answer::kSendAgain : Answer::kUnknown, now);
  }
  if (--search.left_in_batch == 0) Read(subject, &search, now);
}

void StoredSearch::Tick(SteadyTime now) {
  std::vector<std::string> late;
  for (const auto& [subject, search] : searches_) {
    if (search.step == Step::kNotBegun) continue;
    if (now >= search.answer_by || now >= search.end_by) late.push_back(subject);
  }
  for (const std::string& subject : late) {
    const auto found = searches_.find(subject);
    const Search& search = found->second;
    if (now < search.answer_by) {
      Finish(found, Answer::kUnknown, now);  // There is too much to read.
      continue;
    }
    const Answer answer = NoteSilence(search.step, subject, now);
    FinishNotBegun(answer, now);  // They would wait for the same silence, and others behind them.
    Finish(found, answer, now);
  }
}

void StoredSearch::NoteAnswer(Step step) { silent_steps_[static_cast<size_t>(step)].reset(); }

StoredSearch::Answer StoredSearch::NoteSilence(Step step, const std::string& subject,
                                               SteadyTime now) {
  absl::optional<SteadyTime>& silent_step = silent_steps_[static_cast<size_t>(step)];
  if (!silent_step.has_value()) silent_step = now;
  if (silent_subjects_.size() >= kSilentSubjectsMax) silent_subjects_.clear();
  const SteadyTime silent_subject = silent_subjects_.try_emplace(subject, now).first->second;
  const SteadyTime since = std::min(*silent_step, silent_subject);
  return now - since < kSilenceMax ? Answer::kLater : Answer::kUnknown;
}

void StoredSearch::FinishNotBegun(Answer answer, SteadyTime now) {
  std::deque<std::string> subjects;
  subjects.swap(not_begun_);
  begun_ += subjects.size();
  for (const std::string& subject : subjects) Finish(searches_.find(subject), answer, now);
}

void StoredSearch::Report(Search* search, uint64_t number, Answer answer, uint64_t sequence) {
  search->sought.erase(number);
  results_.push_back({number, answer, search->stream, sequence});
}

void StoredSearch::Finish(SearchMap::iterator found, Answer answer_for_rest, SteadyTime now) {
  Search& search = found->second;
  std::vector<uint64_t> rest;
  for (const auto& entry : search.sought) rest.push_back(entry.first);
  std::sort(rest.begin(), rest.end());
  for (const uint64_t number : rest) Report(&search, number, answer_for_rest, 0);
  if (!search.reader.empty()) {
    questions_.push_back({0, DeleteReaderRequest(search.stream, search.reader)});
    readers_.erase(search.reader);
  }
  asked_.erase(search.question);
  if (answer_for_rest != Answer::kLater) silent_subjects_.erase(found->first);
  --begun_;
  absl::flat_hash_map<uint64_t, Sought> next = std::move(search.next);
  if (next.empty()) {
    searches_.erase(found);
  } else {
    search = Search();
    search.sought = std::move(next);
    not_begun_.push_back(found->first);
  }
  BeginSome(now);
}

}  // namespace router
