#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "server/config/config_sources.h"

namespace router {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::StartsWith;

SourceContent Read(const std::string& text) { return ReadYaml("r.yaml", text); }

// "place name=value" of every assignment.
std::vector<std::string> Assignments(const SourceContent& content) {
  std::vector<std::string> texts;
  for (const Assignment& assignment : content.assignments) {
    texts.push_back(
        absl::StrCat(assignment.place, " ", assignment.setting->name, "=", assignment.text));
  }
  return texts;
}

TEST(YamlSourceTest, ReadsSectionsAndTopLevelSettingsWithTheirPlaces) {
  const SourceContent content = Read(
      "transport: inproc\n"
      "nats:\n"
      "  reconnect_attempts: 5\n"
      "  fail_open_mode: true\n"
      "message_id:\n"
      "  window_ms: 1000\n");
  EXPECT_THAT(content.errors, IsEmpty());
  EXPECT_THAT(
      Assignments(content),
      ElementsAre("r.yaml:1:12 transport=inproc", "r.yaml:3:23 nats_reconnect_attempts=5",
                  "r.yaml:4:19 nats_fail_open_mode=true", "r.yaml:6:14 message_id_window_ms=1000"));
}

TEST(YamlSourceTest, ListsMayBeSequences) {
  EXPECT_THAT(Assignments(Read("nats: {urls: [nats://a:1, nats://b:2]}")),
              ElementsAre("r.yaml:1:14 nats_urls=nats://a:1,nats://b:2"));
  EXPECT_THAT(Assignments(Read("nats:\n  urls: nats://a:1,nats://b:2")),
              ElementsAre("r.yaml:2:9 nats_urls=nats://a:1,nats://b:2"));
}

TEST(YamlSourceTest, EmptyFilesAndSectionsAreFine) {
  for (const char* text : {"", "\n", "# only a comment\n", "nats:\n", "---\n"}) {
    const SourceContent content = Read(text);
    EXPECT_THAT(content.errors, IsEmpty()) << text;
    EXPECT_THAT(content.assignments, IsEmpty()) << text;
  }
}

TEST(YamlSourceTest, ACommaThatBeginsADocumentIsAnErrorAndNotReadForEver) {
  for (const char* text : {",", ", transport: nats\n", ", 1..\n- 2\n"}) {
    EXPECT_THAT(Read(text).errors, ElementsAre("r.yaml:1:1: not YAML: nothing begins like this"))
        << text;
  }
  EXPECT_THAT(Read("[nats]\n, b\n").errors, Not(IsEmpty()));
}

TEST(YamlSourceTest, UnknownKeysAreErrorsWithTheirPlaceAndASuggestion) {
  EXPECT_THAT(Read("nats:\n  reconect_attempts: 5\n").errors,
              ElementsAre("r.yaml:2:3: unknown key \"reconect_attempts\" under nats; did you mean "
                          "\"reconnect_attempts\"?"));
  EXPECT_THAT(Read("natss:\n  urls: x\n").errors,
              ElementsAre("r.yaml:1:1: unknown key \"natss\"; did you mean \"nats\"?"));
  EXPECT_THAT(Read("transprot: nats").errors,
              ElementsAre("r.yaml:1:1: unknown key \"transprot\"; did you mean \"transport\"?"));
  EXPECT_THAT(Read("colour: red").errors, ElementsAre("r.yaml:1:1: unknown key \"colour\""));
}

TEST(YamlSourceTest, KeysInTheWrongPlaceAreShownTheRightOne) {
  EXPECT_THAT(Read("nats_urls: nats://a:1").errors,
              ElementsAre("r.yaml:1:1: unknown key \"nats_urls\"; did you mean \"urls\" under "
                          "nats?"));
  EXPECT_THAT(Read("nats:\n  transport: inproc").errors,
              ElementsAre("r.yaml:2:3: unknown key \"transport\" under nats; did you mean "
                          "\"transport\" at the top level?"));
}

TEST(YamlSourceTest, AFileCannotNameAFile) {
  EXPECT_THAT(Read("config: other.yaml").errors, ElementsAre("r.yaml:1:1: unknown key \"config\""));
}

TEST(YamlSourceTest, ReportsEveryErrorOfAFile) {
  const SourceContent content = Read(
      "nats:\n"
      "  user:\n"
      "  name: [a]\n"
      "  name: b\n"
      "  [x]: y\n"
      "pending: 5\n"
      "log: {level: {a: b}}\n");
  EXPECT_THAT(content.errors,
              ElementsAre("r.yaml:2:3: \"user\" has no value; it must be text",
                          "r.yaml:3:9: \"name\" has no value; it must be text",
                          "r.yaml:4:3: \"name\" is there twice",
                          "r.yaml:5:3: a key must be the name of a setting or of a section",
                          "r.yaml:6:10: \"pending\" is a section; its settings stand below it, one "
                          "per line",
                          "r.yaml:7:14: \"level\" has no value; it must be one of info, debug, "
                          "warn, error"));
}

TEST(YamlSourceTest, WhatIsNotYamlIsAnErrorWithItsPlace) {
  EXPECT_THAT(Read("nats: [1\nhttp: 2\n").errors, ElementsAre(StartsWith("r.yaml:")));
  EXPECT_THAT(Read("nats: [1\nhttp: 2\n").errors[0], ::testing::HasSubstr(": not YAML: "));
  EXPECT_THAT(Read("- a\n- b\n").errors,
              ElementsAre("r.yaml:1:1: the file must be a map of settings and sections"));
  EXPECT_THAT(Read("transport: nats\n---\ntransport: inproc\n").errors, SizeIs(1));
  EXPECT_THAT(Read(std::string(100000, '[')).errors, SizeIs(1));
  EXPECT_THAT(Read(std::string("\0\xFF\xFE", 3)).errors, SizeIs(1));
}

}  // namespace
}  // namespace router
