#include "transports/nats/stored_search.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace router {
namespace {

using std::chrono::seconds;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using Answer = StoredSearch::Answer;

constexpr char kStreams[] = R"({"streams":["S"]})";
constexpr char kReader[] = R"({"name":"r","num_pending":2})";

class StoredSearchTest : public ::testing::Test {
 protected:
  void Add(uint64_t number, const std::string& id, absl::Duration age = absl::Minutes(10)) {
    search_.Add(number, "s.a", id, wall_ - age, now_);
  }

  // The only question there is; "" where there is none.
  std::string Asked() {
    const std::vector<StoredSearch::Question> questions = search_.TakeQuestions();
    if (questions.empty()) return "";
    question_ = questions.back().question;
    data_ = questions.back().request.data;
    return questions.back().request.subject;
  }
  void AnswerWith(const std::string& data) {
    search_.HandleAnswer(question_, /*no_responders=*/false, data, wall_, now_);
  }
  void Message(int sequence, int pending, const std::string& id) {
    search_.HandleMessage(absl::StrCat("$JS.ACK.S.r.1.", sequence, ".1.123.", pending), id, now_);
  }

  // The answer of STREAM.INFO; times are so long ago.
  std::string Facts(absl::Duration first, absl::Duration last, const std::string& more = "") {
    return absl::StrCat(R"({"config":{"retention":"limits","duplicate_window":120000000000},)",
                        R"("state":{"messages":9,"first_seq":5,"last_seq":13,"first_ts":")",
                        absl::FormatTime(wall_ - first), R"(","last_ts":")",
                        absl::FormatTime(wall_ - last), "\"", more, "}}");
  }
  void GetAsFarAsReading(const std::string& facts) {
    ASSERT_EQ(Asked(), "$JS.API.STREAM.NAMES");
    AnswerWith(kStreams);
    ASSERT_EQ(Asked(), "$JS.API.STREAM.INFO.S");
    AnswerWith(facts);
    ASSERT_EQ(Asked(), "$JS.API.CONSUMER.CREATE.S");
    AnswerWith(kReader);
    ASSERT_EQ(Asked(), "$JS.API.CONSUMER.MSG.NEXT.S.r");
  }
  Answer OnlyAnswer() {
    const std::vector<StoredSearch::Result> results = search_.TakeResults();
    EXPECT_THAT(results, SizeIs(1));
    return results.empty() ? Answer::kUnknown : results[0].answer;
  }

