#include "clients/cli/output.h"

#include <gtest/gtest.h>

#include <sstream>

#include "clients/cli/yaml.h"
#include "router/v1/message.pb.h"

namespace router::cli {
namespace {

TEST(TableTest, ColumnsAreAsWideAsTheirWidestCell) {
  Table table({"A", "LONGER", "C"});
  table.AddRow({"größe", "1", ""});
  table.AddRow({"x\n", "2", "3"});
  std::ostringstream out;
  table.Print(out);
  EXPECT_EQ(out.str(),
            "A      LONGER  C\n"
            "größe  1\n"
            "x\\x0a  2       3\n");
}

TEST(PropertiesTest, LeavesOutWhatIsEmpty) {
  std::ostringstream out;
  PrintProperties({{"Name", "n"}, {"Very long name", ""}, {"Reason", "r"}}, out);
  EXPECT_EQ(out.str(), "Name    n\nReason  r\n");
}

TEST(JsonTest, HasTheNamesOfGrpcToolsAndShowsZeros) {
  v1::PublishResult result;
  result.set_outcome(v1::PUBLISH_OUTCOME_DELIVERED);
  result.set_message_id("m");
  result.set_sequence(7);
  EXPECT_EQ(ToJson(result, /*on_one_line=*/true),
            "{\"outcome\":\"PUBLISH_OUTCOME_DELIVERED\",\"messageId\":\"m\",\"stream\":\"\","
            "\"sequence\":\"7\",\"duplicate\":false,\"operationId\":\"0\"}\n");
}

TEST(YamlTest, WritesBlockStyle) {
  EXPECT_EQ(
      JsonToYaml(R"({"a": {"b": 1, "c": []}, "list": [{"x": 1, "z": 2}, "s", [1, 2]], "e": {}})"),
      "a:\n"
      "  b: 1\n"
      "  c: []\n"
      "list:\n"
      "  - x: 1\n"
      "    z: 2\n"
      "  - s\n"
      "  - - 1\n"
      "    - 2\n"
      "e: {}\n");
}

TEST(YamlTest, QuotesStringsThatCouldBeSomethingElse) {
  EXPECT_EQ(JsonToYaml(R"({"a": "12", "b": "true", "c": "No", "d": "", "e": "a: b", "f": "x\ny",
                           "g": "-", "h": "plain-text_1.0/2", "i": true, "j": null, "yes": "#"})"),
            "a: \"12\"\n"
            "b: \"true\"\n"
            "c: \"No\"\n"
            "d: \"\"\n"
            "e: \"a: b\"\n"
            "f: \"x\\ny\"\n"
            "g: \"-\"\n"
            "h: plain-text_1.0/2\n"
            "i: true\n"
            "j: null\n"
            "\"yes\": \"#\"\n");
}

}  // namespace
}  // namespace router::cli
