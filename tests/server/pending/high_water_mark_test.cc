#include "server/pending/high_water_mark.h"

#include <xxhash.h>

#include "gtest/gtest.h"
#include "tests/server/pending/sqlite_queue_testing.h"

namespace router {
namespace {

class HighWaterMarkTest : public ::testing::Test {
 protected:
  void ExpectReads(uint64_t commit_number, uint64_t last_sequence) {
    const absl::optional<HighWaterMark::Position> position = HighWaterMark(path_).Read();
    ASSERT_TRUE(position.has_value());
    EXPECT_EQ(position->commit_number, commit_number);
    EXPECT_EQ(position->last_sequence, last_sequence);
  }

  TemporaryFolder folder_;
  const std::string path_ = folder_.path() + "/mark";
};

TEST_F(HighWaterMarkTest, IsEmptyWithoutAFile) { EXPECT_FALSE(HighWaterMark(path_).Read()); }

TEST_F(HighWaterMarkTest, GivesBackTheLastPosition) {
  HighWaterMark mark(path_);
  for (uint64_t i = 1; i <= 5; ++i) {
    ASSERT_TRUE(mark.Write({i, 100 * i}, i % 2 == 0).ok());
    ExpectReads(i, 100 * i);
  }
}

TEST_F(HighWaterMarkTest, GivesBackTheNumberOfRecords) {
  HighWaterMark mark(path_);
  ASSERT_TRUE(mark.Write({1, 100, 7}, true).ok());
  EXPECT_EQ(HighWaterMark(path_).Read()->record_count, 7);
}

TEST_F(HighWaterMarkTest, ReadsVersion1WhichHadNoNumberOfRecords) {
  std::string slot("RTRMARK1");
  for (const uint64_t number : {uint64_t{5}, uint64_t{500}}) {
    slot.append(reinterpret_cast<const char*>(&number), sizeof(number));
  }
  const uint64_t checksum = XXH3_64bits(slot.data(), slot.size());
  slot.append(reinterpret_cast<const char*>(&checksum), sizeof(checksum));
  WriteFile(path_, slot);
  ExpectReads(5, 500);
  EXPECT_EQ(HighWaterMark(path_).Read()->record_count, HighWaterMark::Position::kUnknown);
}

TEST_F(HighWaterMarkTest, AWriteCutShortLeavesTheOneBefore) {
  HighWaterMark mark(path_);
  for (uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(mark.Write({i, 100 * i}, true).ok());
  // The fifth write went to the second slot, the fourth to the first.
  FlipByte(path_, 4096 + 10);
  ExpectReads(4, 400);
  FlipByte(path_, 10);
  EXPECT_FALSE(HighWaterMark(path_).Read().has_value());
}

TEST_F(HighWaterMarkTest, AnErrorNamesTheFile) {
  HighWaterMark mark(folder_.path() + "/missing/mark");
  const absl::Status status = mark.Write({1, 1}, true);
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
  EXPECT_NE(status.message().find("missing/mark"), absl::string_view::npos);
}

}  // namespace
}  // namespace router
