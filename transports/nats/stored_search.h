#ifndef ROUTER_TRANSPORTS_NATS_STORED_SEARCH_H_
#define ROUTER_TRANSPORTS_NATS_STORED_SEARCH_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/optional.h"
#include "transports/nats/jetstream_api.h"
#include "transports/transport.h"

namespace router {

// Finds out whether messages that were sent before, and never confirmed, are in their stream.
//
// Inside the stream's duplicate window nobody has to look: a message sent again with its id is
// stored once. Beyond it the stream is read, headers only, from the time of the first attempt on,
// and the ids are compared. Messages of one subject share one reading. Where JetStream is silent
// the answer is kLater, and after half a minute of silence to one kind of question kUnknown: it may
// not be permitted. Does no I/O itself: takes what was answered, and says what is to be asked. Not
// thread-safe.
class StoredSearch {
 public:
  enum class Answer {
    kSendAgain,  // It is not stored, or the stream would notice: to be sent as it is.
    kStored,     // It is stored, as `sequence` of `stream`.
    kLater,      // JetStream gives no answer just now: to be asked again, not to be sent.
    kUnknown,    // Nobody can know: the stream has removed messages since, or does not let us look.
  };
  struct Result {
    uint64_t number = 0;
    Answer answer = Answer::kUnknown;
    std::string stream;
    uint64_t sequence = 0;
  };
  // To be asked now; the answer goes to HandleAnswer with `question`. 0: nobody waits for one.
  struct Question {
    uint64_t question = 0;
    ApiRequest request;
  };

  bool empty() const { return searches_.empty(); }

  // Starts looking for the message with this id, sent to `subject` for the first time at or after
  // `since`, on the clocks of the router and of the broker, which may differ by half a minute.
  // `number` stands for it in the result.
  void Add(uint64_t number, absl::string_view subject, absl::string_view id, absl::Time since,
           SteadyTime now);

  void HandleAnswer(uint64_t question, bool no_responders, absl::string_view data, absl::Time wall,
                    SteadyTime now);
  // A message that a reader has delivered; `reply_subject` is its reply subject.
  void HandleMessage(absl::string_view reply_subject, absl::string_view id, SteadyTime now);
  // The server does not let us ask: from now on every answer is kUnknown, at once.
  void NotPermitted(SteadyTime now);
  // Gives up where the broker is silent, or there is too much to read.
  void Tick(SteadyTime now);

  std::vector<Question> TakeQuestions() { return std::exchange(questions_, {}); }
  std::vector<Result> TakeResults() { return std::exchange(results_, {}); }

 private:
  enum class Step { kNotBegun, kFindStream, kGetFacts, kCreateReader, kRead };
  static constexpr size_t kStepCount = 5;
  struct Sought {
    std::string id;
    absl::Time since;
  };
  // The search on one subject.
  struct Search {
    Step step = Step::kNotBegun;
    absl::flat_hash_map<uint64_t, Sought> sought;
    absl::flat_hash_map<uint64_t, Sought> next;  // Came too late for the present reading.
    absl::flat_hash_map<std::string, uint64_t> numbers_by_id;  // While reading.
    std::string stream;
    std::string reader;
    bool keeps_all = false;  // What is not found is not stored.
    int left_in_batch = 0;
    uint64_t question = 0;
    SteadyTime answer_by;
    SteadyTime end_by;
  };
  using SearchMap = absl::flat_hash_map<std::string, Search>;

  void BeginSome(SteadyTime now);
  void Ask(absl::string_view subject, Search* search, ApiRequest request, SteadyTime now);
  void Judge(absl::string_view subject, Search* search, const StreamFacts& facts, absl::Time wall,
             SteadyTime now);
  void Read(absl::string_view subject, Search* search, SteadyTime now);
  void Finish(SearchMap::iterator search, Answer answer_for_rest, SteadyTime now);
  void FinishNotBegun(Answer answer, SteadyTime now);
  void NoteAnswer(Step step);
  Answer NoteSilence(Step step, const std::string& subject, SteadyTime now);
  void Report(Search* search, uint64_t number, Answer answer, uint64_t sequence);

  SearchMap searches_;  // By subject.
  std::deque<std::string> not_begun_;
  size_t begun_ = 0;
  bool is_permitted_ = true;
  absl::flat_hash_map<uint64_t, std::string> asked_;       // The subject of each question.
  absl::flat_hash_map<std::string, std::string> readers_;  // The subject of each reader.
  // Since when there has been nothing but silence: to each kind of question, and about a subject.
  std::array<absl::optional<SteadyTime>, kStepCount> silent_steps_;
  absl::flat_hash_map<std::string, SteadyTime> silent_subjects_;
  std::vector<Question> questions_;
  std::vector<Result> results_;
  uint64_t last_question_ = 0;
};

}  // namespace router

#endif  // ROUTER_TRANSPORTS_NATS_STORED_SEARCH_H_
