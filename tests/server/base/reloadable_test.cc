#include "server/base/reloadable.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <string>

#include "tests/server/base/temp_folder.h"

namespace router {
namespace {

class ReloadableTest : public ::testing::Test {
 protected:
  ReloadableTest() { folder_.Write("a", "one"); }

  absl::StatusOr<std::shared_ptr<const std::string>> Read() {
    ++loads_;
    std::string text = folder_.Read("a");
    if (text.rfind("bad", 0) == 0) return absl::InvalidArgumentError(text);
    return std::make_shared<const std::string>(std::move(text));
  }

  const TempFolder folder_;
  int loads_ = 0;
  absl::Status error_;
  Reloadable<std::string> text_{{folder_.File("a")}, [this] { return Read(); }};
};

TEST_F(ReloadableTest, HasNothingBeforeTheFirstLoad) {
  EXPECT_EQ(text_.current(), nullptr);
  ASSERT_TRUE(text_.Load().ok());
  EXPECT_EQ(*text_.current(), "one");
}

TEST_F(ReloadableTest, ReadsOnlyFilesThatChanged) {
  ASSERT_TRUE(text_.Load().ok());
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kUnchanged);
  EXPECT_EQ(loads_, 1);
  folder_.Write("a", "another");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kReloaded);
  EXPECT_EQ(*text_.current(), "another");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kUnchanged);
}

TEST_F(ReloadableTest, NoticesAFileThatIsReplacedByOneOfTheSameSize) {
  ASSERT_TRUE(text_.Load().ok());
  folder_.Write("b", "two");
  std::filesystem::rename(folder_.File("b"), folder_.File("a"));
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kReloaded);
  EXPECT_EQ(*text_.current(), "two");
}

TEST_F(ReloadableTest, WhatIsReadIsInForceOnlyOnceItIsUsed) {
  ASSERT_TRUE(text_.Load().ok());
  folder_.Write("a", "bad");
  EXPECT_FALSE(text_.Read().ok());
  folder_.Write("a", "another");
  auto loaded = text_.Read();
  ASSERT_TRUE(loaded.ok()) << loaded.status();
  EXPECT_EQ(*text_.current(), "one");
  text_.Use(*std::move(loaded));
  EXPECT_EQ(*text_.current(), "another");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kUnchanged);
}

TEST_F(ReloadableTest, BadFileLeavesEverythingAndIsReportedOnce) {
  ASSERT_TRUE(text_.Load().ok());
  const std::shared_ptr<const std::string> before = text_.current();
  folder_.Write("a", "bad!");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kFailed);
  EXPECT_EQ(error_.message(), "bad!");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kUnchanged);
  EXPECT_EQ(text_.current(), before);
  folder_.Write("a", "bad again");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kFailed);
  folder_.Write("a", "good");
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kReloaded);
  EXPECT_EQ(*text_.current(), "good");
}

TEST_F(ReloadableTest, IsStaleWhileItsFilesCannotBeUsed) {
  ASSERT_TRUE(text_.Load().ok());
  EXPECT_FALSE(text_.is_stale());
  folder_.Write("a", "bad!");
  EXPECT_FALSE(text_.is_stale()) << "nobody has looked yet";
  for (int i = 0; i < 2; ++i) {
    text_.Poll(&error_);
    EXPECT_TRUE(text_.is_stale()) << "also where it is not said again";
  }
  folder_.Write("a", "good");
  text_.Poll(&error_);
  EXPECT_FALSE(text_.is_stale());
}

TEST_F(ReloadableTest, IsNotStaleOnceTheOldFileIsBack) {
  ASSERT_TRUE(text_.Load().ok());
  std::filesystem::rename(folder_.File("a"), folder_.File("kept"));
  folder_.Write("a", "bad!");
  text_.Poll(&error_);
  ASSERT_TRUE(text_.is_stale());
  std::filesystem::rename(folder_.File("kept"), folder_.File("a"));
  text_.Poll(&error_);
  EXPECT_FALSE(text_.is_stale());
}

TEST_F(ReloadableTest, FileThatIsGoneIsAChange) {
  ASSERT_TRUE(text_.Load().ok());
  std::filesystem::remove(folder_.File("a"));
  EXPECT_EQ(text_.Poll(&error_), ReloadOutcome::kReloaded);
  EXPECT_EQ(*text_.current(), "");
}

}  // namespace
}  // namespace router