  StoredSearch search_;
  absl::Time wall_ = absl::FromUnixSeconds(1'800'000'000);
  SteadyTime now_;
  uint64_t question_ = 0;
  std::string data_;
};

TEST_F(StoredSearchTest, FindsTheIdInItsStream) {
  Add(7, "x");
  GetAsFarAsReading(Facts(absl::Hours(1), absl::Minutes(1)));
  Message(11, 1, "other");
  EXPECT_THAT(search_.TakeResults(), IsEmpty());
  Message(12, 0, "x");
  const std::vector<StoredSearch::Result> results = search_.TakeResults();
  ASSERT_THAT(results, SizeIs(1));
  EXPECT_EQ(results[0].number, 7);
  EXPECT_EQ(results[0].answer, Answer::kStored);
  EXPECT_EQ(results[0].stream, "S");
  EXPECT_EQ(results[0].sequence, 12);
  EXPECT_EQ(Asked(), "$JS.API.CONSUMER.DELETE.S.r");
  EXPECT_TRUE(search_.empty());
}

TEST_F(StoredSearchTest, WhatIsNotInTheWholeStreamIsSentAgain) {
  Add(7, "x");
  GetAsFarAsReading(Facts(absl::Hours(1), absl::Minutes(1)));
  Message(11, 1, "a");
  Message(12, 0, "b");
  EXPECT_EQ(OnlyAnswer(), Answer::kSendAgain);
}

TEST_F(StoredSearchTest, StreamThatHasRemovedMessagesSinceProvesNothing) {
  for (const std::string& facts :
       {Facts(absl::Minutes(5), absl::Minutes(1)),
        Facts(absl::Hours(1), absl::Minutes(1), R"(,"num_deleted":1)")}) {
    Add(7, "x");
    GetAsFarAsReading(facts);
    Message(12, 0, "b");
    EXPECT_EQ(OnlyAnswer(), Answer::kUnknown);
    search_.TakeQuestions();
  }
}

TEST_F(StoredSearchTest, InsideTheDuplicateWindowNobodyLooks) {
  Add(7, "x", absl::Seconds(100));
  Asked();
  AnswerWith(kStreams);
  Asked();
  AnswerWith(Facts(absl::Hours(1), absl::Minutes(1)));
  EXPECT_EQ(OnlyAnswer(), Answer::kSendAgain);
  EXPECT_EQ(Asked(), "");
}

TEST_F(StoredSearchTest, JustInsideTheDuplicateWindowIsTooLateToSend) {
  Add(7, "x", absl::Seconds(116));
  GetAsFarAsReading(Facts(absl::Hours(1), absl::Minutes(1)));
}

TEST_F(StoredSearchTest, StreamWithNothingNewIsNotRead) {
  Add(7, "x", absl::Minutes(10));
  Asked();
  AnswerWith(kStreams);
  Asked();
  AnswerWith(Facts(absl::Hours(2), absl::Minutes(11)));
  EXPECT_EQ(OnlyAnswer(), Answer::kSendAgain);
  EXPECT_EQ(Asked(), "");
}

TEST_F(StoredSearchTest, ReadsFromBeforeTheFirstAttempt) {
  Add(7, "x", absl::Minutes(10));
  Asked();
  AnswerWith(kStreams);
  Asked();
  AnswerWith(Facts(absl::Hours(1), absl::Minutes(1)));
  Asked();
  EXPECT_TRUE(absl::StrContains(
      data_, absl::FormatTime(absl::RFC3339_full, wall_ - absl::Minutes(10) - absl::Seconds(30),
                              absl::UTCTimeZone())))
      << data_;
}

TEST_F(StoredSearchTest, WithoutAStreamTheBrokerWillSaySoItself) {
  Add(7, "x");
  Asked();
  AnswerWith(R"({"streams":null})");
  EXPECT_EQ(OnlyAnswer(), Answer::kSendAgain);
}

TEST_F(StoredSearchTest, AnErrorOrNonsenseMeansUnknown) {
  for (const char* const answer : {R"({"error":{"code":404}})", "nonsense", ""}) {
    Add(7, "x");
    Asked();
    AnswerWith(answer);
    EXPECT_EQ(OnlyAnswer(), Answer::kUnknown) << answer;
  }
}

TEST_F(StoredSearchTest, WithoutALeaderItIsToBeAskedAgain) {
  Add(7, "x");
  Asked();
  AnswerWith(R"({"error":{"code":503}})");
  EXPECT_EQ(OnlyAnswer(), Answer::kLater);
  Add(7, "x");
  Asked();
  search_.HandleAnswer(question_, /*no_responders=*/true, "", wall_, now_);
  EXPECT_EQ(OnlyAnswer(), Answer::kLater);
}

TEST_F(StoredSearchTest, SilenceMeansLaterAndInTheEndUnknown) {
  for (int i = 0; i < 10; ++i) {
    Add(7, "x");
    now_ += seconds(1);
    search_.Tick(now_);
    EXPECT_THAT(search_.TakeResults(), IsEmpty());
    now_ += seconds(2);
    search_.Tick(now_);
    EXPECT_EQ(OnlyAnswer(), Answer::kLater);
  }
  Add(7, "x");
  now_ += seconds(3);
  search_.Tick(now_);
  EXPECT_EQ(OnlyAnswer(), Answer::kUnknown);
}

TEST_F(StoredSearchTest, WhereAskingIsNotPermittedEverythingIsUnknownAtOnce) {
  Add(7, "x");
  search_.NotPermitted(now_);
  EXPECT_EQ(OnlyAnswer(), Answer::kUnknown);
  search_.TakeQuestions();
  Add(8, "y");
  EXPECT_EQ(OnlyAnswer(), Answer::kUnknown);
  EXPECT_EQ(Asked(), "");
  EXPECT_TRUE(search_.empty());
}

TEST_F(StoredSearchTest, NobodyWaitsForTheSilenceAboutOthers) {
  for (uint64_t number = 1; number <= 100; ++number) {
    search_.Add(number, absl::StrCat("s.", number), "x", wall_, now_);
  }
  EXPECT_THAT(search_.TakeQuestions(), SizeIs(32));
  now_ += seconds(3);
  search_.Tick(now_);
  EXPECT_THAT(search_.TakeResults(), SizeIs(100));
  EXPECT_TRUE(search_.empty());
}

TEST_F(StoredSearchTest, ReadingEndsAfterSomeSeconds) {
  Add(7, "x");
  GetAsFarAsReading(Facts(absl::Hours(1), absl::Minutes(1)));
  for (int i = 0; i < 6; ++i) {
    now_ += seconds(1);
    search_.Tick(now_);
    Message(i + 1, 1000000, "other");
  }
  EXPECT_EQ(OnlyAnswer(), Answer::kUnknown);
}

TEST_F(StoredSearchTest, WhatComesDuringTheReadingGetsOneOfItsOwn) {
  Add(7, "x");
  GetAsFarAsReading(Facts(absl::Hours(1), absl::Minutes(1)));
  Add(8, "y");
  Message(12, 0, "x");
  EXPECT_EQ(OnlyAnswer(), Answer::kStored);
  EXPECT_EQ(Asked(), "$JS.API.STREAM.NAMES");
  EXPECT_FALSE(search_.empty());
}

TEST_F(StoredSearchTest, LongReadingAsksForMore) {
  Add(7, "x");
  GetAsFarAsReading(Facts(absl::Hours(1), absl::Minutes(1)));
  for (int i = 1; i <= 512; ++i) Message(i, 1000 - i, "other");
  EXPECT_EQ(Asked(), "$JS.API.CONSUMER.MSG.NEXT.S.r");
}

}  // namespace
}  // namespace router
