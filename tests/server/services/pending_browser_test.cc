#include "server/services/pending_browser.h"

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/errors/errors.h"
#include "server/services/list_filters.h"
#include "tests/server/dispatcher/router_rig.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class PendingBrowserTest : public ::testing::Test {
 protected:
  // Operations 1 to `count`, on the subjects "a" (even) and "b" (odd).
  void Fill(int count) {
    for (int i = 1; i <= count; ++i) {
      rig_.Queue({i % 2 == 0 ? "a" : "b", absl::StrCat("payload ", i)});
    }
  }

  PendingBrowser::Page List(const std::string& filter, int32_t size, const std::string& token) {
    const absl::StatusOr<PendingBrowser::Page> page = browser_.List(filter, size, token, false);
    EXPECT_TRUE(page.ok()) << page.status();
    return page.ok() ? *page : PendingBrowser::Page();
  }

  std::string ReasonOfList(const std::string& filter, int32_t size, const std::string& token) {
    return error::ReasonOf(browser_.List(filter, size, token, false).status());
  }

  std::vector<uint64_t> Visit(const std::string& filter) {
    std::vector<uint64_t> visited;
    const absl::Status status =
        browser_.ForEach(*ParsePendingFilter(filter), [&](const PendingRecord& record) {
          visited.push_back(record.sequence);
          return absl::OkStatus();
        });
    EXPECT_TRUE(status.ok()) << status;
    return visited;
  }

  RouterRig rig_;
  PendingBrowser browser_{&rig_.queue};
};

TEST_F(PendingBrowserTest, EmptyQueueIsOneEmptyPage) {
  const PendingBrowser::Page page = List("", 0, "");
  EXPECT_THAT(page.records, IsEmpty());
  EXPECT_EQ(page.next_page_token, "");
}

TEST_F(PendingBrowserTest, PagesFollowOneAnother) {
  Fill(5);
  const PendingBrowser::Page first = List("", 2, "");
  EXPECT_THAT(SequencesOf(first.records), ElementsAre(1, 2));
  const PendingBrowser::Page second = List("", 2, first.next_page_token);
  EXPECT_THAT(SequencesOf(second.records), ElementsAre(3, 4));
  const PendingBrowser::Page last = List("", 2, second.next_page_token);
  EXPECT_THAT(SequencesOf(last.records), ElementsAre(5));
  EXPECT_EQ(last.next_page_token, "");
}

TEST_F(PendingBrowserTest, FullLastPageHasNoToken) {
  Fill(4);
  const PendingBrowser::Page first = List("", 2, "");
  EXPECT_EQ(List("", 2, first.next_page_token).next_page_token, "");
}

TEST_F(PendingBrowserTest, PageGoesOnWhereTheLastOneEndedWhateverHappenedBetween) {
  Fill(5);
  const PendingBrowser::Page first = List("", 2, "");
  ASSERT_EQ(*rig_.queue.Purge({1, 2, 3}), 3);
  EXPECT_THAT(SequencesOf(List("", 2, first.next_page_token).records), ElementsAre(4, 5));
}

TEST_F(PendingBrowserTest, FilterSeesTheWholeQueue) {
  Fill(600);  // More than one slice.
  const PendingBrowser::Page first = List("subject=a", 299, "");
  EXPECT_THAT(first.records, SizeIs(299));
  const PendingBrowser::Page last = List("subject=a", 299, first.next_page_token);
  EXPECT_THAT(SequencesOf(last.records), ElementsAre(600));
  EXPECT_EQ(last.next_page_token, "");
  EXPECT_THAT(SequencesOf(List("operation_id=599", 1, "").records), ElementsAre(599));
}

TEST_F(PendingBrowserTest, PayloadsOnlyWhereAskedFor) {
  Fill(1);
  EXPECT_EQ(List("", 0, "").records[0].payload, "");
  EXPECT_EQ(browser_.List("", 0, "", true)->records[0].payload, "payload 1");
  EXPECT_EQ(browser_.Get(1, false)->payload, "");
  EXPECT_EQ(browser_.Get(1, true)->payload, "payload 1");
}

TEST_F(PendingBrowserTest, ClaimsNothingAndShowsWhatIsInFlight) {
  Fill(2);
  rig_.transport.Connect();
  rig_.drainer.Step();
  const PendingBrowser::Page page = List("", 0, "");
  ASSERT_THAT(page.records, SizeIs(2));
  EXPECT_TRUE(page.records[0].claimed);
  rig_.transport.Disconnect();
  rig_.drainer.Step();
  EXPECT_FALSE(browser_.Get(1, false)->claimed);
}

TEST_F(PendingBrowserTest, RefusesWhatIsWrong) {
  Fill(3);
  EXPECT_EQ(ReasonOfList("nonsense", 0, ""), "FILTER_INVALID");
  EXPECT_EQ(ReasonOfList("", -1, ""), "PAGE_SIZE_INVALID");
  EXPECT_EQ(ReasonOfList("", 0, "nonsense"), "PAGE_TOKEN_INVALID");
  EXPECT_EQ(ReasonOfList("subject=a", 0, List("", 1, "").next_page_token), "PAGE_TOKEN_INVALID");
}

TEST_F(PendingBrowserTest, GetFindsOneAndNothingElse) {
  Fill(3);
  ASSERT_EQ(*rig_.queue.Purge({2}), 1);
  EXPECT_EQ(browser_.Get(3, false)->sequence, 3u);
  for (const uint64_t unknown : {0, 2, 4}) {
    const absl::Status status = browser_.Get(unknown, false).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kNotFound) << unknown;
    EXPECT_EQ(error::ReasonOf(status), "OPERATION_NOT_FOUND");
  }
}

TEST_F(PendingBrowserTest, ForEachVisitsEveryMatchInOrder) {
  Fill(600);
  EXPECT_THAT(Visit(""), SizeIs(600));
  const std::vector<uint64_t> visited = Visit("subject=b AND operation_id>594");
  EXPECT_THAT(visited, ElementsAre(595, 597, 599));
}

TEST_F(PendingBrowserTest, ForEachEndsAlthoughTheQueueGrows) {
  Fill(3);
  int visited = 0;
  const absl::Status status = browser_.ForEach(Filter(), [&](const PendingRecord&) {
    ++visited;
    for (int i = 0; i < 300; ++i) rig_.Queue({"a"});
    return absl::OkStatus();
  });
  EXPECT_TRUE(status.ok());
  EXPECT_EQ(visited, 3);
}

TEST_F(PendingBrowserTest, ForEachStopsAtTheFirstError) {
  Fill(3);
  int visited = 0;
  const absl::Status status = browser_.ForEach(Filter(), [&](const PendingRecord&) {
    ++visited;
    return absl::CancelledError("enough");
  });
  EXPECT_EQ(status, absl::CancelledError("enough"));
  EXPECT_EQ(visited, 1);
}

TEST_F(PendingBrowserTest, ErrorsOfTheQueueArePassedOn) {
  rig_.queue.Close();
  EXPECT_EQ(browser_.List("", 0, "", false).status().code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(browser_.Get(1, false).status().code(), absl::StatusCode::kUnavailable);
}

}  // namespace
}  // namespace router
